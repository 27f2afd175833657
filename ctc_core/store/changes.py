"""Why a reader's own decision is changed: no change is kept without its reason.

What was decided a moment ago in the same sitting is corrected at once, and the words are made here, with the seconds
between. Everything else, and whatever stands in a signed report, needs a person's own words (`Decision.why`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from ctc_core.errors import DecisionRefused
from ctc_core.store.journal import Draft
from ctc_core.types import Decision

if TYPE_CHECKING:
    import duckdb

SITTING = timedelta(minutes=10)
"""So long after a decision the same page, or the same session, corrects it without being asked why."""


@dataclass(frozen=True)
class Earlier:
    """The decision that a new one replaces."""

    label: str | None
    session: str
    time: datetime
    """UTC, without a zone."""
    seq: int | None = None
    """Its entry in the journal; None: it comes in the same batch."""


def explained(
    cur: duckdb.DuckDBPyConnection,
    new: Sequence[tuple[Draft, Earlier | None]],
    sent: Mapping[str, Decision],
    now: datetime | None = None,
) -> list[Draft]:
    """The drafts, each that changes something with its reason.

    Args:
        cur: where signed reports are looked up.
        new: drafts of readers with what each replaces.
        sent: the decisions, by id.
        now: UTC, without a zone; None: the time it is.

    Raises:
        DecisionRefused: a change without a reason that needs one.
    """
    changed = [draft for draft, earlier in new if earlier and earlier.label not in (None, draft.new)]
    if not changed:
        return [draft for draft, _ in new]
    signed, now = _last_signed(cur), now or datetime.now(UTC).replace(tzinfo=None)
    ids = {draft.id for draft in changed}
    return [
        replace(draft, why=_why(draft, earlier, sent[draft.id], signed, now)) if earlier and draft.id in ids else draft
        for draft, earlier in new
    ]


def _why(draft: Draft, earlier: Earlier, sent: Decision, signed: Mapping[str, int], now: datetime) -> str:
    if sent.why.strip():
        return sent.why.strip()
    in_report = earlier.seq is not None and earlier.seq < signed.get(sent.cartridge_id, 0)
    words = "" if in_report else _corrected(draft, earlier, sent.after_s, now)
    if not words:
        since = "it stands in a signed report" if in_report else f"that was on {earlier.time:%Y-%m-%d at %H:%M} UTC"
        message = (
            f"{draft.subject}: {draft.reader} has said {earlier.label} of it, and {since}. Changing it needs a reason."
            " Nothing was saved; decide again and say why."
        )
        raise DecisionRefused(message)
    return words


def _corrected(draft: Draft, earlier: Earlier, after_s: float | None, now: datetime) -> str:
    """What is noted of a correction at once; empty where it is none."""
    done = "taken back" if draft.new is None else "corrected"
    between, longest = (now - earlier.time).total_seconds(), SITTING.total_seconds()
    by_page = after_s is not None and 0 <= after_s <= longest
    if draft.session and draft.session == earlier.session and between <= longest and not (by_page and not earlier.seq):
        return f"{done} in the same session after {max(0.0, between):.0f} s"
    if by_page:  # both waited in the browser while the server was away
        return f"{done} on the same page after {after_s:.0f} s, as the browser says"
    return ""


def unasked(draft: Draft, earlier: tuple[Any, str, datetime] | None, now: datetime) -> Draft:
    """The draft of a word that counts nothing: what it changes is noted, and nobody is asked why.

    Args:
        draft: without what it replaces.
        earlier: what the same reader said before, in which session, and when (UTC, without a zone).
        now: UTC, without a zone.
    """
    if earlier is None:
        return draft
    old, session, said = earlier
    if old in (None, [], draft.new) or draft.why:
        return replace(draft, old=old)
    words = _corrected(draft, Earlier(None, session, said, seq=1), None, now)
    later = f"in place of what was said on {said:%Y-%m-%d at %H:%M} UTC; it counts nothing, so nobody was asked why"
    return replace(draft, old=old, why=words or later)


def _last_signed(cur: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Number of the entry of the last signed report, by cartridge."""
    rows = cur.execute("SELECT subject, max(seq) FROM journal_entry WHERE kind = 'report' GROUP BY subject").fetchall()
    return dict(rows)
