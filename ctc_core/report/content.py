"""Everything a report says, as values. The same decisions give the same content, and the same content the same file."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

from ctc_core.errors import StoreError
from ctc_core.intervals import Interval, Proportion

SCHEMA = 3
"""Version of the content; a change of these classes raises it."""


@dataclass(frozen=True)
class Subject:
    """Whose blood, and what of it was photographed."""

    pseudonym: str
    role: str
    cartridge_id: str
    frames: int
    lost_frames: tuple[tuple[int, str], ...]
    """Frames that could not be read and are not counted, with the reason."""
    odd_frames: tuple[tuple[int, str], ...]
    """Frames that were read and counted, but look odd."""
    lost_events: tuple[tuple[str, str], ...]
    """CellSearch events that could not be shown, with the reason."""
    cells: int
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Counted:
    """The count and what can be said of the true one."""

    confirmed: int
    """CTCs that this desk's readers confirmed, each cell once."""
    confirmed_on_events: int
    """Those among CellSearch's events."""
    cellsearch_assigned: int
    """CellSearch's own count."""
    cellsearch_events: int
    volume_ml: float
    cut_off: int
    per_7_5_ml: float
    concentration: Interval | None
    """CTCs per 7.5 ml, 95 %."""
    p_draw: float | None
    """P(CTCs in the draw >= cut-off)."""
    p_patient: float | None
    """P(mean CTCs in 7.5 ml of this patient's blood >= cut-off)."""
    unseen: float | None
    """CTCs not seen yet, expected: among images not read, and below the threshold where CellSearch shows nothing."""
    unseen_bound: float | None
    """95 % upper bound of it."""
    found_below: int
    """Confirmed CTCs that are no candidates: on CellSearch's events, or among less certain cells."""
    sentences: tuple[str, ...]
    """How these came about, and what they do not cover."""


@dataclass(frozen=True)
class Reader:
    """One person who read the cartridge."""

    name: str
    decisions: int
    first: str
    last: str
    """Dates, UTC."""


@dataclass(frozen=True)
class Reading:
    """What was shown and what was decided."""

    threshold: float
    shown: int
    """Candidates of the classifier."""
    only_events: int
    """CellSearch's events that are no candidate."""
    decided: int
    undecided: int
    conflicts: int
    """Cells whose readers disagree; not counted."""
    model_ppv: Proportion | None
    cellsearch_ppv: Proportion | None
    readers: tuple[Reader, ...]
    agreement: str
    """Kappa of the readers of this cartridge, or why there is none."""


@dataclass(frozen=True)
class Trusted:
    """Where this draw's cells lie, and the errors to expect in it."""

    candidates: tuple[int, int, int]
    """In strong, weak and unknown areas."""
    cells: tuple[int, int, int]
    wrong: Interval
    missed: Interval
    alarm: bool
    unlike: int


@dataclass(frozen=True)
class Picture:
    """One counted CTC."""

    candidate_id: str
    """Cell id, or that of a CellSearch event without a cell."""
    event_rid: str | None
    assigned: bool | None
    frame: int
    y: float
    x: float
    diameter_um: float | None
    probability: float | None
    means: tuple[float | None, float | None, float | None]
    """DAPI, CK, CD45, restored grey values."""
    readers: str


@dataclass(frozen=True)
class Neighbours:
    """Two counted CTCs so close to each other that they may be one cell, counted twice."""

    first: str
    second: str
    """Their candidate_id."""
    distance_um: float


@dataclass(frozen=True)
class Sources:
    """What the figures were made with."""

    segmenter_id: str
    encoder_id: str
    classifier_id: str | None
    classifier_sha256: str | None
    map_id: str | None
    map_bundle: str | None
    cartridge_bundle: str
    manifest_sha256: str
    software: str


@dataclass(frozen=True)
class Content:
    """One report, without its signature."""

    schema: int
    subject: Subject
    counted: Counted
    reading: Reading
    trusted: Trusted | None
    why_not_trusted: str
    """Why nothing can be said of reliability; empty where it can."""
    stale: tuple[str, ...]
    """What has changed since the map was built."""
    pictures: tuple[Picture, ...]
    neighbours: tuple[Neighbours, ...]
    sources: Sources

    def to_json(self) -> str:
        """Canonical text: equal contents give equal texts."""
        return json.dumps(asdict(self), sort_keys=True, indent=1, allow_nan=False) + "\n"

    @property
    def id(self) -> str:
        """SHA-256 of `to_json`."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()


def from_json(text: str) -> Content:
    """The content that `to_json` wrote.

    Raises:
        StoreError: it is none, or of another version.
    """
    from pydantic import TypeAdapter, ValidationError

    try:
        content: Content = TypeAdapter(Content).validate_json(text)
    except ValidationError as error:
        message = f"Not the content of a report of version {SCHEMA} ({error.error_count()} errors). Keep its PDF file."
        raise StoreError(message) from error
    return content
