"""CellSearch's events: which image was shown, where it lies, and whether the operator called it a CTC.

An event that cannot be used is set aside with its reason; the others stay.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from ctc_core.cartridge.files import Unfit
from ctc_core.cartridge.grid import Grid
from ctc_core.cartridge.xml import TWICE, Record
from ctc_core.errors import FrameError
from ctc_core.types import Box, Event

ORIGIN_TOLERANCE = 1.0
"""Pixels an event's centre may lie beyond its frame: whether archives count from 0 or 1 is not documented."""

MAX_EVENTS = 50_000
"""CellSearch shows some hundred to some thousand events (paper: 93 to 1,197)."""

CTC_NUMSELECTED = (1, 2, 3)
"""Values of `numselected` that mean the operator selected the event (ACCEPT, before `assigned` was used)."""

MARKER_POSITIVE = 2
"""Value of `numselected` believed to mean a marker-positive CTC (ACCEPT, "her2 positive event")."""

_NUMBER = r"([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)"
_CORNER = re.compile(rf"\s*{_NUMBER}[\s,;:|/]+{_NUMBER}\s*", re.ASCII)
_RID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")
_INTEGER = re.compile(r"-?[0-9]{1,9}")
_YES, _NO = ("true", "t", "1"), ("false", "f", "0")
_ASSIGNED = {text: text in _YES for text in (*_YES, *_NO)}


@dataclass(frozen=True)
class Quarantined:
    """Something of the archive that is left out: an event (its id) or a frame (its number), and why."""

    item: str
    reason: str


@dataclass(frozen=True)
class EventList:
    """The events of one archive, usable and not."""

    events: tuple[Event, ...]
    quarantined: tuple[Quarantined, ...]
    rule: str
    """Where `Event.assigned` comes from: `assigned`, `numselected` or (CellTracksXp) `selected`."""
    notes: tuple[str, ...]


def parse_location(text: str) -> Box:
    """`(x2,y2),(x1,y1)` -> box in cartridge pixels; either corner first. Raises `Unfit`.

    The text form of a PostgreSQL box; blanks, decimals and other separators are accepted.
    """
    corners = [_CORNER.fullmatch(inner) for inner in re.findall(r"\(([^()]*)\)", text)]
    if len(corners) != 2 or None in corners:
        raise Unfit("its location is not a box of two corners")
    (xa, ya), (xb, yb) = ((float(corner[1]), float(corner[2])) for corner in corners if corner)
    return Box(min(xa, xb), min(ya, yb), max(xa, xb), max(ya, yb))


def events_from_xml(records: Sequence[Record], grid: Grid) -> EventList:
    """Event records of the XML -> events with boxes in frame pixels. Raises `Unfit` for more than `MAX_EVENTS`."""
    if len(records) > MAX_EVENTS:
        raise Unfit(f"it lists {len(records):,} events, more than {MAX_EVENTS:,}")
    rule = "assigned" if any("assigned" in r for r in records) or not records else "numselected"
    candidates = [(_item(i, r), partial(_event, r, rule, grid)) for i, r in enumerate(records, start=1)]
    return collect(candidates, rule, notes=_record_notes(records, rule))


def collect(
    candidates: Iterable[tuple[str, Callable[[], Event]]], rule: str, *, notes: Sequence[str] = ()
) -> EventList:
    """Make each (id, maker) an event; a maker that raises `Unfit`, and a repeated id, go to quarantine."""
    events: dict[str, Event] = {}
    quarantined: list[Quarantined] = []
    for item, make in candidates:
        try:
            if item in events:
                raise Unfit("its id was used by an earlier event")
            events[item] = make()
        except Unfit as problem:
            quarantined.append(Quarantined(item, str(problem)))
    found = tuple(events.values())
    return EventList(found, tuple(quarantined), rule, (*notes, *_event_notes(found)))


def placed(rid: str, frame: int, box: Box, grid: Grid, *, assigned: bool, numselected: int | None = None) -> Event:
    """Event with its box (frame pixels) cut to the frame.

    Raises `Unfit` where the box is not finite, has no area, is larger than a frame or has its centre outside.
    """
    (y, x), edge = box.centre, ORIGIN_TOLERANCE
    width, height = box.x1 - box.x0, box.y1 - box.y0
    cut = Box(max(box.x0, 0.0), max(box.y0, 0.0), min(box.x1, float(grid.width)), min(box.y1, float(grid.height)))
    if not math.isfinite(width + height + x + y):
        raise Unfit("its box is not finite")
    if width <= 0 or height <= 0:
        raise Unfit("its box has no area")
    inside = -edge <= x <= grid.width - 1 + edge and -edge <= y <= grid.height - 1 + edge
    if not inside or cut.x1 <= cut.x0 or cut.y1 <= cut.y0:
        raise Unfit("its box lies outside its frame")
    if width > grid.width or height > grid.height:
        raise Unfit("its box is larger than a frame")
    return Event(rid, frame, cut, assigned, numselected)


def _item(position: int, record: Record) -> str:
    rid = record.get("rid") or record.get("eventnum") or ""
    return rid if _RID.fullmatch(rid) else f"record {position}"


def _event(record: Record, rule: str, grid: Grid) -> Event:
    rid = record.get("rid") or record.get("eventnum") or ""
    if not _RID.fullmatch(rid):
        raise Unfit("it has no usable id")
    if TWICE in record:
        raise Unfit(f"its field {record[TWICE]!r} stands there twice")
    frame = _integer(record, "framenum")
    if frame is None:
        raise Unfit("it has no frame number")
    if "location" not in record:
        raise Unfit("it has no location")
    try:
        box = grid.to_frame(parse_location(record["location"]), frame)
    except FrameError as error:
        raise Unfit(f"it lies in frame {frame}, but {error.reason}") from error
    return placed(rid, frame, box, grid, assigned=_assigned(record, rule), numselected=_numselected(record, rule))


def _assigned(record: Record, rule: str) -> bool:
    if rule == "numselected":
        return _integer(record, "numselected") in CTC_NUMSELECTED
    text = record.get("assigned", "false").lower()
    if text not in _ASSIGNED:
        raise Unfit("its field 'assigned' is neither true nor false")
    return _ASSIGNED[text]


def _numselected(record: Record, rule: str) -> int | None:
    """As it stands in the archive; an unreadable value matters only where the rule depends on it."""
    if rule == "assigned" and not _INTEGER.fullmatch(record.get("numselected", "")):
        return None
    return _integer(record, "numselected")


def _integer(record: Record, name: str) -> int | None:
    if name not in record:
        return None
    if not _INTEGER.fullmatch(record[name]):
        raise Unfit(f"its field {name!r} is not a whole number")
    return int(record[name])


NO_EVENTS = "the archive lists no CellSearch events, so CellSearch shows nothing and counts 0 here"


def _event_notes(events: Sequence[Event]) -> tuple[str, ...]:
    counts = Counter(event.numselected for event in events)
    notes = [] if events else [NO_EVENTS]
    if counts[MARKER_POSITIVE]:
        notes.append(
            f"{counts[MARKER_POSITIVE]} of {len(events)} events have numselected 2: marker-positive, to be confirmed"
        )
    return tuple(notes)


def _record_notes(records: Sequence[Record], rule: str) -> list[str]:
    absent = sum(rule not in record for record in records)
    if not absent:
        return []
    return [f"{absent} of {len(records)} events do not say whether the operator selected them: counted as not selected"]
