"""Commands on labels: as CSV files, for labs that have theirs already; and how well the readers agree."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ctc_core.console import Session, show

labels_app = typer.Typer(no_args_is_help=True, help="Labels as CSV files, and how well readers agree.")

MOST_LINES = 20
"""Bad lines that are told one by one."""


@labels_app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="CSV: label, and cell_id or cartridge_id, frame, y and x.")],
    partial: Annotated[bool, typer.Option("--partial", help="Save the good lines of a file with bad ones.")] = False,
    why: Annotated[str, typer.Option(help="Why labels that are in the store already are changed; kept.")] = "",
) -> None:
    """Save the labels of a file as decisions. Bad lines are told; with one, nothing is saved and the exit code is 2."""
    from ctc_core.label_files import import_labels
    from ctc_core.store import Store

    with Store.open(Session.settings.data_dir) as store:
        report = import_labels(store, file, reader=Session.settings.reader, partial=partial, why=why)
    for row in report.bad[:MOST_LINES]:
        typer.echo(f"{file.name}, line {row.line}: {row.reason}.", err=True)
    if len(report.bad) > MOST_LINES:
        typer.echo(f"{file.name}: {len(report.bad) - MOST_LINES} more bad lines.", err=True)
    show(asdict(report))
    if report.bad and not partial:
        raise typer.Exit(2)


@labels_app.command("export")
def export(file: Annotated[Path, typer.Argument(help="CSV file to write.")]) -> None:
    """Write every reader's current labels of cells."""
    from ctc_core.label_files import export_labels
    from ctc_core.store import Store

    with Store.open(Session.settings.data_dir) as store:
        labels = export_labels(store, file)
    show({"labels": labels, "out": str(file)})


@labels_app.command("calibration-set")
def calibration_set(
    cells: Annotated[int, typer.Option("-n", "--cells", help="Cells, half of them CTCs.")] = 60,
    seed: Annotated[int, typer.Option(min=0, help="Another one chooses other cells.")] = 0,
    once: Annotated[bool, typer.Option("--once", help="Also cells that one person alone has labelled.")] = False,
) -> None:
    """Make a set of settled cells that every reader reads blind, on the page Rounds. It never changes."""
    from ctc_core.fitting import score_unscored
    from ctc_core.reader_calibration import make_set
    from ctc_core.store import Store

    reader = Session.settings.reader
    with Store.open(Session.settings.data_dir) as store:
        score_unscored(store)  # which cells are hard is a matter of the classifier in use
        set_id = make_set(store, n=cells, seed=seed, once=once, reader=reader, session="command line")
        (made,) = (one for one in store.calibration_sets() if one.set_id == set_id)
    ctcs = int((made.cells.label == "ctc").sum())
    show({"set_id": set_id, "number": made.number, "cells": len(made.cells), "ctcs": ctcs})


@labels_app.command("agreement")
def agreement() -> None:
    """How well readers agree: on cells that several people have read, and each with every calibration set."""
    from ctc_core.agreement import overall, pairs
    from ctc_core.reader_calibration import results
    from ctc_core.store import Store

    with Store.open(Session.settings.data_dir) as store:
        readings, sets = store.readings(), store.calibration_sets()
        calibration = [
            {"set_id": one.set_id, "number": one.number, "cells": len(one.cells), "reader": asdict(found)}
            for one in sets
            for found in results(store, one)
        ]
    together = [{"readers": list(names), **asdict(found)} for names, found in pairs(readings).items()]
    show({"read_twice": asdict(overall(readings)), "pairs": together, "calibration": calibration})
