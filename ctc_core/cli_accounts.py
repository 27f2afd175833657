"""Commands that say who may use a shared desk. For the machine's own administrator: no log-in is asked for."""

from __future__ import annotations

from typing import Annotated

import typer

from ctc_core.accounts import AccountRole
from ctc_core.console import Session, show

accounts_app = typer.Typer(no_args_is_help=True, help="Who may use a shared desk, and in which role.")

Name = Annotated[str, typer.Argument(help="E-mail address, as the log-in shows it.")]
Reason = Annotated[str, typer.Option(help="Why, in words; kept in the journal.")]


@accounts_app.command("list")
def list_accounts() -> None:
    """All accounts with role, since when, by whom and why."""
    from ctc_core.store import Store

    with Store.open(Session.settings.data_dir) as store:
        show({"accounts": store.accounts().to_dict("records")})


@accounts_app.command()
def grant(
    name: Name, role: Annotated[AccountRole, typer.Argument(help="What the person may do.")], reason: Reason
) -> None:
    """Give a person a role."""
    _set(name, role, reason)


@accounts_app.command()
def revoke(name: Name, reason: Reason) -> None:
    """Withdraw a person's access. What the person decided stays."""
    _set(name, None, reason)


def _set(name: str, role: AccountRole | None, reason: str) -> None:
    from ctc_core.store import Store

    with Store.open(Session.settings.data_dir) as store:
        reader = Session.settings.reader
        store.set_account(name, role, reader=reader, session="command line", reason=reason, local=True)
        show({"name": name.strip().lower(), "role": store.role_of(name)})
