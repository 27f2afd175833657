"""A cell as the report shows it: composite, DAPI, CK and CD45 side by side, in the colours of the review page."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ctc_core.types import CROP_PX, PIXEL_UM

TILES: tuple[tuple[int, int, int], ...] = ((0, 1, 0), (0, 0, 0), (1, 1, 1), (2, 2, 2))
"""Channel (0 DAPI, 1 CK, 2 CD45) shown in red, green and blue: DAPI magenta with CK green, then each in grey."""
LEAST_RANGE, DARKEST, BRIGHTEST = 80, 0.01, 0.998
"""Each channel is stretched from its 1 % to its 99.8 % quantile, but never more than about three times: on the
screen more is amplified, where a reader can switch it off; on paper noise would look like a marker."""
GAP = 2
WIDTH = 4 * CROP_PX + 3 * GAP
"""Pixels of the whole row."""
BAR_UM = 10.0
BAR_PX = BAR_UM / PIXEL_UM


def stretched(plane: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(48, 48) grey values with the plane's own range made visible."""
    ordered = np.sort(plane, axis=None)
    low, high = (float(ordered[int(np.ceil(share * ordered.size)) - 1]) for share in (DARKEST, BRIGHTEST))
    scaled = (plane.astype(np.float64) - low) * 255 / max(LEAST_RANGE, high - low)
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)


def strip(crop: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(3, 48, 48) uint8 crop -> (48, 198, 3) uint8 RGB: four tiles on white."""
    planes = [stretched(plane) for plane in crop]
    row = np.full((CROP_PX, WIDTH, 3), 255, np.uint8)
    for i, tile in enumerate(TILES):
        left = i * (CROP_PX + GAP)
        row[:, left : left + CROP_PX] = np.stack([planes[channel] for channel in tile], axis=-1)
    return row
