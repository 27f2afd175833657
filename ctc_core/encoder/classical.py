"""Features that an engineer would write down without learning anything: the rival an encoder has to beat."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ctc_core.types import CROP_PX

RINGS = (0.0, 3.0, 6.0, 9.0, 13.0, 18.0, 34.0)
"""Edges of the radial profile in pixels from the crop's centre (a CTC's radius is about 10)."""

OBJECT_PX = 12
"""The object in question lies within this distance of the centre."""

GRAINS = (0.7, 1.4, 2.8, 5.6)
"""Scales of the texture: Gaussian sigmas in pixels."""

LEAST_PX = 32
"""Edge of the smallest tile with pixels in every ring."""

Pixels = NDArray[np.float32]


def classical_features(crops: NDArray[np.uint8] | Pixels) -> Pixels:
    """(n, 3, edge, edge) uint8, or float32 where 1 is white -> (n, 63) float32. edge: 32 px or more.

    Per channel: levels, radial profile; area, level, spread and axes of the central object; texture at three scales.
    Correlations between channels.
    """
    pixels: Pixels = np.asarray(crops / np.float32(255) if crops.dtype == np.uint8 else crops, np.float32)
    edge = pixels.shape[-1]
    flat: Pixels = pixels.reshape(len(pixels), 3, -1)
    levels = [flat.mean(2), flat.std(2), *np.percentile(flat, (10, 50, 90, 99), axis=2).astype(np.float32)]
    profile = _profile(flat, edge)
    columns = [*levels, *profile, *_central_object(pixels), *_texture(pixels), correlations(flat)]
    return np.concatenate(columns, axis=1, dtype=np.float32)


def radius(edge: int = CROP_PX) -> NDArray[np.float64]:
    """Distance of each pixel from the crop's centre, (edge, edge)."""
    axis = np.arange(edge) - (edge - 1) / 2
    return np.asarray(np.hypot(axis[:, None], axis))


def _profile(flat: Pixels, edge: int) -> list[Pixels]:
    """Mean level in each ring, (n, 3) each."""
    distance = radius(edge).ravel()
    return [flat[..., (distance >= low) & (distance < high)].mean(2) for low, high in pairwise(RINGS)]


def _central_object(pixels: Pixels) -> list[NDArray[np.floating]]:
    """Of what exceeds half the level range within 12 px: area (share of the disc), mean, spread, axes; (n, 3) each."""
    within = radius(pixels.shape[-1]) < OBJECT_PX
    disc = pixels[..., within]
    low, high = disc.min(2, keepdims=True), disc.max(2, keepdims=True)
    inside = disc >= (low + high) / 2
    count = np.maximum(inside.sum(2), 1)
    mean = (disc * inside).sum(2) / count
    spread = np.sqrt((inside * (disc - mean[..., None]) ** 2).sum(2) / count)
    return [inside.mean(2, dtype=np.float32), mean, spread, *_axes(inside, np.argwhere(within), count)]


def _axes(
    inside: NDArray[np.bool_], places: NDArray[np.int64], count: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Long and short axis of the pixels at `places` (k, 2) that are inside (n, 3, k): square roots of the moments."""
    y, x = (places - places.mean(0)).T
    mean_y, mean_x = (inside @ y) / count, (inside @ x) / count
    yy, xx = (inside @ y**2) / count - mean_y**2, (inside @ x**2) / count - mean_x**2
    yx = (inside @ (y * x)) / count - mean_y * mean_x
    middle, apart = (yy + xx) / 2, np.hypot((yy - xx) / 2, yx)
    return np.sqrt(middle + apart), np.sqrt(np.maximum(middle - apart, 0))


def _texture(pixels: Pixels) -> list[Pixels]:
    """Spread of the detail between neighbouring scales within 12 px of the centre, (n, 3) each."""
    from scipy.ndimage import gaussian_filter

    within = radius(pixels.shape[-1]) < OBJECT_PX
    smooth = [gaussian_filter(pixels, (0, 0, sigma, sigma))[..., within] for sigma in GRAINS]
    return [(fine - coarse).std(2) for fine, coarse in pairwise(smooth)]


def correlations(flat: Pixels) -> Pixels:
    """Pearson correlation of DAPI-CK, DAPI-CD45, CK-CD45, (n, 3); 0 where a channel is constant."""
    centred = flat - flat.mean(2, keepdims=True)
    length = np.linalg.norm(centred, axis=2)
    pairs = ((0, 1), (0, 2), (1, 2))
    products = np.stack([(centred[:, a] * centred[:, b]).sum(1) for a, b in pairs], 1)
    scale = np.stack([length[:, a] * length[:, b] for a, b in pairs], 1)
    return np.asarray(products / np.maximum(scale, 1e-6), np.float32)
