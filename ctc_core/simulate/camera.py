"""What the camera makes of light: photon and read noise, column stripes, 12 bits.

Photon noise grows with the root of the light, read noise does not, sensitivity differs by a fixed share (Janesick 2007,
Photon Transfer, SPIE). The camera's model is not published; assumed is an interline CCD of 1.4 megapixels and 6.45 um:
full well 18,000 electrons on 4,095 grey levels, that is 4.4 electrons per level, read noise 8 electrons.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

WHITE = 4095
"""Largest grey value of a 12-bit camera."""

ELECTRONS_PER_LEVEL = 4.4
READ_NOISE_LEVELS = 8 / ELECTRONS_PER_LEVEL

FRAME_WIDTH = 1384

ROW_SHARE = 0.35
"""How far rows differ from each other, relative to columns (assumed: rows show in published crops, fainter)."""


@lru_cache(maxsize=8)
def column_stripes(seed: int, strength: float, width: int = FRAME_WIDTH) -> NDArray[np.float32]:
    """Offset (width,) of each camera column in grey levels: its own, its neighbours', and an odd/even step of two taps.

    The standard deviation is about `strength`. In real crops columns carry about a quarter of an empty CD45 page's
    variance.
    """
    rng = np.random.default_rng([seed, 285])
    own = rng.standard_normal(width)
    taps = np.where(np.arange(width) % 2 == 0, 1.0, -1.0) * rng.normal(0, 0.5)
    slow = np.repeat(rng.standard_normal(width // 3 + 1), 3)[:width]
    return np.asarray(strength * (0.8 * own + taps + 0.5 * slow), dtype=np.float32)


@lru_cache(maxsize=8)
def column_gain(seed: int, width: int = FRAME_WIDTH) -> NDArray[np.float32]:
    """Relative sensitivity (width,) of each column, standard deviation 2 %; visible as stripes within bright nuclei."""
    return np.asarray(1 + 0.02 * np.random.default_rng([seed, 286]).standard_normal(width), dtype=np.float32)


def expose(light: NDArray[np.float32], stripes: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.uint16]:
    """12-bit page(s) (..., h, w) of the expected grey levels `light`; columns offset by `stripes` (w,), rows by less.

    Rows get a new offset in every exposure, columns keep theirs.
    """
    variance = np.maximum(light, 0) * np.float32(1 / ELECTRONS_PER_LEVEL) + np.float32(READ_NOISE_LEVELS**2)
    noise = rng.standard_normal(light.shape, dtype=np.float32)
    noise *= np.sqrt(variance, out=variance)
    noise += light
    noise += stripes
    noise += np.float32(ROW_SHARE * stripes.std()) * rng.standard_normal((*light.shape[:-1], 1), dtype=np.float32)
    return np.rint(np.clip(noise, 0, WHITE, out=noise), out=noise).astype(np.uint16)


def stretch(page: NDArray[np.uint16], low: float, high: float) -> NDArray[np.uint8]:
    """8-bit page as the archive stores it: `low` becomes 0, `high` becomes 255."""
    scaled = (page.astype(np.float32) - np.float32(low)) * np.float32(255 / max(high - low, 1))
    return np.asarray(np.rint(np.clip(scaled, 0, 255)), dtype=np.uint8)
