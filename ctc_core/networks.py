"""The two networks of a process, loaded when they are first needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctc_core.settings import Runtime, Settings

if TYPE_CHECKING:
    from ctc_core.encoder import Embedder
    from ctc_core.segment import Segmenter


class Networks:
    """The two networks of a process, loaded on first use and kept."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._segmenter: Segmenter | None = None
        self._embedder: Embedder | None = None

    @property
    def segmenter(self) -> Segmenter:
        """StarDist as the settings name it."""
        if self._segmenter is None:
            from ctc_core.segment import Segmenter

            self._segmenter = Segmenter.load(
                self.settings.segmenter, threads=self.settings.threads, runtime=self.settings.runtime
            )
        return self._segmenter

    @property
    def embedder(self) -> Embedder:
        """XCiT as the settings name it."""
        if self._embedder is None:
            from ctc_core.encoder import Embedder

            self._embedder = Embedder.load(
                self.settings.encoder,
                threads=self.settings.threads,
                data_dir=self.settings.data_dir,
                runtime=self.settings.runtime,
            )
        return self._embedder

    @property
    def lanes(self) -> int:
        """Frames that may be computed at a time: Keras and torch take all cores for one."""
        if self.settings.runtime is not Runtime.OPENVINO:
            return 1
        from ctc_core._openvino import threads_or_cores

        return threads_or_cores(self.settings.threads)
