"""Where each camera frame lies in the cartridge: serpentine scan order and box coordinates.

Scan order and frame counts: CellTracks archives as read by ACCEPT (celltracks loader, own description).
Frame numbers are 1-based, rows and columns 0-based, boxes in pixels with `y` down.
"""

from __future__ import annotations

from dataclasses import dataclass

from ctc_core.errors import FrameError
from ctc_core.types import Box

FRAME_GRIDS = {210: (6, 35), 180: (5, 36), 175: (5, 35), 170: (5, 34), 144: (4, 36), 140: (4, 35)}
"""Frames per cartridge -> (rows, columns); used where the archive itself names no grid."""

XP_BOTTOM_UP = 140
"""CellTracksXp cartridges of this many frames are scanned from the bottom row up; all others from the top."""

FRAME_WIDTH, FRAME_HEIGHT = 1384, 1036
"""Size of a CellTracks camera frame in pixels (paper, Materials)."""


@dataclass(frozen=True)
class Grid:
    """Rows x columns of frames, each `width` x `height` pixels, without overlap.

    Odd rows (counted from 1 at the top) are scanned left to right, even rows right to left. `bottom_up`: the scan
    starts in the bottom row (CellTracksXp cartridges of 140 frames).
    """

    rows: int
    cols: int
    width: int = FRAME_WIDTH
    height: int = FRAME_HEIGHT
    bottom_up: bool = False

    @property
    def frames(self) -> int:
        """Number of frames."""
        return self.rows * self.cols

    def position(self, frame: int) -> tuple[int, int]:
        """(row, column), 0-based, of a 1-based frame number. Raises `FrameError` outside 1..frames."""
        if not 1 <= frame <= self.frames:
            raise FrameError(frame, f"the grid has frames 1 to {self.frames}")
        scanned, along = divmod(frame - 1, self.cols)
        row = self.rows - 1 - scanned if self.bottom_up else scanned
        return row, (self.cols - 1 - along if row % 2 else along)

    def frame_at(self, row: int, col: int) -> int:
        """Frame number (1-based) at a 0-based row and column. Raises `FrameError` outside the grid."""
        if not (0 <= row < self.rows and 0 <= col < self.cols):
            raise FrameError(0, f"row {row}, column {col} is outside the {self.rows} x {self.cols} grid")
        scanned = self.rows - 1 - row if self.bottom_up else row
        along = self.cols - 1 - col if row % 2 else col
        return scanned * self.cols + along + 1

    def to_frame(self, box: Box, frame: int) -> Box:
        """Box in cartridge pixels -> box in pixels of `frame`."""
        row, col = self.position(frame)
        return _shifted(box, -self.width * col, -self.height * row)

    def to_cartridge(self, box: Box, frame: int) -> Box:
        """Box in pixels of `frame` -> box in cartridge pixels."""
        row, col = self.position(frame)
        return _shifted(box, self.width * col, self.height * row)


def grid_for(frames: int, *, width: int = FRAME_WIDTH, height: int = FRAME_HEIGHT, xp: bool = False) -> Grid | None:
    """Grid of an archive that names none, from its number of frames; None where the number is unknown.

    `xp`: written by CellTracksXp.
    """
    if frames not in FRAME_GRIDS:
        return None
    rows, cols = FRAME_GRIDS[frames]
    return Grid(rows, cols, width, height, bottom_up=xp and frames == XP_BOTTOM_UP)


def _shifted(box: Box, dx: int, dy: int) -> Box:
    return Box(box.x0 + dx, box.y0 + dy, box.x1 + dx, box.y1 + dy)
