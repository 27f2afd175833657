"""Releasing a reviewed patient's decisions to training, so that the next similar draw is read faster."""

from __future__ import annotations

from dataclasses import dataclass

from ctc_core.errors import UserError
from ctc_core.rounds.noise import reject_new
from ctc_core.store import Store
from ctc_core.types import Role


@dataclass(frozen=True)
class Standing:
    """Whether a patient's decisions may be released."""

    pseudonym: str
    role: Role
    cartridges: tuple[str, ...]
    unsigned: tuple[str, ...]
    """Cartridges without a signed report."""
    decided: int
    """Cells and events with a decision."""

    @property
    def why_not(self) -> str:
        """Why it is not allowed and what to do, as a sentence; empty where it is."""
        if self.role is Role.TEST:
            return f"{self.pseudonym} is a test patient. Test patients never train: figures on them would mean nothing."
        if self.role is Role.TRAIN:
            return f"{self.pseudonym} is a training patient already."
        if self.role is not Role.REVIEW:
            return f"{self.pseudonym} has the role {self.role.value}. Only reviewed patients can be released."
        if self.unsigned:
            return f"{', '.join(self.unsigned)}: no signed report. Sign one on the Report page first."
        return ""


def standing(store: Store, pseudonym: str) -> Standing:
    """How a patient stands.

    Raises:
        UserError: the patient has no cartridge in the store.
    """
    cartridges = store.cartridges()
    own = cartridges[cartridges.pseudonym == pseudonym]
    if own.empty:
        message = f"{pseudonym}: no cartridge of this patient in the store. Ingest one first."
        raise UserError(message)
    ids = tuple(str(id_) for id_ in own.cartridge_id)
    unsigned = tuple(id_ for id_ in ids if not store.reports(id_))
    return Standing(pseudonym, Role(own.role.iloc[0]), ids, unsigned, int(own.decided.sum()))


def release(store: Store, pseudonym: str, *, reader: str, session: str, reason: str) -> Standing:
    """Let a signed-off patient's decisions train from now on; the journal keeps who, when and why. Not to be undone.

    Returns:
        How the patient stands then.

    Raises:
        UserError: not a reviewed patient, a cartridge without a signed report, or no reason; nothing is changed.
    """
    with store.frozen():
        if why_not := standing(store, pseudonym).why_not:
            raise UserError(why_not)
        if not reason.strip():
            message = f"{pseudonym}: releasing decisions to training needs a reason. Give one."
            raise UserError(message)
        store.set_role(pseudonym, Role.TRAIN, reader, session, reason.strip())
    now = standing(store, pseudonym)
    for cartridge_id in now.cartridges:  # its unread cells may be asked for in rounds, so the noise filter sees them
        reject_new(store, cartridge_id)
    return now
