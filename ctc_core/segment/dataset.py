"""What the segmenter learns from and is measured on: real nuclei at CellSearch's scale, and simulated CK frames."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ctc_core.cartridge import stretch
from ctc_core.errors import ModelError
from ctc_core.segment.stardist import normalise
from ctc_core.types import Channel

DIAMETER_PX = 17.0
"""Median diameter that real nuclei are rescaled to: between a leukocyte (9.4 um, 15 px) and a CTC (12.4 um, 19 px)."""

SHARES = {"train": 0.75, "validation": 0.10, "held-back": 0.15}
"""How the real images are split. Validation chooses the thresholds; held-back images are only ever reported on."""

FIRST_PATIENT = {"train": 1_000_000, "validation": 2_000_000, "evaluation": 3_000_000}
"""Seed of the first simulated patient of each part; the next frames are of the next seeds."""

VISIBLE = 1.5
"""8-bit levels above the background from which an object shows on a page (noise: about 1.2 levels a pixel)."""

TILE_PX = 128
"""The ground is measured in tiles of this edge: haze and illumination differ from one end of a frame to the other."""

HIDDEN = 0.5
"""An object of which brighter ones cover more than this share has no outline of its own to see."""

SCENE_PAGES = (Channel.DAPI, Channel.MARKER, Channel.CK, Channel.CD45)
"""Pages of a simulated scene."""


@dataclass(frozen=True)
class Sample:
    """One image to learn from or to be measured on."""

    name: str
    image: NDArray[np.float32]
    """(h, w), normalised as `Segmenter` does."""
    labels: NDArray[np.int32]
    """(h, w), 0 = background, one number per object."""
    kinds: tuple[str, ...] = ()
    """Kind of object 1, 2, ..., CTCs as `ctc <phenotype>`; empty for real nuclei."""
    hidden: int = 0
    """CTCs without a label, because brighter objects hide them."""


def load_nuclei(path: Path, part: str, *, seed: int, diameter_px: float = DIAMETER_PX) -> list[Sample]:
    """Real nuclei of one part of the split (`train`, `validation` or `held-back`), rescaled so that their median
    diameter fits.

    `path`: an .npz with `names` and, for each k, `image_<k>` (h, w) and `mask_<k>` (h, w) uint16.

    Raises:
        ModelError: no such file, or not of this form.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            names = file["names"]
            chosen = split(len(names), seed=seed)[part]
            return [
                _real(str(names[k]), file[f"image_{k}"], file[f"mask_{k}"].astype(np.int32), diameter_px)
                for k in chosen
            ]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        message = f"{path}: not a set of labelled nuclei ({error}). It needs names, image_<k> and mask_<k>."
        raise ModelError(message) from error


def split(count: int, *, seed: int) -> dict[str, NDArray[np.int64]]:
    """Image numbers of each part, disjoint, together 0..count-1."""
    order = np.random.default_rng(seed).permutation(count)
    ends = np.round(np.cumsum(list(SHARES.values())) * count).astype(int)
    parts = np.split(order, ends[:-1])
    return {name: np.sort(part) for name, part in zip(SHARES, parts, strict=True)}


def diameters(labels: NDArray[Any]) -> NDArray[np.float64]:
    """Equivalent circle diameter in px of each object, (n,)."""
    areas = np.bincount(labels.ravel())[1:]
    found: NDArray[np.float64] = np.sqrt(4 * areas[areas > 0] / np.pi)
    return found


def _real(name: str, image: NDArray[Any], labels: NDArray[np.int32], diameter_px: float) -> Sample:
    image, labels = rescale(image, labels, diameter_px / float(np.median(diameters(labels))))
    return Sample(name, normalise(image), labels)


def rescale(image: NDArray[Any], labels: NDArray[Any], factor: float) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Resize an image (bilinear, smoothed when it shrinks) and its labels (nearest) by `factor`."""
    from skimage.transform import resize

    shape = tuple(max(round(edge * factor), 1) for edge in image.shape)
    resized = resize(image.astype(np.float32), shape, order=1, anti_aliasing=factor < 1, preserve_range=True)
    nearest = resize(labels, shape, order=0, anti_aliasing=False, preserve_range=True)
    return resized.astype(np.float32), nearest.astype(np.int32)


def simulated(part: str, frames: int) -> list[Sample]:
    """Simulated CK frames of a part, each of another patient, none in two parts. Labels: the CK-positive objects.

    Every frame is stretched to 8 bits as in an archive. Every second one (to train on: three in four) has 16-40
    CTCs, so that rare phenotypes are seen often enough; the others have as few as the patient has.
    """
    from ctc_core.simulate import draw_patient, render_frame

    samples = []
    for seed in range(FIRST_PATIENT[part], FIRST_PATIENT[part] + frames):
        few = seed % (4 if part == "train" else 2) == 1
        scene, truth = render_frame(draw_patient(seed), np.random.default_rng(seed), ctcs=None if few else (16, 40))
        ck, _low, _high = stretch(scene[list(SCENE_PAGES).index(Channel.CK)])
        samples.append(labelled(f"patient {seed}", ck, truth[truth["ck_positive"]]))
    return samples


def labelled(name: str, ck: NDArray[np.uint8], objects: pd.DataFrame) -> Sample:
    """A simulated page (h, w) with those of its objects (columns of the simulator's truth) that have an outline to see.

    No label: what the page does not show (`VISIBLE`), unless it is a CTC; and what brighter objects hide (`HIDDEN`), be
    it a CTC (those are counted). Where two overlap, a pixel belongs to the brighter one.
    """
    from skimage.draw import polygon

    outlines = [np.array(outline) for outline in objects["outline"]]
    pixels = [np.stack(polygon(one[:, 0], one[:, 1], ck.shape)) for one in outlines]
    contrast = _contrast(ck, pixels)
    order = np.argsort(-contrast, kind="stable")
    shown = np.bincount(label_image((outlines[k] for k in order), ck.shape).ravel(), minlength=len(order) + 1)[1:]
    hidden = np.zeros(len(order), bool)
    hidden[order] = shown < (1 - HIDDEN) * np.array([pixels[k].shape[1] for k in order])
    is_ctc = objects["is_ctc"].to_numpy(bool)
    kept = [k for k in order if not hidden[k] and (is_ctc[k] or contrast[k] >= VISIBLE)]
    seen = objects.iloc[kept]
    kinds = tuple(map(_kind, seen["kind"], seen["phenotype"], seen["is_ctc"]))
    labels = label_image((outlines[k] for k in kept), ck.shape)
    return Sample(name, normalise(ck), labels, kinds, int((hidden & is_ctc).sum()))


def _kind(kind: str, phenotype: str, is_ctc: bool) -> str:
    return f"ctc {phenotype}" if is_ctc else kind


def _contrast(page: NDArray[np.uint8], objects: Sequence[NDArray[np.int64]]) -> NDArray[np.float64]:
    """(n,) 8-bit levels by which each object, given by its pixels (2, k), is brighter than the ground around it.

    Measured where no other object lies, so that a bright neighbour does not count; -inf where that is nowhere.
    """
    covered = np.zeros(page.shape, np.int64)
    for rows, cols in objects:
        covered[rows, cols] += 1
    ground = _ground(page, covered > 0)
    contrast = np.full(len(objects), -np.inf)
    for number, (rows, cols) in enumerate(objects):
        alone = covered[rows, cols] == 1
        if alone.any():
            rows, cols = rows[alone], cols[alone]
            contrast[number] = (page[rows, cols] - ground[rows // TILE_PX, cols // TILE_PX]).mean()
    return contrast


def _ground(page: NDArray[np.uint8], covered: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Median of the page outside all objects in each tile of `TILE_PX`."""
    free = np.where(covered, np.nan, page.astype(np.float64))
    overall = np.nanmedian(free)
    tiles = [
        [free[y : y + TILE_PX, x : x + TILE_PX] for x in range(0, page.shape[1], TILE_PX)]
        for y in range(0, page.shape[0], TILE_PX)
    ]
    return np.array([[overall if np.isnan(tile).all() else np.nanmedian(tile) for tile in row] for row in tiles])


def label_image(polygons: Iterable[NDArray[np.floating]], shape: tuple[int, ...]) -> NDArray[np.int32]:
    """(h, w) label image of polygons (k, 2) [y, x]: polygon i has number i + 1; where two overlap, the earlier is on
    top.
    """
    from skimage.draw import polygon

    labels = np.zeros(shape, np.int32)
    for number, outline in reversed(list(enumerate(polygons, start=1))):
        labels[polygon(outline[:, 0], outline[:, 1], shape)] = number
    return labels
