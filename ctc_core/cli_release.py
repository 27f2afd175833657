"""Command that lets a reviewed patient's decisions train."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from ctc_core.console import Session, show

release_app = typer.Typer()


@release_app.command()
def release(
    pseudonym: Annotated[str, typer.Argument(help="The reviewed patient.")],
    reason: Annotated[str, typer.Option(help="Why, in words; kept in the journal.")],
) -> None:
    """Let a signed-off patient's decisions train from now on. Never a test patient; cannot be undone."""
    from ctc_core.release import release as release_patient
    from ctc_core.store import Store

    with Store.open(Session.settings.data_dir) as store:
        now = release_patient(store, pseudonym, reader=Session.settings.reader, session="command line", reason=reason)
    show(asdict(now))
