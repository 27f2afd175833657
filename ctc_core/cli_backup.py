"""Commands that care for the data folder: backup and restore."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ctc_core.console import Session, progress, show

backup_app = typer.Typer()


@backup_app.command()
def backup(
    folder: Annotated[Path, typer.Argument(help="Where backups are kept; this one is named by its time.")],
) -> None:
    """Copy journal, bundles, models and reports; readers may go on working. The database is filled from them again."""
    from ctc_core.store.backup import back_up, read_manifest

    made = back_up(Session.settings.data_dir, folder.resolve(), progress("backup"))
    manifest = asdict(read_manifest(made))
    files = manifest.pop("files")
    show({"backup": str(made), **manifest, "files": len(files)})
    if manifest["problems"]:
        raise typer.Exit(1)


@backup_app.command()
def restore(
    folder: Annotated[Path, typer.Argument(help="A backup, or a folder of backups: then the newest.")],
) -> None:
    """Fill an empty data folder (--data) from a backup, and verify it. Scores are made again when the desk starts."""
    from ctc_core.store.backup import restore as run

    report = run(folder.resolve(), Session.settings.data_dir)
    show({"ok": report.ok, "data": str(Session.settings.data_dir), **asdict(report)})
    if not report.ok:
        raise typer.Exit(1)
