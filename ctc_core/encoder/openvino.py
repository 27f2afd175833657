"""The encoder in OpenVINO: the same weights, without torch."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ctc_core import int8
from ctc_core._openvino import Network, precision, threads_or_cores
from ctc_core.encoder.crops import check_crops
from ctc_core.encoder.graph import xcit
from ctc_core.encoder.sizes import PATCH_PX
from ctc_core.errors import ModelError
from ctc_core.models import load_config
from ctc_core.types import EMBEDDING_DIM

BATCH, TOKENS = 16, 16 * 144
"""Crops computed together, and their tokens (144 for 96 px): more leave the processor's cache."""


def recipe(input_px: int) -> dict[str, Any]:
    """How a form in integers is made (`ctc_core.quantise`): another number or another way is another form.

    `beside`: the arithmetic of the layers that are not in integers; its graph is made for that, and measured in it.
    """
    return {"made": 1, "input_px": input_px, "beside": precision(), "crops": 512, "seed": 17}


class OpenVINOEncoder:
    """One network, compiled for one size of input. May be called from several threads at a time."""

    def __init__(self, folder: Path, input_px: int, *, threads: int = 0, form: int8.Form | None = None) -> None:
        """`threads`: batches computed at a time, one thread each; 0: all cores. Verifies the hash.

        form: in which it is computed; None: in floating point.

        Raises:
            ModelError: changed, or not weights of this network.
        """
        self._lanes = threads_or_cores(threads)
        graph = int8.read(form) if form else build(folder, input_px)
        self._network = Network(graph, threads=self._lanes)
        self._batch = min(BATCH, max(TOKENS // (input_px // PATCH_PX) ** 2, 1))

    def embed(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """As `Embedder.embed`."""
        check_crops(crops)
        vectors = np.empty((len(crops), EMBEDDING_DIM), np.float32)

        def one(start: int) -> None:
            def keep(outputs: Sequence[NDArray[np.float32]]) -> None:
                vectors[start : start + self._batch] = outputs[0]

            self._network(np.ascontiguousarray(crops[start : start + self._batch]), keep)

        with ThreadPoolExecutor(self._lanes) as lanes:
            list(lanes.map(one, range(0, len(crops), self._batch)))
        return vectors


def build(folder: Path, input_px: int, *, convolutions: bool = False) -> Any:
    """Graph of a model folder's network; verifies the hash. `convolutions`: as `graph.xcit`.

    Raises:
        ModelError: changed, or not weights of this network.
    """
    try:
        return xcit(_weights(folder), input_px, convolutions=convolutions)
    except (KeyError, IndexError, ValueError, RuntimeError) as error:
        reason = f"{type(error).__name__} {str(error).splitlines()[0]}"
        message = f"{folder}: not weights of this network ({reason}). Restore the model folder."
        raise ModelError(message) from error


def _weights(folder: Path) -> dict[str, NDArray[np.float32]]:
    import safetensors
    from safetensors.numpy import load_file

    config = load_config(folder)
    try:
        (name,) = config["sha256"]
        weights: dict[str, NDArray[np.float32]] = load_file(folder / name)
    except (ValueError, OSError, safetensors.SafetensorError) as error:
        message = f"{folder}: not weights of {config.get('architecture')} ({error}). Restore the model folder."
        raise ModelError(message) from error
    return weights
