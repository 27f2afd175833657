"""How stain is spread over a cell: CK in the cytoplasm, CD45 on the membrane, unevenness everywhere.

All numbers here are assumed, chosen until crops looked like published ones.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Field = NDArray[np.float32]


def ck_texture(name: str, u: Field, theta: Field, nuclei: Field, rng: np.random.Generator) -> Field:
    """CK over the body, about 0..1.3: ring, granular, crescent, spots, solid or even.

    u: relative radius, theta: direction (rad), nuclei: nuclear stain 0..1, where there is less cytoplasm; all (h, w).
    """
    dome = np.sqrt(np.clip(1.02 - u * u, 0.02, 1))
    match name:
        case "ring":
            band = rng.uniform(0.2, 0.5) + np.exp(-(((u - 0.72) / 0.24) ** 2))
            side = _side(theta, rng.uniform(0, 0.5), rng)
            light = band * side * (1 - 0.4 * nuclei) * mottle(u.shape, 1.5, 0.42, rng)
        case "granular":
            light = np.maximum((0.55 + 0.45 * dome) * (1 - 0.5 * nuclei) * mottle(u.shape, 1.1, 0.75, rng), 0.05)
        case "crescent":
            rim = 0.4 + 0.6 * np.clip(u, 0, 1)
            light = (0.12 + _side(theta, 0.5, rng) ** 1.5) * rim * (1 - 0.5 * nuclei) * mottle(u.shape, 1.5, 0.2, rng)
        case "spots":
            light = 0.12 + 2.2 * np.clip(mottle(u.shape, 1.2, 1.0, rng) - 1.7, 0, 1.2)
        case "solid":
            light = (0.6 + 0.4 * dome) * mottle(u.shape, 2.5, 0.1, rng)
        case _:
            light = dome * (1 - 0.2 * nuclei) * mottle(u.shape, 1.8, 0.2, rng)
    return np.asarray(light, dtype=np.float32)


def _side(theta: Field, strength: float, rng: np.random.Generator) -> Field:
    """Factor that falls from 1 by 2 x `strength` from one side of the cell to the other."""
    turned = np.cos(theta - np.float32(2 * math.pi * rng.random()))
    return np.asarray(1 - np.float32(strength) * (1 - turned), dtype=np.float32)


def membrane(u: Field, rng: np.random.Generator) -> Field:
    """CD45 over a leukocyte (relative radius `u`): on the membrane, seen as a patchy rim around a dimmer middle."""
    rim = 0.6 + 0.4 * np.exp(-(((u - 0.85) / 0.3) ** 2))
    return np.asarray(rim * mottle(u.shape, 2.4, 0.40, rng), dtype=np.float32)


@cache
def _mottle_plane(sigma_px: float) -> Field:
    noise = np.random.default_rng(round(sigma_px * 1000)).standard_normal((384, 384), dtype=np.float32)
    smooth = ndimage.gaussian_filter(noise, sigma_px, mode="wrap", output=np.float32)
    return np.asarray(smooth / smooth.std(), dtype=np.float32)


def mottle(shape: tuple[int, ...], sigma_px: float, strength: float, rng: np.random.Generator) -> Field:
    """Smooth factor around 1, at least 0: a window of a fixed noise plane at a random place."""
    plane = _mottle_plane(sigma_px)
    top, left = rng.integers(0, plane.shape[0] - shape[0]), rng.integers(0, plane.shape[1] - shape[1])
    window = plane[top : top + shape[0], left : left + shape[1]]
    return np.asarray(np.maximum(1 + np.float32(strength) * window, 0), dtype=np.float32)
