"""The baseline: what the method needs without engineering. One process, one frame and one cell after the other.

Keras computes a StarDist network of the published size through its own `predict_instances`; crops are cut cell by cell
and channel by channel; torch embeds them in 32 bits at 224 x 224 px. What follows is not slowed down on purpose: all
vectors are scored in one call of scikit-learn (64 bits), and all cells go into one SQLite table in one transaction.

The published network has twice our filters in every layer. Our weights are put into a network of that size and the
rest is zero: the same answers at the published cost, so that the same cells are compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ctc_core.bench import flops
from ctc_core.bench.stopwatch import Stopwatch
from ctc_core.bench.stored import PlainStore
from ctc_core.cartridge import Cartridge
from ctc_core.encoder.embedder import load_network, run_network
from ctc_core.models import model_folder
from ctc_core.segment.folders import locate
from ctc_core.segment.graph import multiple_of
from ctc_core.segment.stardist import build_network, load_weights, normalise, set_thresholds
from ctc_core.settings import Settings
from ctc_core.types import CROP_CHANNELS, CROP_PX, Channel

PUBLISHED_FILTERS, PUBLISHED_FEATURES = 32, 128
"""Of `2D_versatile_fluo`: filters of the first level, and of the layer behind the U-Net."""
PUBLISHED_PX = 224
"""Edge of the published encoder's input."""
BATCH = 64


class Plain:
    """The two networks of the baseline, and its table of cells."""

    def __init__(self, settings: Settings, folder: Path, labelled: int) -> None:
        """`folder`: where the table goes; `labelled`: cells that the classifier is fitted on."""
        self.settings, self.runs = settings, 0
        self.store = PlainStore(folder / "cells.sqlite", labelled)
        source = locate(settings.segmenter)
        self.stardist = published_size(source.parameters, source.weights, threads=settings.threads)
        set_thresholds(self.stardist, **source.thresholds)
        self.encoder = load_network(model_folder(settings.encoder, settings.data_dir))
        self.threads, self.step = settings.threads, multiple_of(source.parameters)

    def gflop(self, page: tuple[int, int]) -> dict[str, float]:
        """Of a page (h, w), and of a cell."""
        frame = flops.of_keras(self.stardist, flops.padded(page, self.step))
        return {"frame": frame, "cell": flops.of_torch(self.encoder, PUBLISHED_PX)}

    def run(self, cartridge: Cartridge, watch: Stopwatch) -> list[int]:
        """Cells of each frame."""
        self.runs += 1
        with watch.watching((self.stardist.keras_model, "predict", "segment network")):
            found = [self._frame(cartridge, number, watch) for number in cartridge.frame_numbers]
        vectors = np.concatenate([cells.vectors for cells in found])
        with watch.stage("score"):
            probabilities = self.store.score(vectors)
        with watch.stage("import"):
            self.store.add(_rows(f"bench-{self.runs}", found, probabilities))
        with watch.stage("query"):
            self.store.candidates(f"bench-{self.runs}")
        return [len(cells.outlines) for cells in found]

    def _frame(self, cartridge: Cartridge, number: int, watch: Stopwatch) -> Cells:
        with watch.stage("read"):
            frame = cartridge.read(number)
        pages = [frame.stretched[frame.channels.index(channel)] for channel in CROP_CHANNELS]
        with watch.stage("normalise"):
            page = normalise(pages[CROP_CHANNELS.index(Channel.CK)].astype(np.float32))
        with watch.stage("NMS"):
            _, found = self.stardist.predict_instances(page, return_labels=False, show_tile_progress=False)
        with watch.stage("crop"):
            crops = np.array([cut(pages, outline) for outline in found["coord"]], np.uint8)
        shaped = crops.reshape(-1, len(CROP_CHANNELS), CROP_PX, CROP_PX)
        with watch.stage("embed"):
            vectors = run_network(self.encoder, shaped, input_px=PUBLISHED_PX, batch=BATCH, threads=self.threads)
        return Cells(number, np.moveaxis(found["coord"], 1, 2), shaped, vectors)


@dataclass(frozen=True)
class Cells:
    """Of one frame."""

    frame: int
    outlines: NDArray[np.float32]
    """(n, rays, 2) [y, x]"""
    crops: NDArray[np.uint8]
    vectors: NDArray[np.float32]


def _rows(cartridge: str, found: list[Cells], probabilities: NDArray[np.float64]) -> list[tuple[Any, ...]]:
    """Of `PlainStore`'s table."""
    scores = iter(probabilities.tolist())
    return [
        (cartridge, cells.frame, outline.tobytes(), crops.tobytes(), vector.tobytes(), next(scores))
        for cells in found
        for outline, crops, vector in zip(cells.outlines, cells.crops, cells.vectors, strict=True)
    ]


def cut(pages: list[NDArray[Any]], outline: NDArray[np.float32]) -> list[NDArray[Any]]:
    """Crop of one cell, 48 x 48 px of each page around the middle of its outline (2, rays)."""
    crops = []
    for page in pages:
        starts = []
        for along, edge in zip(outline, page.shape, strict=True):
            middle = (along.min() + along.max()) / 2
            starts.append(min(max(round(middle - CROP_PX / 2), 0), edge - CROP_PX))
        crops.append(page[starts[0] : starts[0] + CROP_PX, starts[1] : starts[1] + CROP_PX].copy())
    return crops


def published_size(parameters: Mapping[str, Any], weights: Any, *, threads: int = 0) -> Any:
    """A Keras network of the published size that answers as ours does."""
    ours = build_network(parameters, threads=threads)
    load_weights(ours, weights)
    size = {"unet_n_filter_base": PUBLISHED_FILTERS, "net_conv_after_unet": PUBLISHED_FEATURES}
    wide = build_network({**parameters, **size}, threads=threads)
    for small, large in zip(ours.keras_model.layers, wide.keras_model.layers, strict=True):
        if small.get_weights():
            kernel, bias = small.get_weights()
            parts = 2 if small.name.startswith("up_level") and small.name.endswith("_no_0") else 1
            large.set_weights([widened(kernel, large.kernel.shape, parts), widened(bias, large.bias.shape, 1)])
    return wide


def widened(values: NDArray[np.float32], shape: tuple[int, ...], parts: int) -> NDArray[np.float32]:
    """`values` in an array of zeros; a layer behind a concatenation gets its inputs in two `parts`, each padded.

    The first part comes from below, with as many channels as the second, which skipped the levels below it.
    """
    wide = np.zeros(shape, np.float32)
    if values.ndim == 1:
        wide[: len(values)] = values
        return wide
    given, room = values.shape[2] // parts, shape[2] // parts
    for part in range(parts):
        target = wide[:, :, part * room : part * room + given, : values.shape[3]]
        target[...] = values[:, :, part * given : (part + 1) * given]
    return wide
