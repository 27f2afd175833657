"""Who may do what on a desk that several people share: three roles, each with the rights of those before it."""

from __future__ import annotations

import re
from enum import StrEnum

ACCOUNT = re.compile(r"[a-z0-9._%+'-]{1,64}@[a-z0-9.-]{1,190}")
"""An e-mail address in small letters, as the identity provider names a person."""


class AccountRole(StrEnum):
    """What a person may do."""

    READER = "reader"
    """Reads cells, starts ingests and rounds."""
    EXPERT = "expert"
    """Settles disagreements, releases patients to training, signs reports."""
    ADMIN = "admin"
    """Says who has which role."""

    def covers(self, needed: AccountRole) -> bool:
        """Whether this role has the rights of another one."""
        order = list(AccountRole)
        return order.index(self) >= order.index(needed)


KIND = "account"
"""Kind of the journal's entries about accounts."""

NEEDED = {
    "adjudicate": AccountRole.EXPERT,
    "adjudicate-event": AccountRole.EXPERT,
    "give-back": AccountRole.EXPERT,
    "role": AccountRole.EXPERT,
    "report": AccountRole.EXPERT,
    "calibration-set": AccountRole.EXPERT,
    KIND: AccountRole.ADMIN,
}
"""Role that an entry of the journal needs, by its kind; any other kind needs a reader."""

CONSEQUENCES = ("model", "activate", "run")
"""Kinds that the desk itself writes, under the name that it was started with."""


def normal(name: str) -> str:
    """An account's name in the form that it is kept in."""
    return name.strip().lower()


def refusal(kind: str, role: str) -> str | None:
    """Why a person with this role ("" for none) may not write an entry of this kind; None if allowed."""
    needed = NEEDED.get(kind, AccountRole.READER)
    if role and AccountRole(role).covers(needed):
        return None
    return f"this needs the role '{needed}', and yours is '{role or 'none'}'"
