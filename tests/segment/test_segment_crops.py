"""Crops: position, order of channels, borders, bit depth."""

import numpy as np
import pytest

from ctc_core.errors import FrameError
from ctc_core.segment import crop
from ctc_core.segment.crops import box_centres, to_8_bit
from ctc_core.types import Channel, Frame

CHANNELS = (Channel.DAPI, Channel.MARKER, Channel.CK, Channel.CD45)


def frame_of(pages: np.ndarray, channels: tuple[Channel, ...] = CHANNELS) -> Frame:
    return Frame(3, channels, pages, (None,) * len(channels))


@pytest.fixture
def frame() -> Frame:
    return frame_of(np.random.default_rng(0).integers(0, 256, (4, 100, 140), dtype=np.uint8))


@pytest.mark.parametrize(
    ("centre", "top", "left"),
    [
        ((50, 70), 26, 46),
        ((50.4, 70.6), 26, 47),
        ((0, 0), 0, 0),
        ((99, 139), 52, 92),
        ((10.2, 120), 0, 92),
    ],
)
def test_position_and_channel_order(frame, centre, top, left):
    (one,) = crop(frame, np.array([centre]))
    assert one.shape == (3, 48, 48) and one.dtype == np.uint8
    assert np.array_equal(one, frame.stretched[[0, 2, 3], top : top + 48, left : left + 48])


def test_order_of_pages_is_read_from_the_frame(frame):
    turned = frame_of(frame.stretched[::-1], CHANNELS[::-1])
    assert np.array_equal(crop(turned, np.array([[50, 50]])), crop(frame, np.array([[50, 50]])))


def test_many_half_pixel_centres_never_change_the_size(frame):
    centres = np.random.default_rng(1).uniform(-5, 150, (200, 2)).round(1)
    assert crop(frame, centres).shape == (200, 3, 48, 48)


def test_no_centres(frame):
    assert crop(frame, np.empty((0, 2))).shape == (0, 3, 48, 48)


def test_a_frame_as_small_as_a_crop():
    pages = np.arange(4 * 48 * 48, dtype=np.uint8).reshape(4, 48, 48)
    assert np.array_equal(crop(frame_of(pages), np.array([[2.0, 40.0]]))[0], pages[[0, 2, 3]])


def test_a_smaller_frame_is_refused_with_its_size():
    with pytest.raises(FrameError, match=r"frame 3 .* 47 x 60 px is smaller than one crop of 48 px"):
        crop(frame_of(np.zeros((4, 60, 47), np.uint8)), np.array([[5, 5]]))


def test_a_missing_page_is_refused_by_name(frame):
    with pytest.raises(FrameError, match="no CD45 page"):
        crop(frame_of(frame.stretched[:3], CHANNELS[:3]), np.array([[50, 50]]))


def test_16_bit_pages_are_stretched_page_by_page():
    pages = np.full((4, 60, 60), 1000, np.uint16)
    pages[2, 0, :3] = 3000, 2000, 1000
    (one,) = crop(frame_of(pages), np.array([[24, 24]]))
    assert one[1, 0, :3].tolist() == [255, 128, 0]
    assert one[0].max() == 0


def test_8_bit_pages_are_not_touched():
    assert to_8_bit(np.array([[3, 77]], np.uint8)).tolist() == [[3, 77]]


def test_box_centres_are_the_middle_of_the_box_not_of_the_mass():
    assert box_centres(np.array([[[0, 0], [0, 10], [4, 0], [4, 1]]], np.float32)).tolist() == [[2, 5]]
