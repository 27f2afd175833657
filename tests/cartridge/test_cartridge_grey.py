from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ctc_core.cartridge import restore, stretch
from ctc_core.cartridge.grey import flags
from ctc_core.errors import FrameError
from ctc_core.types import Channel, Frame

CK = (Channel.CK,)


def frame_of(pixels: object, dtype: str, limits: tuple[int, int] | None) -> Frame:
    page = np.array([pixels], dtype=dtype)[None]
    return Frame(1, CK, page, (limits,), flags(CK, page, (limits,)))


@pytest.mark.parametrize(
    ("pixels", "dtype", "limits", "grey", "found"),
    [
        ([0, 51, 255], "uint8", (100, 610), [100, 202, 610], ()),
        ([0, 51, 255], "uint8", None, [0, 51, 255], ("unscaled:ck",)),
        ([0, 51, 204], "uint8", (100, 610), [100, 202, 508], ("maximum-below-255:ck",)),
        ([0, 51, 255], "uint8", (32868, 33378), [100, 202, 610], ("offset-32768:ck",)),
        ([0, 51, 255], "uint8", (0, 33278), [0, 102, 510], ("offset-32768:ck",)),
        ([7, 900, 4000], "uint16", None, [7, 900, 4000], ()),
        ([32768, 32775, 36768], "uint16", None, [0, 7, 4000], ("offset-32768:ck",)),
        ([3, 32775, 36768], "uint16", None, [0, 7, 4000], ("offset-32768:ck",)),
        ([0, 0, 0], "uint8", (0, 0), [0, 0, 0], ("all-black:ck",)),
        ([0, 0, 0], "uint8", (90, 90), [90, 90, 90], ("constant:ck",)),
        ([0, 0, 0], "uint16", None, [0, 0, 0], ("all-black:ck",)),
        ([255, 255, 255], "uint8", (0, 4095), [4095] * 3, ("constant:ck", "saturated:ck")),
        ([4095, 4095, 9], "uint16", None, [4095, 4095, 9], ("saturated:ck",)),
    ],
)
def test_grey_values_and_flags(
    pixels: list[int], dtype: str, limits: tuple[int, int] | None, grey: list[float], found: tuple[str, ...]
) -> None:
    wide = pixels + [pixels[0]] * (0 if "saturated:ck" in found else 30)  # one pixel at 255 among many is normal
    frame = frame_of(wide, dtype, limits)
    restored = restore(frame, Channel.CK)
    assert (restored.dtype, restored.shape) == (np.float32, (1, len(wide)))
    assert restored[0, :3].tolist() == pytest.approx(grey)
    assert frame.flags == found


def test_flags_tell_a_second_marker_from_the_first() -> None:
    channels = (Channel.MARKER, Channel.CK, Channel.MARKER)
    black = np.zeros((3, 2, 2), np.uint8)
    assert flags(channels, black, ((0, 0), (0, 0), (0, 0))) == ("all-black:marker", "all-black:ck", "all-black:marker2")


def test_a_channel_that_no_page_shows_is_an_error() -> None:
    with pytest.raises(FrameError) as caught:
        restore(frame_of([0, 255], "uint8", (0, 1)), Channel.DAPI)
    assert (caught.value.frame, caught.value.reason) == (1, "no page shows DAPI")


@given(arrays(np.uint16, (5, 7), elements=st.integers(0, 4095)), st.floats(1.0, 2.0))
def test_stretching_and_restoring_is_exact_to_half_a_step(page: np.ndarray, headroom: float) -> None:
    pixels, low, high = stretch(page, headroom=headroom)
    limits = ((low, high),)
    restored = restore(Frame(1, CK, pixels[None], limits), Channel.CK)
    assert pixels.dtype == np.uint8
    assert np.abs(restored - page).max() <= (high - low) / 255 / 2 + 1e-3


def test_stretch_uses_the_pages_own_range() -> None:
    pixels, low, high = stretch(np.array([[100, 151, 610]], np.uint16))
    assert (pixels.tolist(), low, high) == ([[0, 26, 255]], 100, 610)  # 51 * 255 / 510 = 25.5, to even: 26
