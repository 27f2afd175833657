"""Commands on rounds of relabelling: propose cells, open a round, finish, abandon, replay and list rounds."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ctc_core.cli_map import experiment_app
from ctc_core.console import Session, progress, show
from ctc_core.errors import CTCError, UserError

if TYPE_CHECKING:
    import pandas as pd

    from ctc_core.store import Round, Store

rounds_app = typer.Typer()
round_app = typer.Typer(no_args_is_help=True, help="Rounds of relabelling.")
rounds_app.add_typer(round_app, name="round")

SESSION = "command line"
HOW = "How cells are chosen, e.g. real-world, inverse-f1, margin, ours; left out: as the page recommends it."

Strategy = Annotated[str | None, typer.Option(help=HOW)]
Cells = Annotated[int, typer.Option("-n", "--cells", min=1, help="Cells to ask for.")]
Seed = Annotated[int, typer.Option(min=0)]
Cluster = Annotated[int | None, typer.Option(help="Only cells of this cluster of the map; -1 is the background.")]
Share = Annotated[float, typer.Option(min=0, max=1, help="Share of blind second readings.")]
Which = Annotated[str, typer.Argument(help="Round id, or its first letters.")]
Why = Annotated[str, typer.Option(help="Why; the journal keeps it.")]


@rounds_app.command()
def propose(
    strategy: Strategy = None, cells: Cells = 50, seed: Seed = 0, cluster: Cluster = None, second_share: Share = 0.0
) -> None:
    """Print what a round would hold and why; changes nothing."""
    from ctc_core.rounds import propose as run

    with _store() as store:
        made = run(store, **_asked(store, strategy, cells, seed, cluster, second_share))
    now = made.situation
    show(
        {
            "strategy": made.strategy,
            "summary": made.summary,
            "notes": list(made.notes),
            "encoder_id": now.encoder_id,
            "model_id": now.model.model_id if now.model else None,
            "map_id": now.latent_map.model_id if now.latent_map else None,
            "cluster": made.cluster,
            "predicted": made.predicted,
            "pool": len(now.pool.cell_ids),
            "cells": _rows(made.cells),
        }
    )


@round_app.command("start")
def start(
    strategy: Strategy = None,
    cells: Cells = 50,
    seed: Seed = 0,
    cluster: Cluster = None,
    second_share: Share = 0.0,
    minutes: Annotated[float | None, typer.Option(min=0.1, help="Timer.")] = None,
    run: Annotated[str | None, typer.Option(help="Run that this round continues.")] = None,
) -> None:
    """Open a round in your own queue; read it on the desk's Relabel page."""
    from ctc_core.rounds import start_round

    with _store() as store:
        asked = _asked(store, strategy, cells, seed, cluster, second_share)
        made = start_round(store, session=SESSION, minutes=minutes, run_id=run, **asked)
    show(_about(made))


@round_app.command("finish")
def finish(which: Which) -> None:
    """Fit again with the round's labels, compare on test patients, close the round. The new model is not put in use."""
    from ctc_core.jobs import Jobs
    from ctc_core.rounds import finish_here

    with _store() as store:
        found = _round(store, which)
        jobs = Jobs(Session.settings.data_dir)
        state = finish_here(store, jobs, found.round_id, found.reader, progress("round"))
        if state.state != "imported":
            raise (UserError if state.state in ("refused", "cancelled") else CTCError)(state.message)
        show({**_about(store.round(found.round_id)), "outcome": store.outcome(found.round_id)})


@round_app.command("activate")
def activate(which: Which, reason: Why) -> None:
    """Put the classifier of a finished round in use, and score all cells with it."""
    from ctc_core.fitting import score_unscored
    from ctc_core.rounds import activate as run

    with _store() as store:
        model_id = _round(store, which).model_after
        if model_id is None:
            message = f"{which}: this round has no classifier. Finish it first, or choose another one."
            raise UserError(message)
        run(store, model_id, reader=Session.settings.reader, session=SESSION, reason=reason)
        score_unscored(store)
    show({"active": model_id})


@round_app.command("abandon")
def abandon(which: Which, reason: Why) -> None:
    """Close a round without a fit; its labels stay."""
    with _store() as store:
        found = _round(store, which)
        store.abandon_round(found.round_id, reader=Session.settings.reader, session=SESSION, reason=reason)
        show(_about(store.round(found.round_id)))


@round_app.command("replay")
def replay(which: Which) -> None:
    """Fit again from the journal as it stood when the round ended. Exit code 1 if the classifier is another one."""
    from ctc_core.rounds import replay as run

    with _store() as store:
        found = run(store, _round(store, which).round_id)
    show(asdict(found))
    if not found.same:
        raise typer.Exit(1)


@round_app.command("list")
def list_() -> None:
    """All rounds, oldest first."""
    with _store() as store:
        show([_about(found) for found in store.rounds()])


@experiment_app.command("rounds")
def rounds(
    out: Annotated[Path, typer.Option(help="JSON file to write: records and summary.")],
    strategies: Annotated[str, typer.Option(help="Names, with commas.")] = "real-world,inverse-f1,margin,random",
    seeds: Annotated[int, typer.Option(min=1)] = 10,
    patients: Annotated[int, typer.Option(min=6, help="Simulated patients; half of them train.")] = 30,
    cells: Annotated[int, typer.Option(min=20, help="Cells of each.")] = 100,
    start: Annotated[int, typer.Option(min=20, help="Labelled cells before the first round.")] = 200,
    step: Annotated[int, typer.Option(min=1, help="Cells read in a round.")] = 50,
    loops: Annotated[int, typer.Option(min=1, help="Rounds.")] = 4,
    seed: Annotated[int, typer.Option(min=0, help="Of the cohort: another one has other patients.")] = 0,
    only_errors: Annotated[bool, typer.Option("--only-errors", help="The expert marks wrong calls only.")] = False,
    encoder: Annotated[str | None, typer.Option(help="Name or path of another encoder.")] = None,
) -> None:
    """Do rounds raise the weakest cluster's F1? Simulated patients and expert; the data folder keeps the cohort."""
    from ctc_core.encoder import Embedder
    from ctc_core.rounds.cohort import CohortPlan, kept_cohort
    from ctc_core.rounds.experiment import Plan, run, summarise

    settings, report = Session.settings, progress("rounds")
    embedder = Embedder.load(encoder or settings.encoder, threads=settings.threads, data_dir=settings.data_dir)
    folder, made = settings.data_dir / "experiments", CohortPlan(patients, cells, seed)
    cohort = kept_cohort(folder, embedder.id, embedder.embed, made, report)
    names = tuple(strategies.split(","))
    plan = Plan(names, seeds, start, step, loops, only_errors=only_errors)
    records = run(cohort, plan, encoder_id=embedder.id, progress=report)
    about = {"data": "simulated", "encoder_id": embedder.id, "cohort": asdict(made), "plan": asdict(plan)}
    result = {**about, "summary": summarise(records)}
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps({**result, "records": records}, allow_nan=False) + "\n")
    show({**result, "out": str(out)})


def _asked(
    store: Store, strategy: str | None, n: int, seed: int, cluster: int | None, second_share: float
) -> dict[str, Any]:
    """What `propose` and `start_round` take alike."""
    from ctc_core.relabel.registry import recommended

    usual = recommended(classifier=store.active_model("classifier") is not None)
    asked = {"strategy": strategy or usual, "n": n, "seed": seed, "cluster": cluster, "second_share": second_share}
    return {**asked, "reader": Session.settings.reader}


def _store() -> Store:
    from ctc_core.store import Store

    return Store.open(Session.settings.data_dir)


def _round(store: Store, which: str) -> Round:
    found = [round_ for round_ in store.rounds() if round_.round_id.startswith(which)]
    if len(found) != 1:
        message = f"{which}: {len(found)} rounds have an id that begins so. See: python -m ctc_core round list."
        raise UserError(message)
    return found[0]


def _about(found: Round) -> dict[str, Any]:
    return asdict(found)


def _rows(cells: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as JSON takes them: no nan."""
    known = cells.astype(object).where(cells.notna(), None)
    return [dict(zip(known.columns, row, strict=True)) for row in known.itertuples(index=False)]
