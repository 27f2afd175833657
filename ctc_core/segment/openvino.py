"""StarDist in OpenVINO: the same weights, the same outlines, without TensorFlow."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ctc_core import int8
from ctc_core._openvino import Network, precision
from ctc_core.errors import ModelError
from ctc_core.segment import instances
from ctc_core.segment.folders import Source
from ctc_core.segment.graph import multiple_of, read_weights, unet
from ctc_core.segment.outlines import Outlines


def recipe() -> dict[str, Any]:
    """How a form in integers is made (`ctc_core.quantise_segmenter`): another number or another way is another form.

    `beside`: the arithmetic of the layers that are not in integers.
    """
    return {"made": 2, "tile_px": 256, "beside": precision(), "frames": 8, "tiles": 160, "seed": 17}


class OpenVINOStarDist:
    """One network, compiled for each size of page it meets. May be called from several threads at a time."""

    def __init__(self, source: Source, *, threads: int = 0, form: int8.Form | None = None) -> None:
        """`threads`: pages computed at a time, one thread each; 0: all cores. `form`: in which it is computed; None: in
        floating point.

        Raises:
            ModelError: weights that do not fit the network of the config, or a kind of network that is not known.
        """
        self.source, self.threads, self.form = source, threads, form
        self.weights = read_weights(source.weights)
        self.step = multiple_of(source.parameters)
        self._compiled: dict[tuple[int, int], Network] = {}
        self._compiling = threading.Lock()
        try:
            unet(source.parameters, self.weights, (self.step, self.step))
        except ModelError as error:
            message = f"{source.weights}: {error} Restore the model folder."
            raise ModelError(message) from error

    @classmethod
    def load(cls, source: Source, *, threads: int = 0, integers: bool) -> OpenVINOStarDist:
        """`integers`: in these where there is a form that agrees and the processor gains by it."""
        return cls(source, threads=threads, form=int8.usable(source.weights, recipe()) if integers else None)

    @property
    def precision(self) -> str:
        """`f32`, `bf16`, or `int8-` and the form's hash."""
        return int8.precision_of(self.form)

    def __call__(self, normalised: NDArray[np.float32]) -> Outlines:
        """Outlines on a normalised page, (h, w) float32."""
        height, width = normalised.shape

        def read(outputs: Sequence[NDArray[np.float32]]) -> Outlines:
            return instances.outlines(
                outputs[0][0, 0],
                outputs[1][0],
                (height, width),
                grid=tuple(self.source.parameters["grid"]),
                **self.source.thresholds,
            )

        padded = self._padded(normalised)
        return self._network(padded.shape)(padded[None, None], read)

    def _padded(self, page: NDArray[np.float32]) -> NDArray[np.float32]:
        """Mirrored below and to the right to a size that the network halves without remainder (StarDist's resizer)."""
        padding = [(0, -edge % self.step) for edge in page.shape]
        return np.pad(page, padding, mode="reflect") if any(after for _, after in padding) else page

    def _network(self, shape: tuple[int, ...]) -> Network:
        size = (shape[0], shape[1])
        with self._compiling:
            if size not in self._compiled:
                self._compiled[size] = Network(self._graph(size), threads=self.threads)
            return self._compiled[size]

    def _graph(self, size: tuple[int, int]) -> Any:
        if self.form is None:
            return unet(self.source.parameters, self.weights, size)
        graph = int8.read(self.form)
        graph.reshape([1, 1, *size])
        return graph
