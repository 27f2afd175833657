"""Which function prepares, computes and imports a job of each kind."""

from __future__ import annotations

from ctc_core import backups, mapping, workflows
from ctc_core.cluster import Cluster
from ctc_core.jobs import Jobs, Kind
from ctc_core.networks import Networks
from ctc_core.rounds import refit
from ctc_core.store import Store
from ctc_core.types import Progress, silent

_NEED_THE_STORE = {Kind.MAP: mapping, Kind.PLACE: mapping, Kind.REFIT: refit, Kind.BACKUP: backups}
"""Modules with `prepare`, `run` and `receive`."""


def prepare(store: Store, jobs: Jobs, job_id: str) -> None:
    """Give a requested job what it needs of the store, and hand it to the worker."""
    if _NEED_THE_STORE[jobs.job(job_id).kind].prepare(store, jobs, job_id):
        jobs.enqueue(job_id)


def run(
    jobs: Jobs, job_id: str, networks: Networks, progress: Progress = silent, *, cluster: Cluster | None = None
) -> None:
    """Compute a job, an archive's frames by a cluster if there is one; needs no store."""
    kind = jobs.job(job_id).kind
    if kind is Kind.INGEST:
        workflows.run_ingest(jobs, job_id, networks, progress, cluster=cluster)
    else:
        _NEED_THE_STORE[kind].run(jobs, job_id, progress)


def receive(store: Store, jobs: Jobs, job_id: str) -> None:
    """Import what a finished job made."""
    kind = jobs.job(job_id).kind
    room = workflows if kind is Kind.INGEST else _NEED_THE_STORE[kind]
    room.receive(store, jobs, job_id)
