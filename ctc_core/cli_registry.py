"""The command that lists the models."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from ctc_core.console import Session, show

if TYPE_CHECKING:
    from ctc_core.inventory import Model

COLUMNS = ("active", "kind", "id", "where", "MB", "licence", "SHA-256", "card")


def models() -> None:
    """List all models, verify their files and cards. Exit code 2 if one was changed, is incomplete or has no card."""
    from ctc_core.inventory import inventory

    found, problems = inventory(Session.settings)
    if Session.as_json:
        show({"ok": not problems, "models": [asdict(model) for model in found], "problems": problems})
    else:
        typer.echo(table(found))
    for problem in problems:
        typer.echo(problem, err=True)
    if problems:
        raise typer.Exit(2)


def table(found: list[Model]) -> str:
    """The models as lines with aligned columns."""
    rows = [COLUMNS, *(_row(model) for model in found)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(COLUMNS))]
    lines = ("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def _row(model: Model) -> tuple[str, ...]:
    verified = {True: "verified", False: "NOT VERIFIED", None: "none kept"}[model.verified]
    return (
        "*" if model.active else "",
        model.kind or "?",
        model.id or f"{model.name} (refused)",
        model.where,
        f"{model.bytes / 1e6:.1f}",
        str(model.licence or "see card"),
        verified,
        "yes" if model.card else "no",
    )
