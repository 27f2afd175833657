"""Read the tables of a CellTracksXp archive (older software, no XML): events, their frames and the channel names.

Fields are separated by one non-ASCII character that is not documented; it is the one that occurs equally often in
every line. Column numbers: ACCEPT's CellTracksXp reader, counted from 1 as in the files' description.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import partial
from pathlib import Path

from ctc_core.cartridge.events import EventList, collect, placed
from ctc_core.cartridge.files import Unfit, open_regular
from ctc_core.cartridge.grid import Grid
from ctc_core.cartridge.tables import XP_NAMES
from ctc_core.errors import CartridgeError
from ctc_core.types import Box, Event

MAX_BYTES, MAX_LINES = 8 * 2**20, 100_000
"""Limits of one table; a cartridge has some thousand events of about 100 bytes."""

CELLS = "cells.dlm"
"""Table of the events."""

MAX_CANDIDATES = 64
"""Different non-ASCII characters of a first line that are tried as the separator."""

CELL_FIELDS = 13
CELL_STAMP, CELL_BOX, CELL_SELECTED = 2, (3, 4, 5, 6), 11
PIC_STAMP, PIC_FRAME = 1, 4
FRAMES_CHANNEL = 3
_FRAME = re.compile("[0-9]{1,9}")
_COPY = "Copy the complete sample folder again"

Row = list[str]


def is_xp(folder: Path) -> bool:
    """The folder holds all six tables."""
    return all((folder / f"{name}.dlm").exists() for name in XP_NAMES)


def read_channels(folder: Path) -> tuple[str, ...]:
    """Channel names in page order: field 3 of every second line of frames.dlm."""
    rows = read_table(folder / "frames.dlm")[::2]
    return tuple(name for row in rows if (name := _text(row, FRAMES_CHANNEL)))


def read_events(folder: Path, grid: Grid) -> EventList:
    """Events of cells.dlm (id = line number), their frames from pic.dlm through the time stamp."""
    frames = {_text(row, PIC_STAMP): _text(row, PIC_FRAME) for row in read_table(folder / "pic.dlm")}
    rows = enumerate(read_table(folder / CELLS), start=1)
    return collect(((str(line), partial(_event, str(line), row, frames, grid)) for line, row in rows), "selected")


def read_table(path: Path) -> list[Row]:
    """Rows of one table, empty lines left out. Raises `CartridgeError`."""
    try:
        with open_regular(path, cap=MAX_BYTES) as file:
            text = _decoded(file.read())
        lines = [line for line in text.replace("\r\n", "\n").split("\n") if line]
        if len(lines) > MAX_LINES:
            raise Unfit(f"it has more than {MAX_LINES:,} lines")
        separator = delimiter(lines) if lines else None
    except Unfit as problem:
        raise CartridgeError(path, str(problem), _COPY) from problem
    except OSError as error:
        raise CartridgeError(path, f"it cannot be read ({error.strerror})", _COPY) from error
    return [line.split(separator) for line in lines]


def delimiter(lines: list[str]) -> str:
    """The non-ASCII character that occurs equally often, and at least once, in every line. Raises `Unfit`."""
    first = Counter(char for char in lines[0] if ord(char) >= 0x80)
    candidates = [char for char, _ in first.most_common(MAX_CANDIDATES)]
    constant = {char: first[char] for char in candidates if all(line.count(char) == first[char] for line in lines)}
    most = [char for char, n in constant.items() if n == max(constant.values())]
    if len(most) != 1:
        raise Unfit("no single non-ASCII character separates the fields of every line")
    return most[0]


def _decoded(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _event(rid: str, row: Row, frames: dict[str, str], grid: Grid) -> Event:
    if len(row) != CELL_FIELDS:
        raise Unfit(f"its line has {len(row)} fields instead of {CELL_FIELDS}")
    frame = frames.get(_text(row, CELL_STAMP), "")
    if not (_FRAME.fullmatch(frame) and 1 <= int(frame) <= grid.frames):
        raise Unfit(f"its time stamp leads to no frame between 1 and {grid.frames}")
    try:
        x, y, width, height = (float(_text(row, column).replace(",", ".")) for column in CELL_BOX)
    except ValueError as error:
        raise Unfit("its box is not four numbers") from error
    box = Box(x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    return placed(rid, int(frame), box, grid, assigned=_text(row, CELL_SELECTED).upper() == "Y")


def _text(row: Row, column: int) -> str:
    """Field `column` (from 1) without blanks and quotes; empty where the row is shorter."""
    return row[column - 1].strip('" ') if column <= len(row) else ""
