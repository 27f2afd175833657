"""Features that an engineer would write down without learning anything: the rival an encoder has to beat."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ctc_core.types import CROP_PX

RINGS = (0.0, 3.0, 6.0, 9.0, 13.0, 18.0, 34.0)
"""Edges of the radial profile in pixels from the crop's centre (a CTC's radius is about 10)."""


def classical_features(crops: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(n, 3, 48, 48) uint8 -> (n, 48) float32: levels, sizes, radial profile; correlations."""
    pixels: NDArray[np.float32] = (crops / np.float32(255)).astype(np.float32)
    flat: NDArray[np.float32] = pixels.reshape(len(pixels), 3, -1)
    levels = [flat.mean(2), flat.std(2), *np.percentile(flat, (10, 50, 90, 99), axis=2).astype(np.float32)]
    columns = [*levels, *_profile(flat), *_central_object(pixels), correlations(flat)]
    return np.concatenate(columns, axis=1)


def radius() -> NDArray[np.float64]:
    """Distance of each pixel from the crop's centre, (48, 48)."""
    axis = np.arange(CROP_PX) - (CROP_PX - 1) / 2
    return np.asarray(np.hypot(axis[:, None], axis))


def _profile(flat: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Mean level in each ring, (n, 3) each."""
    distance = radius().ravel()
    return [flat[..., (distance >= low) & (distance < high)].mean(2) for low, high in pairwise(RINGS)]


def _central_object(pixels: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Area (share of the disc), mean and spread of what exceeds half the level range within 12 px, (n, 3) each."""
    disc = pixels[..., radius() < 12]
    low, high = disc.min(2, keepdims=True), disc.max(2, keepdims=True)
    inside = disc >= (low + high) / 2
    count = np.maximum(inside.sum(2), 1)
    mean = (disc * inside).sum(2) / count
    spread = np.sqrt((inside * (disc - mean[..., None]) ** 2).sum(2) / count)
    return [inside.mean(2, dtype=np.float32), mean, spread]


def correlations(flat: NDArray[np.float32]) -> NDArray[np.float32]:
    """Pearson correlation of DAPI-CK, DAPI-CD45, CK-CD45, (n, 3); 0 where a channel is constant."""
    centred = flat - flat.mean(2, keepdims=True)
    length = np.linalg.norm(centred, axis=2)
    pairs = ((0, 1), (0, 2), (1, 2))
    products = np.stack([(centred[:, a] * centred[:, b]).sum(1) for a, b in pairs], 1)
    scale = np.stack([length[:, a] * length[:, b] for a, b in pairs], 1)
    return np.asarray(products / np.maximum(scale, 1e-6), np.float32)
