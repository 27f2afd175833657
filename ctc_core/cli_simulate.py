"""Commands that look at the simulator itself: whole cohorts without pixels, crops beside real ones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from ctc_core.console import Session, progress, show

if TYPE_CHECKING:
    import pandas as pd

    from ctc_core.simulate import Group

simulate_app = typer.Typer()


@simulate_app.command("simulate-cohort")
def simulate_cohort(
    patients: Annotated[int, typer.Option(min=1, help="Number of patients, one full cartridge each.")] = 200,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    group: Annotated[str, typer.Option(help="metastatic, low (0-10 CTCs) or healthy (none).")] = "metastatic",
) -> None:
    """Print CellSearch's events, CTCs and PPV in simulated patients beside the paper's Table 2; draws no pixels."""
    from ctc_core.simulate.cohort import cohort, summary, table_2, within_table_2

    table = cohort(patients, seed, group=cast("Group", group), progress=progress("simulate-cohort"))
    simulated, paper, within = summary(table), table_2(), within_table_2(table)
    if not Session.as_json:
        typer.echo(f"{patients} simulated patients ({group}), seed {seed}:\n{_printed(simulated)}")
        typer.echo(f"Paper, Table 2, 10 patients:\n{_printed(paper)}")
        typer.echo(f"Share of simulated patients within the paper's range: {within}")
        return
    asked = {"patients": patients, "seed": seed, "group": group}
    show({**asked, "simulated": _cells(simulated), "paper": _cells(paper), "within_paper": within})


def _printed(quantiles: pd.DataFrame) -> str:
    return quantiles.to_string(float_format=lambda value: f"{value:.3g}" if value < 1 else f"{value:.0f}", na_rep="-")


def _cells(quantiles: pd.DataFrame) -> dict[str, Any]:
    """Rows as JSON takes them: no nan."""
    rows = quantiles.astype(object).where(quantiles.notna(), None)
    return {str(name): dict(row) for name, row in rows.iterrows()}


@simulate_app.command("simulate-sheet")
def simulate_sheet(
    out: Annotated[Path, typer.Argument(help="PNG to write.")],
    real: Annotated[Path | None, typer.Option(help="Real crops, .npz with `crops` and perhaps `names`.")] = None,
    per_kind: Annotated[int, typer.Option(min=1, help="Simulated crops of each kind.")] = 6,
    seed: Annotated[int, typer.Option(min=0)] = 5,
) -> None:
    """Draw simulated crops by kind; with --real, real crops and simulated ones of the same kind below them."""
    from ctc_core.simulate import sheet

    show({"sheet": str(sheet(out, real, per_kind=per_kind, seed=seed))})


@simulate_app.command("simulate-compare")
def simulate_compare(
    real: Annotated[Path, typer.Argument(help="Real crops, .npz with `crops` and perhaps `names`.")],
    seed: Annotated[int, typer.Option(min=0)] = 0,
    draws: Annotated[int, typer.Option(min=2, help="Simulated sets, each as large as the real one.")] = 20,
    pool: Annotated[int, typer.Option(min=100, help="Simulated crops the sets are drawn from.")] = 1200,
    published: Annotated[bool, typer.Option(help="The real crops were cut out of a figure.")] = True,
) -> None:
    """Tell real crops from simulated ones of the same kinds by simple statistics: AUC, and what differs most."""
    from ctc_core.simulate.compare import compare

    report = progress("simulate-compare")
    found = compare(real, seed=seed, draws=draws, pool=pool, published=published, progress=report)
    if Session.as_json:
        show(found.as_dict())
        return
    typer.echo(found.table())
