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
from ctc_core.store.backup import back_up, backups, newest, read_manifest
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
    last = newest(settings.backups)
    return last is None or datetime.fromisoformat(read_manifest(last).created) < night


def _recent_or_active(jobs: Jobs, job_id: str, now: datetime) -> bool:
    return (
        jobs.state(job_id).state in ACTIVE or now.timestamp() - jobs.job(job_id).created < AGAIN_AFTER.total_seconds()
    )


def age(settings: Settings) -> timedelta | None:
    """Time since the newest backup; None: there is none."""
    last = newest(settings.backups)
    return datetime.now(UTC) - datetime.fromisoformat(read_manifest(last).created) if last else None


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
