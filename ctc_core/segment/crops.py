"""48 x 48 px images of single cells, as the encoder and the reader see them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ctc_core.errors import FrameError
from ctc_core.types import CROP_CHANNELS, CROP_PX, Channel, Frame


def page(frame: Frame, channel: Channel) -> NDArray[Any]:
    """One page of a frame, (h, w), as stored in the archive.

    Raises:
        FrameError: the frame has no such page.
    """
    if channel not in frame.channels:
        raise FrameError(frame.number, f"it has no {channel.upper()} page")
    pixels: NDArray[Any] = frame.stretched[frame.channels.index(channel)]
    return pixels


def crop(frame: Frame, centres: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Crops (n, 3, 48, 48) uint8, DAPI/CK/CD45, stretched values, around `centres` (n, 2) [y, x] in frame px.

    A crop that would leave the frame is shifted inwards, so that every crop is full. Pages of 16 bits are stretched to
    0..255 between the smallest and the largest value of the page.

    Raises:
        FrameError: a page is missing, or the frame is smaller than a crop (48 px): no camera frame is.
    """
    height, width = frame.stretched.shape[1:]
    if min(height, width) < CROP_PX:
        raise FrameError(frame.number, f"{width} x {height} px is smaller than one crop of {CROP_PX} px")
    pages = np.stack([to_8_bit(page(frame, channel)) for channel in CROP_CHANNELS])
    # The start is rounded once and the end counted from it: rounding both would give crops of 49 px.
    starts = np.rint(np.asarray(centres, np.float64).reshape(-1, 2) - CROP_PX / 2).astype(np.int64)
    starts = np.clip(starts, 0, (height - CROP_PX, width - CROP_PX))
    rows, cols = (starts[:, axis, None] + np.arange(CROP_PX) for axis in (0, 1))
    cropped = pages[:, rows[:, :, None], cols[:, None, :]]
    return np.ascontiguousarray(np.moveaxis(cropped, 0, 1))


def box_centres(polygons: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, 2) [y, x] middle of the bounding box of each polygon (n, k, 2)."""
    middle: NDArray[np.float32] = (polygons.min(axis=1) + polygons.max(axis=1)) / 2
    return middle


def to_8_bit(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """A page as 8 bits: unchanged if it is, else stretched from its own minimum..maximum to 0..255; one grey level
    gives zeros.
    """
    if pixels.dtype == np.uint8:
        return np.asarray(pixels, np.uint8)
    low, high = int(pixels.min()), int(pixels.max())
    scaled = (pixels.astype(np.float32) - low) * (255 / max(high - low, 1))
    return np.asarray(np.rint(scaled), np.uint8)
