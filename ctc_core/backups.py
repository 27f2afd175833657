"""Nightly backups: when one is due, the job that makes it, and how many are kept."""

from __future__ import annotations

import re
import shutil
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ctc_core.jobs import ACTIVE, Job, Jobs, Kind
from ctc_core.settings import Settings
from ctc_core.store.backup import back_up, backups, is_readable, read_manifest
from ctc_core.store.store import Store
from ctc_core.types import Progress, silent

NIGHT = 2
"""Hour of the machine's clock after which the night's backup is due."""
KEPT = 14
"""Backups that are kept; older ones are removed after a new one was made."""
AGAIN_AFTER = timedelta(hours=1)
"""A backup that failed is tried again."""


def is_due(settings: Settings, jobs: Jobs, now: datetime) -> bool:
    """Whether nothing was backed up since two o'clock of the last night. `now` is of the machine's zone."""
    if any(_recent_or_active(jobs, job_id, now) for job_id in jobs.ids() if jobs.job(job_id).kind is Kind.BACKUP):
        return False
    night = now.replace(hour=NIGHT, minute=0, second=0, microsecond=0)
    night -= timedelta(days=1) if now < night else timedelta()
    made = _times(settings, now)
    return not made or max(made) < night


def _recent_or_active(jobs: Jobs, job_id: str, now: datetime) -> bool:
    return (
        jobs.state(job_id).state in ACTIVE or now.timestamp() - jobs.job(job_id).created < AGAIN_AFTER.total_seconds()
    )


def _times(settings: Settings, now: datetime) -> list[datetime]:
    """When each readable backup was made. One that a wrong clock dated into the future must not put off the next."""
    found = (path for path in backups(settings.backups) if is_readable(path))
    return [time for path in found if (time := datetime.fromisoformat(read_manifest(path).created)) <= now]


def age(settings: Settings) -> timedelta | None:
    """Time since the newest backup; None: there is none."""
    now = datetime.now(UTC)
    return min((now - time for time in _times(settings, now)), default=None)


def heads(settings: Settings) -> list[str]:
    """Hash of the last journal entry in each readable backup: the journal of today must still have all of them."""
    found = (read_manifest(path) for path in backups(settings.backups) if is_readable(path))
    return [manifest.head for manifest in found if manifest.entries]


def damaged(settings: Settings) -> list[Path]:
    """Backups that say nothing of themselves any more."""
    return [path for path in backups(settings.backups) if not is_readable(path)]


def prepare(_store: Store, jobs: Jobs, job_id: str) -> bool:
    """A backup needs nothing of the store."""
    return jobs.prepare(job_id, "Waiting for the worker", lambda _: None)


def run(jobs: Jobs, job_id: str, progress: Progress = silent) -> None:
    """Make the backup that a job asks for; its path is the folder for backups."""

    def work(job: Job, _folder: Path, report: Progress) -> dict[str, Any]:
        def both(done: int, total: int, note: str) -> None:
            report(done, total, note)
            progress(done, total, note)

        started = time.monotonic()
        made = back_up(jobs.folder.parent, Path(job.path), both)
        manifest = read_manifest(made)
        prune(Path(job.path))
        found = {"folder": str(made), "entries": manifest.entries, "head": manifest.head, "bytes": manifest.bytes}
        return {**found, "problems": list(manifest.problems), "seconds": round(time.monotonic() - started, 1)}

    jobs.run(job_id, work)


def prune(folder: Path, kept: int = KEPT) -> None:
    """Remove the oldest backups; nothing but folders that are named and filled as ours."""
    for path in backups(folder)[:-kept]:
        if re.fullmatch(r"\d{8}T\d{6}Z", path.name):
            shutil.rmtree(path)


def receive(_store: Store, jobs: Jobs, job_id: str) -> None:
    """Note that the job is over."""
    jobs.set_state(job_id, replace(jobs.state(job_id), state="imported"))
