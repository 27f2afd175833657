"""What the segmenter learns from: real nuclei at CellSearch's scale, simulated CK frames, and patches cut out of
both.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
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
    """Kind of object 1, 2, ...; empty for real nuclei."""


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

    Every frame is stretched to 8 bits as in an archive. Every second one has 16-40 CTCs, so that rare phenotypes are
    seen often enough; the others have as few as the patient has. Objects that the stretched page does not show
    (`VISIBLE`) carry no label, unless they are CTCs.
    """
    from ctc_core.simulate import draw_patient, render_frame

    samples = []
    for seed in range(FIRST_PATIENT[part], FIRST_PATIENT[part] + frames):
        scene, truth = render_frame(
            draw_patient(seed), np.random.default_rng(seed), ctcs=None if seed % 2 else (16, 40)
        )
        ck, _low, _high = stretch(scene[list(SCENE_PAGES).index(Channel.CK)])
        positive = truth[truth["ck_positive"]]
        seen = positive[positive["is_ctc"].to_numpy(bool) | (_contrast(ck, positive["outline"]) >= VISIBLE)]
        kinds = tuple(map(_kind, seen["kind"], seen["phenotype"]))
        samples.append(Sample(f"patient {seed}", normalise(ck), _labels(seen["outline"], ck.shape), kinds))
    return samples


def _kind(kind: str, phenotype: str) -> str:
    return f"ctc {phenotype}" if kind == "ctc" else kind


def _contrast(page: NDArray[np.uint8], outlines: Iterable[list[list[float]]]) -> NDArray[np.float64]:
    """(n,) mean of each object minus the median of the page outside all of them, 8-bit levels."""
    objects = list(outlines)
    labels = _labels(objects, page.shape)
    pixels = np.bincount(labels.ravel(), minlength=len(objects) + 1)[1:]
    totals = np.bincount(labels.ravel(), page.ravel(), minlength=len(objects) + 1)[1:]
    contrast: NDArray[np.float64] = totals / np.maximum(pixels, 1) - np.median(page[labels == 0])
    return contrast


def _labels(outlines: Iterable[list[list[float]]], shape: tuple[int, ...]) -> NDArray[np.int32]:
    return label_image((np.array(outline) for outline in outlines), shape)


def label_image(polygons: Iterable[NDArray[np.floating]], shape: tuple[int, ...]) -> NDArray[np.int32]:
    """(h, w) label image of polygons (k, 2) [y, x]: polygon i has number i + 1; where two overlap, the earlier is on
    top.
    """
    from skimage.draw import polygon

    labels = np.zeros(shape, np.int32)
    for number, outline in reversed(list(enumerate(polygons, start=1))):
        labels[polygon(outline[:, 0], outline[:, 1], shape)] = number
    return labels


# --- patches ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Patches:
    """Draws augmented training patches; half of them from each group of samples."""

    groups: tuple[Sequence[Sample], ...]
    size: int = 128
    foreground: float = 0.9
    """Share of patches that surely hold an object (StarDist's own default)."""
    zoom: float = 1.3
    """Objects are shown between 1/zoom and zoom times their size."""

    def batch(self, n: int, rng: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        """Images (n, size, size) float32 and labels (n, size, size) int32."""
        pairs = [self._patch(self.groups[k % len(self.groups)], rng) for k in range(n)]
        return np.stack([image for image, _ in pairs]), np.stack([labels for _, labels in pairs])

    def _patch(
        self, group: Sequence[Sample], rng: np.random.Generator
    ) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        sample = group[int(rng.integers(len(group)))]
        factor = max(self.zoom ** rng.uniform(-1, 1), self.size / min(sample.labels.shape))
        edge = min(round(self.size / factor), *sample.labels.shape)
        y, x = self._corner(sample.labels, edge, rng)
        window = np.s_[y : y + edge, x : x + edge]
        image, labels = rescale(sample.image[window], sample.labels[window], self.size / edge)
        # A simulated frame brings the camera's noise and stripes, and cells that are hardly brighter than both.
        return augment(image, labels, rng, noisy=not sample.kinds)

    def _corner(self, labels: NDArray[np.int32], edge: int, rng: np.random.Generator) -> tuple[int, int]:
        """Upper left corner of a window of `edge` px inside the image, around a random object or anywhere."""
        limit = np.array(labels.shape) - edge
        corner = rng.integers(limit + 1)
        if rng.random() < self.foreground:
            flat = _random_object_pixel(labels, rng)
            if flat is not None:
                corner = np.clip(flat - rng.integers(edge, size=2), 0, limit)
        return int(corner[0]), int(corner[1])


def _random_object_pixel(labels: NDArray[np.int32], rng: np.random.Generator) -> NDArray[np.int64] | None:
    """A pixel of some object, found by trying 64 at random and then by looking at all; None where there is no
    object.
    """
    tried = rng.integers(labels.size, size=64)
    hits = tried[labels.ravel()[tried] > 0]
    hits = hits if len(hits) else np.flatnonzero(labels)
    if not len(hits):
        return None
    return np.array(np.unravel_index(hits[rng.integers(len(hits))], labels.shape))


def augment(
    image: NDArray[np.float32], labels: NDArray[np.int32], rng: np.random.Generator, *, noisy: bool
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Turn and flip both, and change the image's brightness; `noisy`: its contrast, sharpness, ground and noise, too.

    Never inverts.
    """
    turns, flip = int(rng.integers(4)), bool(rng.integers(2))
    image, labels = np.rot90(image, turns), np.rot90(labels, turns)
    if flip:
        image, labels = image[:, ::-1], labels[:, ::-1]
    image = _noisy(image, rng) if noisy else image * np.float32(np.exp(rng.uniform(np.log(0.5), np.log(10))))
    return image, np.ascontiguousarray(labels)


def _noisy(image: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Ranges chosen by looking at CellSearch crops: dim cells beside saturated ones, striped camera, uneven
    background.
    """
    from scipy.ndimage import gaussian_filter

    height, width = image.shape
    image = (np.sign(image) * np.abs(image) ** rng.uniform(0.7, 1.4)).astype(np.float32)
    if rng.random() < 0.15:
        image = gaussian_filter(image, rng.uniform(0.3, 1.0))
    if rng.random() < 0.2:
        slope = rng.normal(0, 0.15, 2)
        image = image + np.linspace(0, slope[0], height)[:, None] + np.linspace(0, slope[1], width)
    image = image * np.exp(rng.uniform(np.log(0.4), np.log(2.5))) + rng.normal(0, 0.05)
    if rng.random() < 0.15:
        image = image + rng.normal(0, 0.03, width)
    return (image + rng.normal(0, np.exp(rng.uniform(np.log(0.002), np.log(0.06))), image.shape)).astype(np.float32)
