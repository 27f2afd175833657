"""From what a client sent to what the journal may keep."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ctc_core.errors import DecisionRefused, StoreError
from ctc_core.store import changes
from ctc_core.store.changes import Earlier
from ctc_core.store.journal import EVER, Draft, canonical
from ctc_core.store.projection import DECISIONS
from ctc_core.types import Decision

if TYPE_CHECKING:
    import duckdb


CELL_KINDS, EVENT_KINDS = ("label", "adjudicate"), ("review", "adjudicate-event")
"""Kinds of journal entries about a cell and about an event: a reader's own word, and an adjudicator's."""


def drafts(
    cur: duckdb.DuckDBPyConnection,
    decisions: Sequence[Decision],
    *,
    settle: bool = False,
    lost: Collection[str] = (),
) -> list[Draft]:
    """One draft for each decision that is not saved yet, with the label of the same reader that it replaces.

    Args:
        cur: where the decisions of before are.
        decisions: what was sent.
        settle: the decisions are adjudications; each replaces whatever adjudication stands.
        lost: cartridges that were imported and whose bundle is missing.

    Raises:
        DecisionRefused: a decision about nothing, about both, or about an unknown cell or event; an id used for another
            one; an adjudication without a reason, or where readers do not disagree; a decision that would replace
            another one that its maker was not shown, or change it without a reason (`changes.explained`).
        StoreError: the cartridge is not in the store at present; once it is restored the decision can be saved.
    """
    sent: dict[str, Draft] = {}
    for decision in decisions:
        draft = _draft(decision, settle=settle)
        if sent.setdefault(draft.id, draft) != draft:
            raise _used_twice(draft.id)
    _refuse_unknown(cur, sent.values(), lost)
    saved = _saved(cur, list(sent))
    for draft in sent.values():
        if saved.get(draft.id, _content(draft)) != _content(draft):
            raise _used_twice(draft.id)
    new = _with_old(cur, [draft for draft in sent.values() if draft.id not in saved])
    by_id = {decision.id: decision for decision in decisions}
    _refuse_unseen([draft for draft, _ in new], {id_: decision.seen for id_, decision in by_id.items()})
    if settle:
        _refuse_idle(cur, [draft for draft, _ in new])
        by_id = {id_: replace(decision, why=decision.reason) for id_, decision in by_id.items()}
    return changes.explained(cur, new, by_id)


def read_back(cur: duckdb.DuckDBPyConnection, sent: Sequence[Decision], *, settle: bool = False) -> tuple[str, ...]:
    """Ids of those decisions that are in the store, in their order."""
    found: set[str] = set()
    for kind, group in _by_kind(_draft(decision, settle=settle) for decision in sent).items():
        condition, ids = _among("id", [draft.id for draft in group])
        rows = cur.execute(f"SELECT id FROM {DECISIONS[kind][0]} WHERE {condition}", ids).fetchall()
        found |= {id_ for (id_,) in rows}
    return tuple(id_ for id_ in dict.fromkeys(decision.id for decision in sent) if id_ in found)


def _by_kind(drafts: Iterable[Draft]) -> dict[str, list[Draft]]:
    groups: dict[str, list[Draft]] = {}
    for draft in drafts:
        groups.setdefault(draft.kind, []).append(draft)
    return groups


_FEW = 200
"""Up to so many values DuckDB is asked for each; it looks them up in an index, and scans the table for a subquery."""


def _among(column: str, values: Sequence[str]) -> tuple[str, list[object]]:
    """Condition, and its parameters."""
    if len(values) <= _FEW:
        return f"{column} IN ({', '.join('?' * len(values))})", list(values)
    return f"{column} IN (SELECT unnest(?::VARCHAR[]))", [list(values)]


def _draft(decision: Decision, *, settle: bool) -> Draft:
    targets = [target for target in (decision.cell_id, decision.event_rid) if target is not None]
    if len(targets) != 1 or not decision.id or not decision.reader:
        message = (
            f"Decision {decision.id!r}: needs an id, a reader, and either a cell or an event."
            " Nothing was saved; load the page again."
        )
        raise DecisionRefused(message)
    return Draft(
        id=decision.id,
        kind=(CELL_KINDS if decision.cell_id is not None else EVENT_KINDS)[settle],
        reader=decision.reader,
        session=decision.session,
        subject=f"{decision.cartridge_id}/{targets[0]}",
        new=decision.label.value if decision.label is not None else None,
        reason=decision.reason,
    )


def _content(draft: Draft) -> tuple[str, str, str, str]:
    return draft.kind, draft.subject, canonical(draft.new), draft.reader


def _used_twice(decision_id: str) -> DecisionRefused:
    return DecisionRefused(
        f"Decision {decision_id!r}: this id was already used for another decision. Nothing was saved; decide again."
    )


def _saved(cur: duckdb.DuckDBPyConnection, ids: list[str]) -> dict[str, tuple[str, str, str, str]]:
    rows = cur.execute(
        "SELECT id, kind, subject, new, reader FROM journal_entry WHERE id IN (SELECT unnest(?::VARCHAR[]))", [ids]
    ).fetchall()
    return {row[0]: (row[1], row[2], row[3], row[4]) for row in rows}


def _refuse_unknown(cur: duckdb.DuckDBPyConnection, sent: Iterable[Draft], lost: Collection[str]) -> None:
    for kind, group in _by_kind(sent).items():
        what, key = ("cell", "cell_id") if kind in CELL_KINDS else ("event", "rid")
        subjects = {draft.subject for draft in group}
        condition, targets = _among(key, [_target(subject) for subject in subjects])
        known = cur.execute(f"SELECT cartridge_id || '/' || {key} FROM {what} WHERE {condition}", targets)
        if unknown := sorted(subjects - {subject for (subject,) in known.fetchall()}):
            if unknown[0].split("/", maxsplit=1)[0] in lost:
                message = (
                    f"{unknown[0]}: its cartridge is not in the store at present. Restore its bundle from a backup."
                )
                raise StoreError(message)
            message = f"{unknown[0]}: no such {what} in the store. Nothing was saved; load the page again."
            raise DecisionRefused(message)


def _with_old(cur: duckdb.DuckDBPyConnection, new: Sequence[Draft]) -> list[tuple[Draft, Earlier | None]]:
    """Each draft with the label that it replaces, and what is known of that: of the same reader, or the adjudication
    before."""
    said: dict[tuple[str, str, str], Earlier] = {}
    for kind, group in _by_kind(new).items():
        table, key = DECISIONS[kind]
        condition, targets = _among(key, [_target(draft.subject) for draft in group])
        rows = cur.execute(
            f"SELECT cartridge_id || '/' || {key}, reader, label, session, time, seq FROM {table}"
            f" WHERE {condition} ORDER BY seq",
            targets,
        ).fetchall()
        for subject, reader, *rest in rows:
            _say(said, _whose(kind, subject, reader), Earlier(*rest))
    now, result = datetime.now(UTC).replace(tzinfo=None), []
    for draft in new:
        whose = _whose(draft.kind, draft.subject, draft.reader)
        earlier = said.get(whose)
        result.append((replace(draft, old=earlier.label if earlier else None), earlier))
        _say(said, whose, Earlier(draft.new, draft.session, now))
    return result


def _say(said: dict[tuple[str, str, str], Earlier], whose: tuple[str, str, str], word: Earlier) -> None:
    """Saying the same again, with another comment, does not make a decision younger."""
    if whose not in said or said[whose].label != word.label:
        said[whose] = word


def _refuse_unseen(new: Sequence[Draft], seen: Mapping[str, str | None]) -> None:
    """Raise where a decision would replace another one that whoever made it was not shown: made in another tab."""
    for draft in new:
        if seen[draft.id] not in (None, draft.old or ""):
            message = (
                f"{draft.subject}: {draft.reader} has said {draft.old or 'undecided'} of it elsewhere, in another tab"
                " or earlier, and this page did not show it. Nothing was overwritten; look again and decide."
            )
            raise DecisionRefused(message)


def _whose(kind: str, subject: str, reader: str) -> tuple[str, str, str]:
    """Readings are each reader's own; there is one adjudication, whoever made it."""
    return kind, subject, reader if kind in ("label", "review") else ""


def _refuse_idle(cur: duckdb.DuckDBPyConnection, adjudications: Sequence[Draft]) -> None:
    """Raise for an adjudication without a reason, or of what nobody disagrees about."""
    rows = cur.execute(f"SELECT cartridge_id || '/' || target FROM consensus_until({EVER}) WHERE conflict").fetchall()
    disputed = {subject for (subject,) in rows}
    for draft in adjudications:
        if not draft.reason.strip():
            message = f"{draft.subject}: an adjudication needs a reason. Nothing was saved; give one."
            raise DecisionRefused(message)
        if draft.subject not in disputed and draft.old is None:
            message = f"{draft.subject}: its readers do not disagree. Nothing was saved; load the page again."
            raise DecisionRefused(message)


def _target(subject: str) -> str:
    return subject.split("/", maxsplit=1)[1]
