"""Descriptors written by hand: levels, sizes, rings and slopes between channels of the cell in the middle of a crop."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ctc_core.encoder.classical import correlations, radius

Pixels = NDArray[np.float32]

RINGS = (0, 2, 4, 6, 8, 10, 12, 15, 18, 24, 34)
"""Edges in pixels from the centre; a CTC's radius is about 10."""

DISCS = (5, 9, 14)
EDGE_RINGS = (0, 4, 8, 12, 18)
SHARES = (0.3, 0.5, 0.7)

N_DESCRIPTORS = 3 * (1 + 2 * (len(RINGS) - 1) + len(DISCS) * (4 + len(SHARES)) + len(EDGE_RINGS) - 1)


def descriptors(crops: NDArray[np.uint8]) -> Pixels:
    """(n, 3, 48, 48) uint8 -> (n, 138) float32. Unchanged when the crop is turned by 90 degrees or mirrored.

    Background per channel; level and spread of ten rings; in three discs extremes, correlation and
    slope between channels, area above 30, 50 and 70 % of the peak; edge strength in four rings.
    """
    pixels: Pixels = np.asarray(crops / np.float32(255), np.float32)
    flat: Pixels = pixels.reshape(len(pixels), 3, -1)
    ground: Pixels = np.asarray(np.median(flat[..., _ring(15, 99)], axis=2), np.float32)
    discs = [column for edge in DISCS for column in _disc(flat[..., _ring(0, edge)], ground)]
    return np.concatenate([ground, *_rings(flat, ground), *discs, *_edges(pixels)], axis=1)


def _ring(low: float, high: float) -> NDArray[np.bool_]:
    distance = radius().ravel()
    return np.asarray((distance >= low) & (distance < high))


def _rings(flat: Pixels, ground: Pixels) -> list[Pixels]:
    columns = []
    for low, high in pairwise(RINGS):
        ring = flat[..., _ring(low, high)]
        columns += [ring.mean(2) - ground, ring.std(2)]
    return columns


def _disc(disc: Pixels, ground: Pixels) -> list[Pixels]:
    peak = disc.max(2)
    level = ground[..., None] + np.array(SHARES, np.float32) * (peak - ground)[..., None]
    areas = [(disc > level[..., i : i + 1]).mean(2, dtype=np.float32) for i in range(len(SHARES))]
    return [correlations(disc), _slopes(disc), peak, disc.min(2), *areas]


def _slopes(disc: Pixels) -> Pixels:
    """Rise of DAPI and CD45 per CK, and of CD45 per DAPI: shine-through is a slope, a CD45 membrane is none. (n, 3)."""
    dapi, ck, cd45 = np.moveaxis(disc - disc.mean(2, keepdims=True), 1, 0)
    pairs = ((dapi, ck), (cd45, ck), (cd45, dapi))
    return np.stack([(y * x).sum(1) / ((x * x).sum(1) + 1e-3) for y, x in pairs], 1)


def _edges(pixels: Pixels) -> list[Pixels]:
    """Mean gradient of the smoothed crop in four rings, (n, 3) each."""
    from scipy.ndimage import gaussian_filter

    smooth = gaussian_filter(pixels, (0, 0, 1.5, 1.5))
    steep = np.hypot(*np.gradient(smooth, axis=(2, 3))).reshape(*pixels.shape[:2], -1)
    return [steep[..., _ring(low, high)].mean(2) for low, high in pairwise(EDGE_RINGS)]
