"""What a job is, and where it can stand."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from ctc_core.types import Role

ACTIVE = ("requested", "queued", "running", "finished")
"""States that will change by themselves: waiting for the store's owner, for the worker, computing, for import."""
FAILED = ("refused", "failed", "cancelled")
"""States that a person can take a job out of by trying again."""


class Kind(StrEnum):
    """What a job does."""

    INGEST = "ingest"
    """Read one archive for one patient."""
    MAP = "map"
    """Fit a map and place all cells on it."""
    PLACE = "place"
    """Place the cells that came after the map."""
    REFIT = "refit"
    """Fit the classifier again at the end of a round of relabelling."""
    BACKUP = "backup"
    """Copy what cannot be made again."""


@dataclass(frozen=True)
class Job:
    """What is to be done."""

    job_id: str
    path: str
    """Of the archive; for a refit the round's id; for a backup the folder it goes to; empty for other kinds. The next
    two are of ingests only."""
    pseudonym: str
    role: Role | None
    reader: str
    created: float
    kind: Kind = Kind.INGEST


@dataclass(frozen=True)
class JobState:
    """Where a job stands: requested, queued, running, finished, imported, refused, failed or cancelled."""

    state: str
    done: int = 0
    total: int = 0
    note: str = ""
    message: str = ""
    pid: int = 0
    started: float = 0.0
    """When the present run began, seconds since the epoch."""
    resumed_at: int = 0
    """Frames that were already finished when the present run began."""
    result: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class JobStatus:
    """A job and its state, as pages and commands show it."""

    job: Job
    state: JobState
    seconds_left: float | None

    @property
    def job_id(self) -> str:
        return self.job.job_id

    @property
    def name(self) -> str:
        """Name of the archive."""
        return Path(self.job.path).name
