"""Each physical cell once: within a frame, across a border, around a corner; neighbours stay two."""

import numpy as np
import pandas as pd
import pytest

from ctc_core.cartridge import Grid
from ctc_core.segment import drop_duplicates

GRID = Grid(2, 3, width=200, height=100)
"""Frames 1 2 3 above, 6 5 4 below (serpentine)."""


def cells_of(*discs: tuple[int, float, float, float]) -> pd.DataFrame:
    """Discs (frame, y, x, radius) in frame px as a table of cells; what lies outside the frame is cut off."""
    angle = np.linspace(0, 2 * np.pi, 32, endpoint=False)
    rows = []
    for frame, y, x, radius in discs:
        outline = np.column_stack([y + radius * np.sin(angle), x + radius * np.cos(angle)])
        outline = np.clip(outline, 0, (GRID.height - 1, GRID.width - 1)).astype(np.float32)
        middle, extent = outline.mean(axis=0), np.ptp(outline, axis=0)
        rows.append((frame, middle[0], middle[1], float(np.prod(extent)) * 0.64**2, outline.tolist()))
    return pd.DataFrame(rows, columns=["frame", "y", "x", "area_um2", "polygon"])


def kept(*discs: tuple[int, float, float, float]) -> list[int]:
    return drop_duplicates(cells_of(*discs), GRID).index.tolist()


def test_the_same_cell_twice_in_a_frame_keeps_the_larger():
    assert kept((1, 50, 50, 9), (1, 51, 50, 10), (1, 50, 90, 10)) == [1, 2]


def test_overlapping_polygons_are_one_cell_and_touching_neighbours_are_two():
    assert kept((1, 50, 50, 10), (1, 50, 54.5, 10)) == [0]
    assert kept((1, 50, 50, 10), (1, 50, 64, 10)) == [0, 1]


def test_the_same_place_in_two_frames_is_two_cells():
    assert kept((1, 50, 50, 10), (2, 50, 50, 10)) == [0, 1]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((1, 40, 203, 10), (2, 40, 3, 10)),
        ((5, 40, 203, 10), (4, 40, 3, 10)),
        ((1, 103, 60, 10), (6, 3, 60, 10)),
        ((3, 103, 60, 10), (4, 3, 60, 10)),
    ],
    ids=["right", "right in an odd row", "below", "below at the turn"],
)
def test_a_cell_cut_by_a_border_is_counted_once_by_its_larger_half(one, other):
    # One frame has 200 x 100 px: pixel 203 of the left frame is pixel 3 of the right one. The right part is larger.
    assert kept(one, other) == [1]
    assert kept(other, one) == [0]


def test_frames_that_follow_each_other_in_number_but_do_not_touch_there_are_left_alone():
    # 3 -> 4 is the turn of the scan: frame 4 lies below frame 3, not to its right.
    assert kept((3, 40, 195, 10), (4, 40, 3, 10)) == [0, 1]


def test_two_cells_that_touch_the_border_at_different_places_are_two():
    assert kept((1, 40, 203, 10), (2, 58, 3, 10)) == [0, 1]


def test_a_cell_on_one_side_only_stays():
    assert kept((1, 40, 203, 10), (2, 40, 30, 10)) == [0, 1]


def test_a_cell_cut_by_a_corner_of_four_frames_is_counted_once():
    assert kept((1, 97, 197, 10), (2, 97, -3, 10), (6, -3, 197, 10), (5, -3, -3, 10)) == [0]


def test_each_of_two_halves_finds_its_own_partner():
    left = [(1, 30, 202, 8), (1, 50, 202, 8)]
    right = [(2, 50.5, 2, 8), (2, 29.5, 2, 8)]
    assert kept(*left, *right) == [2, 3]


def test_order_index_and_columns_survive():
    cells = cells_of((1, 50, 50, 9), (1, 51, 50, 10), (2, 50, 90, 10)).set_index(pd.Index([7, 5, 3]))
    cells["crop_index"] = [0, 1, 2]
    pd.testing.assert_frame_equal(drop_duplicates(cells, GRID), cells.iloc[[1, 2]])


def test_nothing_to_do():
    empty = cells_of()
    assert drop_duplicates(empty, GRID).empty
    one = cells_of((1, 5, 5, 4))
    pd.testing.assert_frame_equal(drop_duplicates(one, GRID), one)


def test_a_whole_cartridge_of_scattered_cells_loses_only_what_was_cut():
    """Discs anywhere on the cartridge, cut along the borders into the frames they cover: as many stay as were drawn."""
    rng = np.random.default_rng(5)
    lattice = np.stack(np.meshgrid(np.arange(14, 200, 29), np.arange(14, 600, 31)), -1).reshape(-1, 2)
    centres = lattice + rng.uniform(-4, 4, lattice.shape)
    pieces = []
    for y, x in centres:
        for row in range(GRID.rows):
            for col in range(GRID.cols):
                inside_y, inside_x = y - row * GRID.height, x - col * GRID.width
                if -8.5 < inside_y < GRID.height + 7.5 and -8.5 < inside_x < GRID.width + 7.5:
                    pieces.append((GRID.frame_at(row, col), inside_y, inside_x, 10))
    assert len(pieces) > len(centres) + 10
    assert len(kept(*pieces)) == len(centres)
