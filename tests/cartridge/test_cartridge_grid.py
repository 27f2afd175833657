from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctc_core.cartridge import FRAME_GRIDS, Grid, grid_for
from ctc_core.errors import FrameError
from ctc_core.types import Box

XP = Grid(4, 35, bottom_up=True)

POSITIONS = {
    Grid(5, 35): {1: (0, 0), 35: (0, 34), 36: (1, 34), 70: (1, 0), 71: (2, 0), 175: (4, 34)},
    Grid(4, 36): {36: (0, 35), 37: (1, 35), 72: (1, 0), 144: (3, 0)},
    Grid(6, 35): {210: (5, 0)},
    XP: {1: (3, 34), 35: (3, 0), 36: (2, 0), 70: (2, 34), 71: (1, 34), 105: (1, 0), 106: (0, 0), 140: (0, 34)},
}

BOXES = {  # frame -> cartridge box of frame pixels (100, 200) to (120, 230), 5 x 35 frames of 1384 x 1036
    1: Box(100, 200, 120, 230),
    35: Box(47156, 200, 47176, 230),
    36: Box(47156, 1236, 47176, 1266),
    70: Box(100, 1236, 120, 1266),
    175: Box(47156, 4344, 47176, 4374),
}

grids = st.builds(Grid, st.integers(1, 6), st.integers(1, 36), st.just(1384), st.just(1036), st.booleans())


@pytest.mark.parametrize("grid", POSITIONS, ids=str)
def test_frames_lie_where_the_format_description_puts_them(grid: Grid) -> None:
    expected = POSITIONS[grid]
    assert {frame: grid.position(frame) for frame in expected} == expected
    assert {grid.frame_at(*position): position for position in expected.values()} == expected


@pytest.mark.parametrize("frame", BOXES)
def test_boxes_move_between_frame_and_cartridge(frame: int) -> None:
    grid, local = Grid(5, 35), Box(100, 200, 120, 230)
    assert grid.to_cartridge(local, frame) == BOXES[frame]
    assert grid.to_frame(BOXES[frame], frame) == local


def test_the_number_of_frames_gives_the_grid() -> None:
    assert FRAME_GRIDS == {210: (6, 35), 180: (5, 36), 175: (5, 35), 170: (5, 34), 144: (4, 36), 140: (4, 35)}
    assert grid_for(140) == Grid(4, 35)
    assert grid_for(140, xp=True) == XP
    assert grid_for(175, xp=True) == Grid(5, 35)
    assert grid_for(6) is None


@given(grids, st.data())
def test_every_frame_has_its_own_place(grid: Grid, data: st.DataObject) -> None:
    frame = data.draw(st.integers(1, grid.frames))
    row, col = grid.position(frame)
    assert (0 <= row < grid.rows, 0 <= col < grid.cols, grid.frame_at(row, col)) == (True, True, frame)


@given(grids.filter(lambda grid: grid.frames > 1), st.data())
def test_consecutive_frames_are_neighbours(grid: Grid, data: st.DataObject) -> None:
    """A serpentine never jumps."""
    frame = data.draw(st.integers(1, grid.frames - 1))
    (r0, c0), (r1, c1) = grid.position(frame), grid.position(frame + 1)
    assert abs(r0 - r1) + abs(c0 - c1) == 1


coordinates = st.floats(-2000, 60_000, allow_nan=False).map(lambda value: round(value, 2))


@given(grids, st.data(), st.tuples(*[coordinates] * 4))
def test_box_round_trip(grid: Grid, data: st.DataObject, corners: tuple[float, float, float, float]) -> None:
    frame, box = data.draw(st.integers(1, grid.frames)), Box(*corners)
    back = grid.to_frame(grid.to_cartridge(box, frame), frame)
    assert (back.x0, back.y0, back.x1, back.y1) == pytest.approx(corners, abs=1e-6)


@pytest.mark.parametrize("frame", [0, -1, 176])
def test_a_frame_outside_the_grid_is_an_error(frame: int) -> None:
    with pytest.raises(FrameError) as caught:
        Grid(5, 35).position(frame)
    assert (caught.value.frame, caught.value.reason) == (frame, "the grid has frames 1 to 175")


def test_a_place_outside_the_grid_is_an_error() -> None:
    with pytest.raises(FrameError, match="row 5, column 0 is outside the 5 x 35 grid"):
        Grid(5, 35).frame_at(5, 0)
