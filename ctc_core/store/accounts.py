"""Accounts: who may use a shared desk, and in which role. Kept in the journal alone, like tags."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pandas as pd

from ctc_core.accounts import ACCOUNT, CONSEQUENCES, KIND, AccountRole, normal, refusal
from ctc_core.errors import NotAllowed, UserError
from ctc_core.store.journal import Draft
from ctc_core.store.registry import Registry, draft

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

    from ctc_core.store.database import Database
    from ctc_core.store.journal import Entry

EXPIRED = "Your log-in has expired, so nothing was saved. Log in again; what you decided waits in your browser."
SINGLE_USER = "single-user"
"""Role of whoever has no account in single-user mode, where everybody at this machine may do everything."""


@dataclass(frozen=True)
class Person:
    """Who is at the browser that this thread answers."""

    name: str
    expires: float | None = None
    """When the log-in ends, seconds since the epoch."""

    @property
    def is_expired(self) -> bool:
        return self.expires is not None and self.expires <= time.time()


class Accounts(Registry):
    """The part of the store that knows accounts and holds every save to them."""

    present: Callable[[], Person | None] = staticmethod(lambda: None)
    """Who is at the browser that the calling thread answers; None in any other thread."""
    service: str | None = None
    """Set where accounts are required: the name under which the desk itself writes."""

    def __init__(self, folder: Path, database: Database) -> None:
        super().__init__(folder, database)
        self._blind: dict[str, tuple[int, bool]] = {}
        """By viewer: whether anything is blind to that person, and the basis of which that is known."""

    def accounts(self) -> pd.DataFrame:
        """name, role (empty: access withdrawn), since (UTC), by, reason: the last word on each account, by name."""
        table = self._rows(
            """
            SELECT subject AS name, coalesce(arg_max(new, seq), 'null') AS role, max(time) AS since,
                arg_max(reader, seq) AS by, arg_max(reason, seq) AS reason
            FROM journal_entry WHERE kind = ? GROUP BY subject ORDER BY subject
            """,
            KIND,
        )
        return table.assign(role=[json.loads(text) or "" for text in table.role])

    def role_of(self, name: str) -> str:
        """Role of a person; empty where there is no such account, or its access was withdrawn."""
        with self._database.read() as cur:
            (found,) = cur.execute(
                "SELECT arg_max(new, seq) FROM journal_entry WHERE kind = ? AND subject = ?", [KIND, normal(name)]
            ).fetchall()
        return json.loads(found[0]) or "" if found[0] is not None else ""

    def set_account(
        self, name: str, role: AccountRole | None, *, reader: str, session: str, reason: str, local: bool = False
    ) -> None:
        """Give a person a role, or withdraw the access (None). The same again is harmless.

        Args:
            name: e-mail address.
            role: None withdraws.
            reader: who does it: an administrator.
            session: as in the journal.
            reason: why; kept.
            local: done at the machine itself (command line), where no log-in can be asked for.

        Raises:
            UserError: not an address, no reason, or the last administrator would be gone.
            NotAllowed: `reader` is no administrator.
        """
        name = normal(name)
        if not ACCOUNT.fullmatch(name):
            message = f"{name[:80]!a}: not an e-mail address. Give the one that the log-in shows."
            raise UserError(message)
        if not reason.strip():
            message = f"{name}: a change of an account needs a reason. Nothing was saved; give one."
            raise UserError(message)
        with self._exclusive():
            old = self.role_of(name)
            if old == (role or ""):
                return
            if not local and self.role_of(reader) != AccountRole.ADMIN:
                message = f"{reader}: only an administrator changes accounts. Ask one."
                raise NotAllowed(message)
            if old == AccountRole.ADMIN and self._admins() == [name]:
                message = f"{name}: the last administrator stays one. Name another administrator first."
                raise UserError(message)
            new = role.value if role else None
            entry = draft(KIND, name, reader, session, old=old or None, new=new, reason=reason.strip())
            self._record(replace(entry, role=AccountRole.ADMIN.value) if local else entry)

    def _admins(self) -> list[str]:
        accounts = self.accounts()
        return accounts.name[accounts.role == AccountRole.ADMIN].tolist()

    def answer(self, present: Callable[[], Person | None]) -> None:
        """Ask `present` who is at the browser from now on: what is blind to that person is not read for them."""
        self.present = present  # type: ignore[method-assign]
        self._database.viewer = lambda: person.name if (person := present()) else None

    def blind_to(self) -> str:
        """Who reads now, where a second reading hides from that person what others say; else empty."""
        viewer, basis = self._database.viewer(), self._database.basis
        if not viewer:
            return ""
        known = self._blind.get(viewer)
        if known is None or known[0] != basis:  # rounds begin and end, and no decision changes that
            with self._database.read() as cur:
                blind = bool(cur.execute("SELECT 1 FROM blinded LIMIT 1").fetchall())
            known = self._blind[viewer] = basis, blind
        return viewer if known[1] else ""

    def state(self) -> str:
        """Equal as long as nothing was written, and for all who may be told the same: key of what is kept of labels."""
        return f"{self._folder} {self._database.revision} {self.blind_to()}"

    def permitted(self, drafts: Sequence[Draft]) -> list[Draft]:
        """The drafts with the role of who made each.

        Raises:
            NotAllowed: where accounts are required: the log-in has expired, the draft is another person's, or the role
                does not reach.
        """
        person = self.present() if self.service is not None else None
        if person is not None and person.is_expired:
            raise NotAllowed(EXPIRED)
        otherwise = "" if self.service is not None else SINGLE_USER
        roles = {name: self.role_of(name) or otherwise for name in {one.reader for one in drafts}}
        with_roles = [replace(one, role=one.role or roles[one.reader]) for one in drafts]
        if self.service is not None:
            for one in with_roles:
                self._refuse(one, person)
        return with_roles

    def _refuse(self, one: Draft, person: Person | None) -> None:
        if one.reader == self.service and one.kind in CONSEQUENCES:
            return
        reason = refusal(one.kind, one.role)
        if person is not None and normal(one.reader) != normal(person.name):
            reason = f"you are logged in as {person.name}"
        if reason:
            message = f"{one.reader}: {reason}. Nothing was saved; ask an administrator."
            raise NotAllowed(message)


def project_account(_cur: duckdb.DuckDBPyConnection, _entry: Entry) -> None:
    """Nothing more to note: accounts are read from journal_entry."""
