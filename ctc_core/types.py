"""The values that travel between the rooms. Frozen, no behaviour beyond arithmetic on themselves.

Coordinates are pixels, `y` down and `x` right, pixel centres at integers, origin at the frame's upper left corner.
Frame numbers are 1-based as in the archive; rows and columns of the grid are 0-based.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

PIXEL_UM = 0.64
"""Edge of one camera pixel in micrometres (CellTracks; ACCEPT's loader uses the same value)."""

CROP_PX = 48
"""Edge of a cell crop in pixels (paper, Materials)."""

EMBEDDING_DIM = 128
"""Length of an embedding vector (XCiT nano, paper)."""


class Channel(StrEnum):
    """What a page of a frame shows. Crops hold the first three, in this order."""

    DAPI = "dapi"
    CK = "ck"
    CD45 = "cd45"
    MARKER = "marker"


CROP_CHANNELS = (Channel.DAPI, Channel.CK, Channel.CD45)


class Role(StrEnum):
    """What a patient's cells may be used for. Only `TRAIN` ever reaches a fit."""

    ENCODER = "encoder"
    TRAIN = "train"
    TEST = "test"
    REVIEW = "review"


class Label(StrEnum):
    """What a person says a cell is."""

    CTC = "ctc"
    NON_CTC = "non-ctc"
    UNSURE = "unsure"
    ARTIFACT = "artifact"


@dataclass(frozen=True)
class Box:
    """Axis-aligned box in frame pixels, minimum corner first."""

    x0: float
    y0: float
    x1: float
    y1: float

    @property
    def centre(self) -> tuple[float, float]:
        """(y, x) of the middle."""
        return (self.y0 + self.y1) / 2, (self.x0 + self.x1) / 2


@dataclass(frozen=True)
class Event:
    """One image that CellSearch showed its operator."""

    rid: str
    frame: int
    box: Box
    assigned: bool
    """The operator called it a CTC (`assigned`, or `numselected` in 1..3 where that field is absent)."""
    numselected: int | None = None


@dataclass(frozen=True)
class Frame:
    """One camera frame with the pages we know the meaning of."""

    number: int
    channels: tuple[Channel, ...]
    """Meaning of each page, in page order."""
    stretched: NDArray[np.uint8] | NDArray[np.uint16]
    """(pages, height, width), as stored in the archive."""
    limits: tuple[tuple[int, int] | None, ...]
    """(low, high) grey value of each page's stretch from tags 755/756; None where a page carries none (unscaled)."""
    flags: tuple[str, ...] = ()
    """What is odd about this frame, e.g. `all-black:ck`."""


Progress = Callable[[int, int, str], None]
"""progress(done, total, note): called after each unit of work; may raise `Cancelled`."""


def silent(_done: int, _total: int, _note: str) -> None:
    """A `Progress` that shows nothing."""


@dataclass(frozen=True)
class Decision:
    """What one person said about one cell, or about one CellSearch event that no cell of ours matches.

    Exactly one of `cell_id` and `event_rid` is set. `label` None withdraws the reader's earlier decision (undo).
    """

    id: str
    """Made by the client, unique; sending the same decision twice saves it once."""
    cartridge_id: str
    cell_id: str | None
    event_rid: str | None
    label: Label | None
    reader: str
    session: str
    reason: str = ""
    seen: str | None = None
    """The reader's own label that was on screen, empty for none: another one is not overwritten. None: not checked."""
    why: str = ""
    """Why the reader's own earlier decision is changed (see `store.changes`); not kept where nothing is changed."""
    after_s: float | None = None
    """Seconds since the decision that this one corrects, where one page made both; None: not known."""
