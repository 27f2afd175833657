"""Archives into the store."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from ctc_core.console import Session, progress, show
from ctc_core.errors import CTCError, StoreBusy
from ctc_core.types import Role

ingest_app = typer.Typer()

IMPORT_TIMEOUT = 600.0
"""Seconds that `ingest` waits for a running desk to import a finished bundle."""


@ingest_app.command()
def ingest(
    paths: Annotated[list[Path], typer.Argument(help="Archive folders, or zips of one.")],
    patient: Annotated[str, typer.Option(help="Pseudonym of the patient.")],
    role: Annotated[Role, typer.Option(help="What the patient's cells may be used for.")],
    scheduler: Annotated[str | None, typer.Option(help="Address of a dask scheduler whose workers compute.")] = None,
) -> None:
    """Read archives into the store. Where the desk runs, it imports what was computed here."""
    from ctc_core.cluster import Cluster
    from ctc_core.jobs import Jobs
    from ctc_core.networks import Networks

    _check_submissions(paths, patient, role)
    settings = Session.settings.model_copy(update={"scheduler": scheduler or Session.settings.scheduler})
    jobs, networks, cluster = Jobs(settings.data_dir), Networks(settings), Cluster.of(settings)
    results = [_ingest_one(jobs, networks, cluster, path, patient, role) for path in paths]
    show(results[0] if len(results) == 1 else {"results": results})
    if any(result["status"] == "refused" for result in results):
        raise typer.Exit(2)


def _check_submissions(paths: list[Path], patient: str, role: Role) -> None:
    """Ask the store before computing; where the desk owns it, it is asked at the end."""
    from ctc_core.store import Store
    from ctc_core.workflows import check_submission

    try:
        with Store.open(Session.settings.data_dir) as store:
            for path in paths:
                check_submission(store, path, patient, role)
    except StoreBusy as busy:
        typer.echo(str(busy), err=True)


def _ingest_one(jobs: Any, networks: Any, cluster: Any, path: Path, patient: str, role: Role) -> dict[str, Any]:
    from ctc_core.workflows import run_ingest

    job_id = jobs.begin(path, patient, role, Session.settings.reader)
    run_ingest(jobs, job_id, networks, progress(path.name), cluster=cluster)
    state = jobs.state(job_id)
    if state.state == "finished":
        _hand_over(jobs, job_id)
        state = jobs.state(job_id)
    if state.state == "imported":
        return dict(state.result)
    typer.echo(state.message, err=True)
    if state.state != "refused":
        raise CTCError(state.message)
    return {"status": "refused", "cartridge_id": path.name, "reason": state.message, **state.result}


def _hand_over(jobs: Any, job_id: str) -> None:
    """Import the bundle here; where the desk, or another command, owns the store, wait until that is over."""
    from ctc_core.mapping import place_new
    from ctc_core.store import Store
    from ctc_core.workflows import receive

    deadline, told = time.monotonic() + IMPORT_TIMEOUT, False
    while jobs.state(job_id).state == "finished":
        try:
            with Store.open(Session.settings.data_dir) as store:
                receive(store, jobs, job_id)
                place_new(store, jobs, Session.settings.reader, progress("map"))
        except StoreBusy as busy:
            if time.monotonic() > deadline:
                raise
            if not told:
                typer.echo(f"{busy} Waiting for it to import the cartridge.", err=True)
            told = True
            time.sleep(0.5)
