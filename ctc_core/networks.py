"""The two networks of a process, loaded when they are first needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctc_core.arithmetic import Arithmetic, arithmetic
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
    def arithmetic(self) -> Arithmetic:
        """What they compute with."""
        own = {f"precision of {name}": value for name, value in self.precisions.items()}
        return {**arithmetic(self.settings.runtime), **own}

    @property
    def precisions(self) -> dict[str, str]:
        """Of each network: `f32`, `bf16`, or `int8-` and the hash of its form in integers."""
        if self.settings.runtime is Runtime.EXACT:
            return {"segmenter": "f32", "encoder": "f32"}
        return {"segmenter": self.segmenter.precision, "encoder": self.embedder.precision}

    @property
    def lanes(self) -> int:
        """Frames that may be computed at a time: Keras and torch take all cores for one."""
        if self.settings.runtime is Runtime.EXACT:
            return 1
        from ctc_core._openvino import threads_or_cores

        return threads_or_cores(self.settings.threads)
