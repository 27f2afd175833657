"""Open a CellTracks archive: everything but the pixels is read and checked, frames are decoded one at a time."""

from __future__ import annotations

import re
import shutil
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ctc_core.cartridge import dlm, tiff
from ctc_core.cartridge.channels import BY_POSITION, Roles, resolve
from ctc_core.cartridge.events import EventList, Quarantined, events_from_xml
from ctc_core.cartridge.files import Unfit
from ctc_core.cartridge.grey import flags
from ctc_core.cartridge.grid import FRAME_GRIDS, XP_BOTTOM_UP, Grid
from ctc_core.cartridge.layout import Found, find, listed
from ctc_core.cartridge.unpack import unpack
from ctc_core.cartridge.xml import Contents, Record, read_xml
from ctc_core.errors import CartridgeError, FrameError
from ctc_core.types import Channel, Event, Frame

_COPY = "Copy the complete sample folder from the CellTracks export again"
_MOST_FRAMES = 10_000
"""Frames looked for at most, whatever grid an archive claims."""

_WHOLE = re.compile(r"0*[1-9][0-9]{0,4}")
_GRID_FIELDS, _CAMERA_FIELDS = ("numrows", "numcols"), ("camxsize", "camysize")


@dataclass(frozen=True)
class Cartridge:
    """One archive. Holds no pixels; `read` decodes a frame when it is asked for."""

    id: str
    path: Path
    """Sample folder."""
    grid: Grid
    files: tuple[Path, ...]
    """TIFF files in frame order; `files[0]` is frame 1."""
    page_names: tuple[str, ...]
    channels: tuple[Channel, ...]
    """What each page shows."""
    events: tuple[Event, ...]
    """CellSearch's events, boxes in frame pixels."""
    quarantined_events: tuple[Quarantined, ...]
    events_file: str
    """Name of the file that lists the events."""
    assigned_rule: str
    """Where `Event.assigned` comes from: `assigned`, `numselected` or (CellTracksXp) `selected`."""
    notes: tuple[str, ...]
    """What a person should know about this archive, in sentences."""

    @property
    def frame_numbers(self) -> range:
        """1..frames."""
        return range(1, self.grid.frames + 1)

    def read(self, number: int) -> Frame:
        """Decode frame `number` (1-based). Raises `FrameError` where it cannot be used; the others still can."""
        self.grid.position(number)
        shape = (len(self.channels), self.grid.height, self.grid.width)
        pages, pixels = tiff.read(self.files[number - 1], number, shape)
        limits = tuple(page.limits if pixels.dtype.itemsize == 1 else None for page in pages)
        return Frame(number, self.channels, pixels, limits, flags(self.channels, pixels, limits))


def open_cartridge(path: Path, unpack_to: Path | None = None) -> Cartridge:
    """Open the archive in a folder, or in a zip of one. Raises `CartridgeError` where it cannot be accepted.

    A zip is unpacked into a new folder below `unpack_to` (default: the system's temporary folder), which the caller
    removes when the cartridge is done; a refused zip leaves nothing behind.
    """
    path = path.resolve()
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            return _open(find(path))
        if stat.S_ISREG(mode) and path.suffix.lower() == ".zip":
            return _open_unpacked(unpack(path, unpack_to))
    except OSError as error:
        reason = f"it cannot be read ({error.strerror or type(error).__name__})"
        raise CartridgeError(path, reason, "Check the path and that you may read it") from error
    raise CartridgeError(path, "it is neither a folder nor a zip file", "Point at the sample folder of one cartridge")


def probe(found: Found, *, pages: int = 0, size: tuple[int, int] | None = None) -> tuple[int, tuple[tiff.Page, ...]]:
    """Number and structure of the first frame that can be read and has at least `pages` pages of `size` (w, h).

    Without such a frame the first readable one is returned, for its differences to be reported. No pixel is read.
    Raises `CartridgeError` where no frame can be read.
    """
    readable: list[tuple[int, tuple[tiff.Page, ...]]] = []
    problems: list[FrameError] = []
    for number, path in found.tiffs.items():
        try:
            scanned = tiff.scan(path, number)
        except FrameError as error:
            problems.append(error)
            continue
        if len(scanned) >= pages and size in (None, (scanned[0].width, scanned[0].height)):
            return number, scanned
        readable.append((number, scanned))
    if not readable:
        reason = f"none of its {len(problems)} frames can be read; frame {problems[0].frame}: {problems[0].reason}"
        raise CartridgeError(found.sample, reason, _COPY)
    return readable[0]


def _open_unpacked(folder: Path) -> Cartridge:
    try:
        return _open(find(folder))
    except CartridgeError:
        shutil.rmtree(folder.parent)
        raise


def _open(found: Found) -> Cartridge:
    contents = _contents(found.xml) if found.xml else None
    names = _filter_names(contents) if contents else dlm.read_channels(found.sample)
    runs = contents.runs if contents else ()
    rows, cols = _grid_size(found, _pair(found, runs, _GRID_FIELDS))
    _check_numbers(found, rows, cols)
    pages = _first_pages(found, names, _pair(found, runs, _CAMERA_FIELDS))
    bottom_up = contents is None and rows * cols == XP_BOTTOM_UP
    grid = Grid(rows, cols, pages[0].width, pages[0].height, bottom_up=bottom_up)
    roles = _roles(found, names, len(pages))
    events = _events(found, contents, grid)
    return Cartridge(
        id=found.id,
        path=found.sample,
        grid=grid,
        files=tuple(found.tiffs.values()),
        page_names=roles.names,
        channels=roles.channels,
        events=events.events,
        quarantined_events=events.quarantined,
        events_file=found.xml.name if found.xml else dlm.CELLS,
        assigned_rule=events.rule,
        notes=(*roles.notes, *_page_notes(pages), *_event_notes(events)),
    )


def _events(found: Found, contents: Contents | None, grid: Grid) -> EventList:
    if contents is None:
        return dlm.read_events(found.sample, grid)
    try:
        return events_from_xml(contents.events, grid)
    except Unfit as problem:
        raise CartridgeError(found.xml or found.sample, str(problem), _COPY) from problem


def _filter_names(contents: Contents) -> tuple[str, ...]:
    return tuple(record.get("filtername", "") for record in contents.filters)


def _first_pages(found: Found, names: Sequence[str], camera: tuple[int, int] | None) -> tuple[tiff.Page, ...]:
    """Pages of the first sound frame; their size must be the XML's camera size."""
    number, pages = probe(found, pages=len(names) if any(names) else len(BY_POSITION), size=camera)
    size = (pages[0].width, pages[0].height)
    if camera not in (None, size):
        reason = f"frame {number} has {_size(size)} pixels, the XML says {_size(camera or size)}"
        raise CartridgeError(found.sample, reason, _COPY)
    return pages


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]}"


def _roles(found: Found, names: Sequence[str], pages: int) -> Roles:
    try:
        return resolve(names, pages)
    except Unfit as problem:
        advice = "Ask the person who ran the scan which filter is which, and correct test_filters in the XML"
        raise CartridgeError(found.sample, str(problem), advice) from problem


def _contents(xml: Path) -> Contents:
    try:
        contents = read_xml(xml)
    except OSError as error:
        raise CartridgeError(xml, f"it cannot be read ({error.strerror})", _COPY) from error
    if "events" not in contents.elements:
        raise CartridgeError(xml, "it has no <events> element", "Export the XML from CellTracks again, with its events")
    return contents


def _pair(found: Found, runs: Sequence[Record], fields: tuple[str, str]) -> tuple[int, int] | None:
    """Two whole numbers of `runs/record`; None where no record has both."""
    pairs = {(record[fields[0]], record[fields[1]]) for record in runs if record.keys() >= set(fields)}
    if not pairs:
        return None
    first, second = pairs.pop()
    if pairs or not (_WHOLE.fullmatch(first) and _WHOLE.fullmatch(second)):
        reason = f"its {' and '.join(fields)} contradict each other or are not whole numbers above 0"
        raise CartridgeError(found.xml or found.sample, reason, _COPY)
    return int(first), int(second)


def _grid_size(found: Found, declared: tuple[int, int] | None) -> tuple[int, int]:
    if declared:
        return declared
    count = len(found.tiffs)
    frames = count if count in FRAME_GRIDS else max(found.tiffs)
    if frames not in FRAME_GRIDS:
        known = ", ".join(map(str, sorted(FRAME_GRIDS)))
        reason = f"{count} TIFF files were found, the archive names no grid, and cartridges have {known} frames"
        raise CartridgeError(found.sample, reason, _COPY)
    return FRAME_GRIDS[frames]


def _check_numbers(found: Found, rows: int, cols: int) -> None:
    """Frames 1..rows x cols, each once. Raises `CartridgeError` naming the missing and the surplus ones."""
    expected = range(1, rows * cols + 1)
    missing = [number for number in expected[:_MOST_FRAMES] if number not in found.tiffs]
    surplus = [number for number in found.tiffs if number not in expected]
    if not missing and not surplus:
        return
    parts = [f"{_frames(missing)} missing"] if missing else []
    parts += [f"{_frames(surplus)} not part of the grid"] if surplus else []
    reason = f"{' and '.join(parts)} ({len(found.tiffs)} TIFF files found, {rows} x {cols} = {len(expected)} expected)"
    advice = _COPY if missing else "Remove the files that do not belong, or correct the grid in the XML"
    raise CartridgeError(found.sample, reason, advice)


def _frames(numbers: list[int]) -> str:
    return f"frame {numbers[0]} is" if len(numbers) == 1 else f"frames {listed(numbers)} are"


def _page_notes(pages: Sequence[tiff.Page]) -> list[str]:
    if pages[0].dtype.itemsize == 2:
        return ["16-bit pages: values are taken as grey values"]
    if any(page.limits is None for page in pages):
        return ["pages without limits (tags 755, 756): grey values are unknown, intensities cannot be compared"]
    return []


def _event_notes(events: EventList) -> tuple[str, ...]:
    left_out = len(events.quarantined)
    return (*events.notes, f"{left_out} events could not be used") if left_out else events.notes
