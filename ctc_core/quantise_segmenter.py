"""Makes a segmenter's form in 8-bit integers and measures whether it finds the same cells; as `ctc_core.quantise`."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ctc_core import int8
from ctc_core.bench.agreement import same_cells
from ctc_core.bench.child import boxes
from ctc_core.quantise import FASTER, finish, in_integers, keep
from ctc_core.segment import Segmenter
from ctc_core.segment.dataset import load_nuclei, simulated
from ctc_core.segment.folders import Source, locate
from ctc_core.segment.graph import read_weights, unet
from ctc_core.segment.openvino import OpenVINOStarDist, recipe
from ctc_core.types import Progress

Page = NDArray[np.float32]

SAME_CELLS = 0.995
"""Least F1 of the same cells, on every set of images."""

LAST = ("prob", "dist")
"""These answer in numbers that thresholds cut; they stay in floating point, as does the first layer, which sees pages
whose brightest cells are a hundred times as bright as their dimmest.
"""


def quantise_segmenter(
    name: str, nuclei: Path | None, *, frames: int, seed: int = 0, threads: int = 0, progress: Progress
) -> dict[str, Any]:
    """Make the form of a segmenter, or find the one that was made; what was measured, and whether it is used.

    Args:
        nuclei: real nuclei as for training: those of the training choose the ranges, too, held-back ones are compared.
        frames: simulated frames of other patients on which it is compared with Keras in 32 bits.
        seed: of the split of the nuclei.

    Raises:
        ModelError: no segmenter, or a file was changed.
        UserError: NNCF is not installed, or the folder cannot be written.
    """
    source, how = locate(name), recipe()
    form = int8.find(source.weights, how)
    if form is None:
        progress(0, 2, "calibrating on simulated frames" + (" and real nuclei" if nuclei else ""))
        made = _in_integers(source, _tiles(how, nuclei, seed))
        form = keep(made, int8.form_folder(source.weights, how), {"kind": int8.FOLDER, "name": source.id, **how})
    if "figures" not in int8.about(form):
        progress(1, 2, f"comparing on {frames} simulated frames")
        sets = {"simulated": simulated("evaluation", frames)}
        if nuclei:
            sets["held-back nuclei"] = load_nuclei(nuclei, "held-back", seed=seed)
        pages = {key: [sample.image for sample in samples] for key, samples in sets.items()}
        figures = measure(name, form, pages, threads)
        form = finish(form, figures, agrees=agrees(figures))
    progress(2, 2, "done")
    return {"segmenter": source.id, "form": form.precision, **int8.about(form)["figures"], "used": form.agrees}


def agrees(figures: dict[str, Any]) -> bool:
    """Whether a form is used: the same cells everywhere, and a gain by the clock."""
    return all(same["f1"] >= SAME_CELLS for same in figures["sets"].values()) and figures["times_faster"] >= FASTER


def measure(name: str, form: int8.Form, sets: Mapping[str, Sequence[Page]], threads: int) -> dict[str, Any]:
    """`same` of a form and Keras, and how many times faster than floating point it is on a page."""
    exact = Segmenter.load(name, threads=threads)
    floating, integers = (OpenVINOStarDist(locate(name), threads=threads, form=one) for one in (None, form))
    (page, *_), *_ = sets.values()
    found = same(exact, Segmenter(integers, exact.id, integers), sets)
    return {"sets": found, "times_faster": times_faster(floating, integers, page)}


def same(one: Segmenter, other: Segmenter, sets: Mapping[str, Sequence[Page]]) -> dict[str, dict[str, float]]:
    """`same_cells` of two segmenters on each set of pages."""
    return {
        name: same_cells(*([boxes(each.outlines(page).polygons) for page in pages] for each in (one, other)))
        for name, pages in sets.items()
    }


def times_faster(slow: OpenVINOStarDist, fast: OpenVINOStarDist, page: Page, turns: int = 5) -> float:
    """Median ratio of the processor's seconds for a page, in turns."""
    ratios = []
    for _ in range(turns + 1):  # the first compiles
        taken = [_seconds(one, page) for one in (slow, fast)]
        ratios.append(taken[0] / taken[1])
    return float(np.median(ratios[1:]))


def _seconds(network: OpenVINOStarDist, page: Page) -> float:
    began = time.process_time()
    network(page)
    return time.process_time() - began


def _in_integers(source: Source, tiles: Sequence[Page]) -> Any:
    graph = unet(source.parameters, read_weights(source.weights), (tiles[0].shape[2], tiles[0].shape[3]))
    layers = [node.get_friendly_name() for node in graph.get_ordered_ops() if node.get_type_name() == "Convolution"]
    return in_integers(graph, tiles, [layer for layer in layers[1:] if layer not in LAST])


def _tiles(how: dict[str, Any], nuclei: Path | None, seed: int) -> list[Page]:
    """Squares (1, 1, edge, edge) of training images, normalised as wholes, in an order that the recipe's seed draws."""
    images = [one.image for one in simulated("train", how["frames"])]
    real = [one.image for one in load_nuclei(nuclei, "train", seed=seed)] if nuclei else []
    draw = np.random.default_rng(how["seed"])
    kinds = [[tile for image in some for tile in _cut(image, how["tile_px"])] for some in (images, real) if some]
    share = how["tiles"] // len(kinds)
    return [tiles[k] for tiles in kinds for k in draw.permutation(len(tiles))[:share]]


def _cut(image: Page, edge: int) -> list[Page]:
    """Squares beside one another; a smaller image is mirrored to one square."""
    image = np.pad(image, [(0, max(edge - side, 0)) for side in image.shape], mode="symmetric")
    rows, columns = (range(0, side - edge + 1, edge) for side in image.shape)
    return [image[None, None, y : y + edge, x : x + edge].copy() for y in rows for x in columns]
