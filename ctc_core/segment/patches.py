"""Training patches: cut out around an object, zoomed, turned, and changed in brightness. Cheap beside a training step:
numpy only, about 2 ms for 128 px.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ctc_core.segment.dataset import Sample

OFTEN = {
    "ctc cluster": 6.0,
    "ctc apoptotic": 2.0,
    "ctc granular": 2.0,
    "point": 4.0,
    "crowded": 2.0,
    "debris": 2.0,
    "smear": 0.3,
}
"""How often a kind is drawn, relative to others: more often where outlines come out worst and a lost one is a lost CTC;
smears seldom, they are no star-convex shapes."""

Image = NDArray[np.float32]
Labels = NDArray[np.int32]


@dataclass(frozen=True)
class Patches:
    """Draws augmented training patches, as many from each group of samples."""

    groups: tuple[Sequence[Sample], ...]
    size: int = 128
    foreground: float = 0.9
    """Share of patches that surely hold an object (StarDist's own default)."""
    zoom: float = 1.3
    """Objects are shown between 1/zoom and zoom times their size."""

    def batch(self, n: int, rng: np.random.Generator) -> tuple[Image, Labels]:
        """Images (n, size, size) float32 and labels (n, size, size) int32."""
        pairs = [self._patch(self._sources[k % len(self.groups)], rng) for k in range(n)]
        return np.stack([image for image, _ in pairs]), np.stack([labels for _, labels in pairs])

    @cached_property
    def _sources(self) -> tuple[_Source, ...]:
        return tuple(_Source(group) for group in self.groups)

    def _patch(self, source: _Source, rng: np.random.Generator) -> tuple[Image, Labels]:
        number = source.draw(rng)
        sample = source.samples[number]
        factor = max(self.zoom ** rng.uniform(-1, 1), self.size / min(sample.labels.shape))
        edge = min(round(self.size / factor), *sample.labels.shape)
        limit = np.array(sample.labels.shape) - edge
        corner = rng.integers(limit + 1)
        if rng.random() < self.foreground and len(source.centres[number]):
            corner = np.clip(source.object(number, rng) - rng.integers(edge, size=2), 0, limit)
        window = tuple(slice(start, start + edge) for start in corner.tolist())
        image, labels = resize(sample.image[window], sample.labels[window], self.size)
        # A simulated frame brings the camera's noise and stripes, and cells that are hardly brighter than both.
        return augment(image, labels, rng, noisy=not sample.kinds)


class _Source:
    """A group of samples with the places of their objects, and how often each is drawn."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        self.samples = samples
        places = [_places(sample) for sample in samples]
        self.centres = [centres for centres, _ in places]
        self._weights = [weights for _, weights in places]
        # Images with many objects more often, but not so much that two large ones outweigh all others.
        frequent = np.sqrt(np.array([max(len(centres), 1) for centres in self.centres]))
        self._share = frequent / frequent.sum()

    def draw(self, rng: np.random.Generator) -> int:
        """Number of a sample."""
        return int(rng.choice(len(self.samples), p=self._share))

    def object(self, number: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Centre [y, x] of an object of that sample."""
        chosen: NDArray[np.int64] = self.centres[number][
            rng.choice(len(self._weights[number]), p=self._weights[number])
        ]
        return chosen


def _places(sample: Sample) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Centres (n, 2) [y, x] of the objects that show, and the probability (n,) of each: every kind as often as any
    other (but see `OFTEN`).
    """
    labels = sample.labels.ravel()
    area = np.bincount(labels)
    shown = np.flatnonzero(area[1:]) + 1
    y, x = (np.bincount(labels, axis.ravel())[shown] / area[shown] for axis in np.indices(sample.labels.shape))
    kinds = np.array(sample.kinds)[shown - 1] if sample.kinds else np.full(len(shown), "")
    names, kind, counts = np.unique(kinds, return_inverse=True, return_counts=True)
    often = np.array([OFTEN.get(str(name), 1.0) for name in names])
    weights: NDArray[np.float64] = (often / counts)[kind] / max(often.sum(), 1e-9)
    return np.stack([y, x], axis=1).astype(np.int64), weights


def resize(image: Image, labels: Labels, size: int) -> tuple[Image, Labels]:
    """Resize a square image (bilinear, smoothed when it shrinks) and its labels (nearest) to `size`."""
    before = len(image)
    at = (np.arange(size) + 0.5) * before / size - 0.5
    reach = max(before / size, 1)
    weights = np.clip(1 - np.abs(at[:, None] - np.arange(before)) / reach, 0, None)
    weights = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    nearest = np.clip(np.rint(at).astype(int), 0, before - 1)
    return weights @ image @ weights.T, labels[np.ix_(nearest, nearest)]


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
