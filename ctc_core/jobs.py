"""Jobs: a folder each, and a durable queue (huey on SQLite) that tells the worker which one is next.

DATA/jobs/<job_id>/
    job.json     what is to be done; written once
    inputs/      what the store's owner gives to a job that needs its content (a map)
    state.json   where it stands; replaced atomically after every frame
    cancel       exists when a person cancelled it
    parts/       finished frames, by what they are made of: a job that died goes on from here
    bundle/      the result, complete by its name alone (atomic rename)

The worker and the command line run jobs; the owner of the store imports what they finished (`job_kinds.receive`).
"""

from __future__ import annotations

import json
import os
import shutil
import time
import uuid
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ctc_core.errors import Cancelled, CartridgeError, CTCError, UserError
from ctc_core.job import ACTIVE, FAILED, Job, JobState, JobStatus, Kind
from ctc_core.job_files import open_queue, write_json
from ctc_core.types import Role

__all__ = ["ACTIVE", "FAILED", "Job", "JobState", "JobStatus", "Jobs", "Kind"]


class Jobs:
    """The job folders of one data folder and their queue."""

    def __init__(self, data_dir: Path) -> None:
        self.folder = data_dir / "jobs"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.huey = open_queue(data_dir / "queue.sqlite")
        self._enqueue = self.huey.task(name="run_job")(self._run_from_queue)
        self.runner: Callable[[str], None] | None = None
        """Set by the worker: what runs a job. Nobody else takes jobs from the queue."""

    def _run_from_queue(self, job_id: str) -> None:
        assert self.runner is not None
        self.runner(job_id)

    def create(self, path: Path, pseudonym: str, role: Role, reader: str) -> str:
        """Write the folder of a job that ingests, without queueing it; returns its id."""
        return self._write(Job(uuid.uuid4().hex, str(path.resolve()), pseudonym, role, reader, time.time()), "queued")

    def begin(self, path: Path, pseudonym: str, role: Role, reader: str) -> str:
        """As `create`; where the same person's same ingest ended early, that one goes on, from its finished frames."""
        asked = (str(path.resolve()), pseudonym, role, reader)
        for job_id in self.ids():
            job, state = self.job(job_id), self.state(job_id)
            ended = state.state in FAILED or (state.state == "running" and not _alive(state))
            if ended and (job.path, job.pseudonym, job.role, job.reader) == asked:
                (self.folder / job_id / "cancel").unlink(missing_ok=True)
                return job_id
        return self.create(path, pseudonym, role, reader)

    def request(self, kind: Kind, reader: str, path: str = "") -> str:
        """Ask the store's owner to prepare a job that needs the store's content; returns its id."""
        return self._write(Job(uuid.uuid4().hex, path, "", None, reader, time.time(), kind), "requested")

    def prepare(self, job_id: str, note: str, write: Callable[[Path], None]) -> bool:
        """Let the store's owner `write(folder)` the inputs of a requested job; whether it can be computed.

        If not, its state says why: one of our errors is recorded as `refused`.
        """
        self.set_state(job_id, JobState("requested", note=note))
        try:
            write(self.folder / job_id / "inputs")
        except CTCError as error:
            self.set_state(job_id, JobState("refused", message=str(error)))
            return False
        cancelled = self.is_cancelled(job_id)
        message = "Cancelled before it began." if cancelled else ""
        self.set_state(job_id, JobState("cancelled" if cancelled else "queued", message=message))
        return not cancelled

    def receive(self, job_id: str, take: Callable[[], None]) -> None:
        """Let the store's owner `take()` what a finished job has made; its inputs then go. Again does what is left.

        If it cannot be taken, its state says why: one of our errors is recorded as `refused`.
        """
        last = self.state(job_id)
        try:
            take()
        except CTCError as error:
            self.set_state(job_id, JobState("refused", message=str(error)))
            return
        self.set_state(job_id, replace(last, state="imported"))
        shutil.rmtree(self.folder / job_id / "inputs", ignore_errors=True)

    def _write(self, job: Job, state: str) -> str:
        (self.folder / job.job_id).mkdir()
        write_json(self.folder / job.job_id / "job.json", asdict(job))
        self.set_state(job.job_id, JobState(state))
        return job.job_id

    def enqueue(self, job_id: str) -> None:
        """Hand a job to the worker."""
        self.set_state(job_id, JobState("queued"))
        self._enqueue(job_id)

    def submit_ingest(self, path: Path, pseudonym: str, role: Role, reader: str) -> str:
        """Queue an archive for the worker; returns the job's id."""
        job_id = self.create(path, pseudonym, role, reader)
        self._enqueue(job_id)
        return job_id

    def job(self, job_id: str) -> Job:
        """What a job is to do."""
        values = json.loads((self.folder / job_id / "job.json").read_text())
        role = Role(values["role"]) if values["role"] else None
        return Job(**{**values, "role": role, "kind": Kind(values.get("kind", Kind.INGEST))})

    def state(self, job_id: str) -> JobState:
        """Where a job stands; failed where a power cut has left nothing to read."""
        try:
            return JobState(**json.loads((self.folder / job_id / "state.json").read_text()))
        except (ValueError, TypeError):
            return JobState("failed", message="Where this job stood was lost. Try it again.")

    def set_state(self, job_id: str, state: JobState) -> None:
        """Replace a job's state."""
        write_json(self.folder / job_id / "state.json", asdict(state))

    def ids(self) -> list[str]:
        """All jobs, newest first."""
        found = [self.job(path.parent.name) for path in self.folder.glob("*/state.json")]
        return [job.job_id for job in sorted(found, key=lambda job: (-job.created, job.job_id))]

    def status(self, *kinds: Kind) -> list[JobStatus]:
        """All jobs (of some kinds) with their states, newest first."""
        found = [self.status_of(job_id) for job_id in self.ids()]
        return [status for status in found if not kinds or status.job.kind in kinds]

    def status_of(self, job_id: str) -> JobStatus:
        """One job with its state and the seconds it will still take."""
        state = self.state(job_id)
        return JobStatus(self.job(job_id), state, _seconds_left(state, time.time()))

    def in_state(self, *states: str) -> list[str]:
        """Ids of the jobs in one of `states`, oldest first."""
        return [job_id for job_id in reversed(self.ids()) if self.state(job_id).state in states]

    def cancel(self, job_id: str) -> None:
        """Ask a waiting or running job to stop; its finished frames are kept."""
        (self.folder / job_id / "cancel").touch()
        if self.state(job_id).state in ("requested", "queued"):
            self.set_state(job_id, JobState("cancelled", message="Cancelled before it began."))

    def is_cancelled(self, job_id: str) -> bool:
        """Whether a person asked a job to stop."""
        return (self.folder / job_id / "cancel").exists()

    def retry(self, job_id: str) -> None:
        """Queue a cancelled, failed or refused job again: an ingest goes on from its frames, others begin anew."""
        (self.folder / job_id / "cancel").unlink(missing_ok=True)
        if self.job(job_id).kind is Kind.INGEST:
            self.enqueue(job_id)
        else:
            self.set_state(job_id, JobState("requested"))

    def recover(self) -> list[str]:
        """Queue again what a dead process left running, and what waits without being in the queue."""
        waiting = {task.args[0] for task in self.huey.pending()}
        lost = [j for j in self.in_state("running") if not _alive(self.state(j))]
        forgotten = [j for j in self.in_state("queued") if j not in waiting]
        for job_id in lost + forgotten:
            self.enqueue(job_id)
        return lost + forgotten

    def run(self, job_id: str, work: Callable[[Job, Path, Callable[[int, int, str], None]], dict[str, Any]]) -> None:
        """Run `work(job, folder, progress)` in this process and record how it ended. `work` returns the result.

        A user's mistake is recorded as `refused`, any other of our errors as `failed`, a cancellation as `cancelled`;
        what is none of these is recorded as `failed` and raised again.
        """
        folder = self.folder / job_id
        if self.is_cancelled(job_id) or self.state(job_id).state in ("imported", "finished"):
            return
        self.set_state(job_id, JobState("running", pid=os.getpid(), started=time.time()))
        try:
            result = work(self.job(job_id), folder, _Reporter(self, job_id))
        except Cancelled as error:
            self._end(job_id, "cancelled", str(error))
        except UserError as error:
            self._end(job_id, "refused", str(error), _details(error))
        except CTCError as error:
            self._end(job_id, "failed", str(error))
        except BaseException as error:
            self._end(job_id, "failed", f"{type(error).__name__}: {error}. The log has the details; try again.")
            raise
        else:
            self._end(job_id, "finished", "", result)

    def _end(self, job_id: str, state: str, message: str, result: dict[str, Any] | None = None) -> None:
        last = self.state(job_id)
        self.set_state(job_id, JobState(state, last.done, last.total, message=message, result=result or {}))


def _details(error: UserError) -> dict[str, Any]:
    """What a script may want to know of a refused archive, beside the sentence."""
    if not isinstance(error, CartridgeError):
        return {}
    return {"file": error.file, "cause": error.reason, "advice": error.advice}


class _Reporter:
    """The `Progress` of a running job: writes the state, and raises `Cancelled` when a person asked for it."""

    def __init__(self, jobs: Jobs, job_id: str) -> None:
        self.jobs, self.job_id = jobs, job_id
        self.started, self.resumed_at = time.time(), -1

    def __call__(self, done: int, total: int, note: str) -> None:
        if self.jobs.is_cancelled(self.job_id):
            raise Cancelled(self._cancelled(done, total))
        if self.resumed_at < 0:
            self.started, self.resumed_at = time.time(), done
        state = JobState("running", done, total, note, "", os.getpid(), self.started, self.resumed_at)
        self.jobs.set_state(self.job_id, state)

    def _cancelled(self, done: int, total: int) -> str:
        if self.jobs.job(self.job_id).kind is Kind.INGEST:
            return f"Cancelled after {done} of {total} frames; these are kept and need not be computed again."
        return "Cancelled; nothing was changed."


def _seconds_left(state: JobState, now: float) -> float | None:
    """From the pace of the present run; None before its first frame is through."""
    finished = state.done - state.resumed_at
    if state.state != "running" or finished <= 0:
        return None
    return (now - state.started) / finished * (state.total - state.done)


def _alive(state: JobState) -> bool:
    """Whether the process that wrote `state` still runs; a process that began later only wears its number."""
    import psutil

    try:
        return bool(psutil.Process(state.pid).create_time() <= state.started)
    except psutil.NoSuchProcess:
        return False
