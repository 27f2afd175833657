"""Commands on the count: one draw, and predictive values beside CellSearch's."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ctc_core.cli_map import experiment_app
from ctc_core.console import Session, progress, show

if TYPE_CHECKING:
    from ctc_core.counting import CountReport
    from ctc_core.enumeration.ppv import PpvRow, Side

count_app = typer.Typer()


@count_app.command()
def count(
    cartridge: Annotated[str, typer.Argument(help="Cartridge id.")],
    threshold: Annotated[float | None, typer.Option(help="P(CTC) from which a cell is a candidate.")] = None,
    cut_off: Annotated[int, typer.Option(min=1, help="CTCs per 7.5 ml: 5 breast, prostate; 3 colorectal.")] = 5,
    volume: Annotated[float, typer.Option(help="Blood in ml that went into the cartridge.")] = 7.5,
) -> None:
    """The count of one draw: P(count >= cut-off), what may be unseen, what to read next."""
    from ctc_core.counting import THRESHOLDS, CountOptions, at_threshold, count_cartridge
    from ctc_core.fitting import score_unscored
    from ctc_core.store import Store

    with Store.open(Session.settings.data_dir) as store:
        score_unscored(store)
        options = CountOptions(cut_off=cut_off, volume_ml=volume)
        report = count_cartridge(store, cartridge, threshold or Session.settings.threshold, options)
        at = [at_threshold(store, cartridge, value) for value in THRESHOLDS]
    for note in report.notes:
        typer.echo(note, err=True)
    show(count_values(report) | {"at": [_rounded(asdict(row)) for row in at]})


def count_values(report: CountReport) -> dict[str, Any]:
    """A report as plain values; figures rounded to four digits."""
    from ctc_core.enumeration.counts import METHOD

    return {
        "cartridge_id": report.cartridge_id,
        "patient": report.pseudonym,
        "threshold": report.threshold,
        **asdict(report.options),
        "shown": report.shown,
        "read": report.read,
        **_rounded(asdict(report.count)),
        "unseen": _rounded(asdict(report.unseen)),
        "next": list(report.next_ids[:20]),
        "most_telling": sorted(report.worth, key=lambda id_: -report.worth[id_])[:20],
        "less_certain": [_rounded(row) for row in report.less_certain.to_dict("records")],
        "readers": _rounded(asdict(report.errors)),
        "reviews": report.reviews,
        "method": METHOD,
        "notes": list(report.notes),
    }


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    return round(value, 4) if isinstance(value, float) else value


@count_app.command()
def ppv(
    threshold: Annotated[float | None, typer.Option(help="P(CTC) from which a cell is a candidate.")] = None,
    seconds_per_image: Annotated[float, typer.Option(help="Reading time of one image, assumed.")] = 3.0,
) -> None:
    """Predictive values of this desk and CellSearch by patient, from the decisions in the store."""
    from ctc_core.counting import ppv_table
    from ctc_core.fitting import score_unscored
    from ctc_core.store import Store

    with Store.open(Session.settings.data_dir) as store:
        score_unscored(store)
        table = ppv_table(store, threshold or Session.settings.threshold)
    rows = [{**ppv_values(row, seconds_per_image), "classifier_saw": row.name in table.seen} for row in table.rows]
    show(
        {
            "patients": rows,
            "pooled": ppv_values(table.pooled, seconds_per_image) if table.pooled else None,
            "seconds_per_image": seconds_per_image,
        }
    )


def ppv_values(row: PpvRow, seconds_per_image: float) -> dict[str, Any]:
    """One row of the table as plain values."""
    return {
        "patient": row.name,
        "model": _side(row.model),
        "cellsearch": {**_side(row.cellsearch), "assigned": row.assigned},
        "overlap": asdict(row.overlap),
        "complete": row.complete,
        "images_saved": row.images_saved,
        "minutes_saved": round(row.minutes_saved(seconds_per_image), 1),
    }


def _side(side: Side) -> dict[str, Any]:
    return {**asdict(side), "ppv": _rounded(asdict(side.ppv)) if side.ppv else None}


# ---- experiments -----------------------------------------------------------------------------------------------------


@experiment_app.command("count")
def count_calibration(
    patients: Annotated[int, typer.Option(min=10, help="Simulated patients around the cut-off.")] = 500,
    seed: Annotated[int, typer.Option(min=0)] = 1,
    cut_off: Annotated[int, typer.Option(min=1)] = 5,
    out: Annotated[Path | None, typer.Option(help="JSON file to write, too.")] = None,
) -> None:
    """Is P(count >= cut-off) calibrated? Simulated counts, readers and misses; no pixels."""
    from ctc_core.enumeration.experiments import count_experiment

    _keep(out, count_experiment(patients, seed, cut_off=cut_off, progress=progress("count")))


@experiment_app.command("stopping")
def stopping(
    reviews: Annotated[int, typer.Option(min=3, help="Simulated reviews.")] = 200,
    seed: Annotated[int, typer.Option(min=0)] = 1,
    out: Annotated[Path | None, typer.Option(help="JSON file to write, too.")] = None,
) -> None:
    """Does the bound on CTCs not yet seen hold, and how many images need not be read? Simulated reviews."""
    from ctc_core.enumeration.experiments import stopping_experiment

    _keep(out, stopping_experiment(reviews, seed, progress=progress("stopping")))


@experiment_app.command("final")
def final(
    seeds: Annotated[int, typer.Option(min=1, help="Cohorts, each with its own patients.")] = 3,
    strategy: Annotated[str, typer.Option(help="Of the four rounds.")] = "real-world",
    columns: Annotated[int, typer.Option(min=1, max=35, help="Of each unseen cartridge's 35: its part.")] = 7,
    patients: Annotated[int, typer.Option(min=1, help="Unseen patients of each cohort.")] = 10,
    pool: Annotated[int, typer.Option(min=1, help="Training patients whose cartridges the rounds ask about.")] = 5,
    encoder: Annotated[str | None, typer.Option(help="Name or path of another encoder.")] = None,
    out: Annotated[Path | None, typer.Option(help="JSON file to write, too; Markdown beside it.")] = None,
) -> None:
    """The model after four rounds on unseen simulated patients: predictive values (Table 2) and overlap (figure 4)."""
    from ctc_core.encoder import Embedder
    from ctc_core.final import ROUND, markdown, run, values
    from ctc_core.rounds.cohort import CohortPlan, kept_cohort
    from ctc_core.rounds.experiment import Plan
    from ctc_core.rounds.unseen import Draws, DrawsPlan, kept_draws

    settings, report = Session.settings, progress("final")
    embedder = Embedder.load(encoder or settings.encoder, threads=settings.threads, data_dir=settings.data_dir)
    folder = settings.data_dir / "experiments"

    def draws(plan: DrawsPlan) -> Draws:
        return kept_draws(folder, embedder.id, embedder.embed, plan, report)

    results = run(
        lambda seed: kept_cohort(folder, embedder.id, embedder.embed, CohortPlan(30, 100, seed), report),
        lambda seed: draws(DrawsPlan(pool, columns, seed, for_training=True)),
        lambda seed: draws(DrawsPlan(patients, columns, seed)),
        seeds=seeds,
        strategy=strategy,
        plan=Plan((strategy,), seeds, step=ROUND),
        encoder_id=embedder.id,
        progress=report,
    )
    text, rows = markdown(results), [values(result, ppv_values, 3.0) for result in results]
    typer.echo(text, err=True)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.with_suffix(".md").write_text(text + "\n")
    _keep(out, {"data": "simulated", "encoder_id": embedder.id, "strategy": strategy, "cohorts": rows})


def _keep(out: Path | None, result: dict[str, Any]) -> None:
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(result, indent=1, allow_nan=False) + "\n")
    show(result)
