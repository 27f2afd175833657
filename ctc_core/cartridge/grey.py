"""Grey values: what the camera measured, restored from the stretched pixels of an archive.

`I = low + p * (high - low) / 255` for 8-bit pages (limits in tags 755 and 756); 16-bit pages hold I itself. Some
archives carry values with 2^15 added, which is taken off again.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ctc_core.cartridge.variants import OFFSET
from ctc_core.errors import FrameError
from ctc_core.types import Channel, Frame

P_MAX = 255
"""8-bit value that stands for the upper limit, also where no pixel of the page reaches it."""

CAMERA_MAX = 4095
"""Largest value of the 12-bit camera."""

SATURATED_SHARE = 0.05
"""Share of pixels at the top value from which a page counts as saturated; a stretched page always has a few."""

Limits = tuple[int, int] | None
Pixels = NDArray[np.uint8] | NDArray[np.uint16]


def restore(frame: Frame, channel: Channel) -> NDArray[np.float32]:
    """Grey values (height, width) float32, 0..4095 for the 12-bit camera, of the first page that shows `channel`.

    A page without limits (8-bit, flag `unscaled`) is returned as stored, 0..255. Raises `FrameError` where no page
    shows the channel.
    """
    if channel not in frame.channels:
        raise FrameError(frame.number, f"no page shows {channel.value.upper()}")
    page = frame.channels.index(channel)
    return restore_page(frame.stretched[page], frame.limits[page])


def restore_page(pixels: Pixels, limits: Limits) -> NDArray[np.float32]:
    """Grey values of one page, (height, width) float32, from its pixels as stored and its limits."""
    if limits is None:
        values = pixels.astype(np.float32)
        return np.maximum(values - OFFSET, 0) if has_offset(pixels, None) else values
    low, high = _without_offset(limits)
    return low + pixels.astype(np.float32) * np.float32((high - low) / P_MAX)


def has_offset(pixels: Pixels, limits: Limits) -> bool:
    """The page carries values with 2^15 added: its upper limit, or without limits its largest pixel, shows it."""
    return (int(pixels.max()) if limits is None else limits[1]) >= OFFSET


def page_flags(pixels: Pixels, limits: Limits) -> tuple[str, ...]:
    """What is odd about one page; none of it makes the page unreadable."""
    stretched = pixels.dtype.itemsize == 1
    grey = restore_page(np.array([pixels.min(), pixels.max()]), limits)
    ceiling = P_MAX if stretched else CAMERA_MAX + OFFSET * has_offset(pixels, limits)
    found = {
        "unscaled": stretched and limits is None,
        "offset-32768": has_offset(pixels, limits),
        "all-black": float(grey[1]) == 0,
        "constant": grey[0] == grey[1] > 0,
        "saturated": float(np.mean(pixels >= ceiling)) >= SATURATED_SHARE,
        "maximum-below-255": limits is not None and 0 < int(pixels.max()) < P_MAX,
    }
    return tuple(flag for flag, is_so in found.items() if is_so)


def flags(channels: tuple[Channel, ...], pixels: Pixels, limits: tuple[Limits, ...]) -> tuple[str, ...]:
    """`flag:channel` for every page of a frame; a second marker is `marker2`."""
    names = [_name(channels, page) for page in range(len(channels))]
    pages = zip(names, pixels, limits, strict=True)
    return tuple(f"{flag}:{name}" for name, page, pair in pages for flag in page_flags(page, pair))


def _name(channels: tuple[Channel, ...], page: int) -> str:
    earlier = channels[:page].count(channels[page])
    return channels[page].value + (str(earlier + 1) if earlier else "")


def _without_offset(limits: tuple[int, int]) -> tuple[int, int]:
    """Limits without the 2^15 that some archives add to both, or to the upper one only."""
    low, high = limits
    if high < OFFSET:
        return low, high
    return (low - OFFSET if low >= OFFSET else min(low, high - OFFSET)), high - OFFSET
