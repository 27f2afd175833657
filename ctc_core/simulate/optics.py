"""What the microscope does to light: blur per channel, glare, uneven illumination.

CellTracks Analyzer II: 10x objective, NA 0.45 and a camera pixel of 6.45 um (assumed, not verified); 0.64 um in the
sample (ACCEPT's loader of CellTracks archives).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from ctc_core.types import PIXEL_UM

NUMERICAL_APERTURE = 0.45
EMISSION_UM = (0.461, 0.519, 0.578, 0.660)
"""Emission peaks of DAPI, FITC, phycoerythrin and allophycocyanin in micrometres (FITC 520 nm: Jackson ImmunoResearch;
the others assumed, not verified)."""

AXIAL_PX = 0.45
"""Blur (sigma, px) of a cell in focus because it is thicker (about 8 um) than the depth of field (about 3 um);
assumed, not verified."""

DAPI_DEFOCUS_PX = 0.3
"""Extra blur of the DAPI page: the objective's focal plane for 461 nm is not that of the page the stage focuses on
(assumed, not verified)."""

PIXEL_BOX_PX = 12**-0.5
"""Standard deviation of a square pixel's response."""

GLARE_SHARE, GLARE_PX = 0.012, 7.0
"""Share and width (sigma, px) of the light that glass and plastic scatter; seen around saturated cells only. Assumed,
not verified."""


def psf_px(page: int, defocus_px: float = 0.0) -> float:
    """Sigma (px) of the Gaussian closest to the page's point spread function.

    In-focus widefield sigma = 0.225 wavelength / NA: the Gaussian with the Airy disk's peak and power, sqrt(2) / (k NA)
    (Zhang, Zerubia, Olivo-Marin 2007, Appl. Opt. 46:1819).
    `defocus_px` (>= 0) adds in quadrature, as do the pixel's size and the cell's thickness.
    """
    airy = 0.225 * EMISSION_UM[page] / NUMERICAL_APERTURE / PIXEL_UM
    return math.sqrt(airy**2 + PIXEL_BOX_PX**2 + AXIAL_PX**2 + defocus_px**2)


def blur(light: NDArray[np.float32], page: int, defocus_px: float) -> NDArray[np.float32]:
    """Square window `light` (s, s), grey levels, seen through the page's filter; nothing enters from outside."""
    far = math.hypot(defocus_px, DAPI_DEFOCUS_PX) if page == 0 else defocus_px
    return _smooth(light, psf_px(page, far))


def glare(light: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scattered light around a square window `light` (s, s), to be added to it."""
    return GLARE_SHARE * _smooth(light, GLARE_PX)


def _smooth(light: NDArray[np.float32], sigma_px: float) -> NDArray[np.float32]:
    kernel = _gaussian(light.shape[0], round(20 * sigma_px))
    return np.asarray(kernel @ light @ kernel, dtype=np.float32)


@lru_cache(maxsize=2048)
def _gaussian(size: int, sigma_20ths: int) -> NDArray[np.float32]:
    """(size, size) symmetric matrix whose product with a column blurs it; for small windows faster than a filter."""
    apart = np.arange(size)[:, None] - np.arange(size)[None, :]
    sigma = sigma_20ths / 20
    weights = np.exp(-0.5 * (apart / sigma) ** 2) / (sigma * math.sqrt(2 * math.pi))
    return np.asarray(weights, dtype=np.float32)


def shading(
    height: int, width: int, centre: tuple[float, float], strength: float, origin: tuple[int, int] = (0, 0)
) -> NDArray[np.float32]:
    """Relative light (h, w): 1 at `centre` (fractions of a full frame), less by about `strength` in the corners."""
    y = (np.arange(height, dtype=np.float32) + origin[0]) / 1036 - centre[0]
    x = (np.arange(width, dtype=np.float32) + origin[1]) / 1384 - centre[1]
    return np.asarray(1 - strength * 2 * (y[:, None] ** 2 + x[None, :] ** 2), dtype=np.float32)


HAZE = ((1100, 0.55), (173, 0.65), (48, 0.25))
"""(distance between knots in px, weight) of the haze's scales: uneven fluid, clouds of stain, cells far out of focus.
Assumed, not verified."""


def haze(
    seed: int, pages: Sequence[int], place: tuple[int, int], size: tuple[int, int], step: int = 1
) -> NDArray[np.float32]:
    """Smooth fields (pages, h, w) of standard deviation about 0.7 on the region of `size` at cartridge pixel `place`.

    The same seed and page give one field over the whole cartridge, so regions that touch fit together. step: cartridge
    pixels from one sample to the next.
    """
    down = [_hats(place[0], size[0], knot_px, step) for knot_px, _ in HAZE]
    across = [_hats(place[1], size[1], knot_px, step) for knot_px, _ in HAZE]
    knots = np.zeros((len(pages), *(sum(len(used) for _, used in axis) for axis in (down, across))), dtype=np.float32)
    y = x = 0
    for scale, ((_, rows), (_, cols), (_, weight)) in enumerate(zip(down, across, HAZE, strict=True)):
        for layer, page in zip(knots, pages, strict=True):
            part = _knots(seed, 4 * scale + page)[rows[:, None], cols]
            layer[y : y + len(rows), x : x + len(cols)] = np.float32(weight) * part
        y, x = y + len(rows), x + len(cols)
    left, right = (np.concatenate([hats for hats, _ in axis], axis=1) for axis in (down, across))
    return np.asarray(left @ knots @ right.T, dtype=np.float32)


def smooth_noise_at(seed: int, y: NDArray[np.float64], x: NDArray[np.float64], knot_px: int) -> NDArray[np.float32]:
    """(n,) values, standard deviation about 0.7, of a smooth field at places (cartridge pixels)."""
    knots, (row, v), (col, u) = _knots(seed, 12), _between(y, knot_px), _between(x, knot_px)
    upper = (1 - u) * knots[row, col] + u * knots[row, (col + 1) % KNOTS]
    lower = (1 - u) * knots[(row + 1) % KNOTS, col] + u * knots[(row + 1) % KNOTS, (col + 1) % KNOTS]
    return np.asarray((1 - v) * upper + v * lower, dtype=np.float32)


KNOTS = 96
"""Rows and columns of a field's knots; the field repeats after them."""


@lru_cache(maxsize=64)
def _knots(seed: int, layer: int) -> NDArray[np.float32]:
    return np.random.default_rng([seed, 288, layer]).standard_normal((KNOTS, KNOTS), dtype=np.float32)


def _between(at: NDArray[np.float64], knot_px: int) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Knot before each coordinate and smooth weight (0..1) of the knot after it."""
    knot = np.floor(at / knot_px)
    rest = at / knot_px - knot
    return knot.astype(np.intp) % KNOTS, rest * rest * (3 - 2 * rest)


def _hats(start: int, length: int, knot_px: int, step: int) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """(length, k) weights of smooth interpolation, each row sums to 1, and the (k,) knots they belong to."""
    first, rest = divmod(start, knot_px)
    count = (rest + length * step - 1) // knot_px + 2
    weights = _weights(knot_px, length * step)[rest : rest + length * step : step, :count]
    return weights, (first + np.arange(count)) % KNOTS


@lru_cache(maxsize=32)
def _weights(knot_px: int, length: int) -> NDArray[np.float32]:
    """Weights of the knots, `knot_px` apart, at every pixel from the first knot to `length` px beyond the second."""
    along = np.arange(knot_px + length, dtype=np.float32)[:, None] / np.float32(knot_px)
    hat = np.maximum(1 - np.abs(along - np.arange(int(along[-1, 0]) + 2, dtype=np.float32)), 0)
    return np.asarray(hat * hat * (3 - 2 * hat), dtype=np.float32)


def edge_shift(level: float) -> float:
    """How far outside a sharp edge, in sigmas of the blur, light has fallen to `level` (0..1) of the plateau."""
    return -NormalDist().inv_cdf(level)
