"""Commands on labels as CSV files, for labs that have theirs already."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ctc_core.console import Session, show

labels_app = typer.Typer(no_args_is_help=True, help="Labels as CSV files.")

MOST_LINES = 20
"""Bad lines that are told one by one."""


@labels_app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="CSV: label, and cell_id or cartridge_id, frame, y and x.")],
    partial: Annotated[bool, typer.Option("--partial", help="Save the good lines of a file with bad ones.")] = False,
) -> None:
    """Save the labels of a file as decisions. Bad lines are told; with one, nothing is saved and the exit code is 2."""
    from ctc_core.label_files import import_labels
    from ctc_core.store import Store

    with Store.open(Session.settings.data_dir) as store:
        report = import_labels(store, file, reader=Session.settings.reader, partial=partial)
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
