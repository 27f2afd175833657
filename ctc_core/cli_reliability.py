"""Commands on the reliability map: build it, and what it says about one cartridge."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ctc_core.console import Session, progress, show
from ctc_core.errors import CTCError, StoreBusy, UserError

if TYPE_CHECKING:
    from ctc_core.jobs import Jobs, JobState

TAKEN_UP = 30.0
"""Seconds within which a running desk takes up what is requested."""
QUIET = 1800.0
"""Seconds without any progress after which nobody is thought to work on it any more."""

reliability_app = typer.Typer()


@reliability_app.command("map")
def map_() -> None:
    """Build the map from all labels and put it in use. Where the desk runs, it is asked to do it."""
    from ctc_core.jobs import Jobs

    jobs = Jobs(Session.settings.data_dir)
    try:
        state = _here(jobs)
    except StoreBusy as busy:
        typer.echo(f"{busy} Asking it to build the map.", err=True)
        state = _by_the_desk(jobs, busy)
    if state.state == "imported":
        kept = ("map_id", "encoder_id", "classifier_id", "clusters", "cells", "notes", "seconds")
        show({key: state.result[key] for key in kept})
        return
    raise (UserError if state.state in ("refused", "cancelled") else CTCError)(state.message)


def _here(jobs: Jobs) -> JobState:
    from ctc_core.jobs import Kind
    from ctc_core.mapping import here
    from ctc_core.store import Store

    with Store.open(Session.settings.data_dir) as store:
        return here(store, jobs, Kind.MAP, Session.settings.reader, progress=progress("map"))


def _by_the_desk(jobs: Jobs, busy: StoreBusy) -> JobState:
    """Wait until the process that owns the store has had the map built; `busy` if it does not."""
    from ctc_core.jobs import ACTIVE, Kind

    job_id = jobs.request(Kind.MAP, Session.settings.reader)
    report, last, since = progress("map"), jobs.state(job_id), time.monotonic()
    while last.state in ACTIVE:
        if time.monotonic() - since > (QUIET if last.note or last.state != "requested" else TAKEN_UP):
            jobs.cancel(job_id)
            raise busy
        time.sleep(0.5)
        now = jobs.state(job_id)
        if now != last:
            since, last = time.monotonic(), now
            if now.note:
                report(now.done, now.total, now.note)
    return last


@reliability_app.command()
def reliability(
    cartridge: Annotated[str, typer.Argument(help="Cartridge id.")],
    threshold: Annotated[float | None, typer.Option(help="P(CTC) from which a cell is a candidate.")] = None,
) -> None:
    """How much of one cartridge lies where the classifier is weak, and how many errors to expect."""
    from ctc_core.draw_report import report
    from ctc_core.fitting import score_unscored
    from ctc_core.store import Store

    with Store.open(Session.settings.data_dir) as store:
        score_unscored(store)
        result = report(store, cartridge, threshold or Session.settings.threshold)
    _tell(result)
    show(result)


def _tell(result: dict[str, Any]) -> None:
    for sentence in [*result["stale"], *result["notes"]]:
        typer.echo(sentence, err=True)
