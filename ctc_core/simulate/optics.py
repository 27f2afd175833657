"""What the microscope does to light: blur per channel, glare, uneven illumination.

CellTracks Analyzer II: 10x objective, NA 0.45, camera pixel 6.45 um, that is 0.645 um in the sample.
"""

from __future__ import annotations

import math
from functools import cache, lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from ctc_core.types import PIXEL_UM

NUMERICAL_APERTURE = 0.45
EMISSION_UM = (0.461, 0.519, 0.578, 0.660)
"""Emission peaks of DAPI, FITC, phycoerythrin and allophycocyanin in micrometres (manufacturers' spectra)."""

AXIAL_PX = 0.75
"""Blur (sigma, px) of a cell in focus because it is thicker (about 8 um) than the depth of field (about 3 um)."""

DAPI_DEFOCUS_PX = 0.6
"""Extra blur of the DAPI page: the objective's focal plane for 461 nm is not that of the page the stage focuses on."""

PIXEL_BOX_PX = 12**-0.5
"""Standard deviation of a square pixel's response."""

GLARE_SHARE, GLARE_PX = 0.012, 7.0
"""Share and width (sigma, px) of the light that glass and plastic scatter; seen around saturated cells only."""


def psf_px(page: int, defocus_px: float = 0.0) -> float:
    """Sigma (px) of the Gaussian closest to the page's point spread function.

    In-focus widefield sigma = 0.225 wavelength / NA (Zhang, Zerubia, Olivo-Marin 2007, Appl. Opt. 46:1819).
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


def haze(height: int, width: int, rng: np.random.Generator, knot_px: int = 173) -> NDArray[np.float32]:
    """Smooth field (h, w) of standard deviation about 0.7: stain left in the fluid, light from out-of-focus cells."""
    down, across = _hats(height, knot_px), _hats(width, knot_px)
    knots = rng.standard_normal((down.shape[1], across.shape[1]), dtype=np.float32)
    return np.asarray(down @ knots @ across.T, dtype=np.float32)


@cache
def _hats(length: int, knot_px: int) -> NDArray[np.float32]:
    """(length, knots) weights of smooth interpolation between knots `knot_px` apart; each row sums to 1."""
    knots = np.arange(length // knot_px + 2, dtype=np.float32)
    along = np.arange(length, dtype=np.float32)[:, None] / np.float32(knot_px)
    hat = np.maximum(1 - np.abs(along - knots), 0)
    return np.asarray(hat * hat * (3 - 2 * hat), dtype=np.float32)


def edge_shift(level: float) -> float:
    """How far outside a sharp edge, in sigmas of the blur, light has fallen to `level` (0..1) of the plateau."""
    return -NormalDist().inv_cdf(level)
