"""From what a client sent to what the journal may keep."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ctc_core.errors import StoreError
from ctc_core.store.journal import Draft, canonical
from ctc_core.types import Decision

if TYPE_CHECKING:
    import duckdb


def drafts(cur: duckdb.DuckDBPyConnection, decisions: Sequence[Decision]) -> list[Draft]:
    """One draft for each decision that is not saved yet, with the label it replaces.

    Raises:
        StoreError: a decision about nothing, about both, or about an unknown cell or event; an id used for another one.
    """
    sent: dict[str, Draft] = {}
    for decision in decisions:
        draft = _draft(decision)
        if sent.setdefault(draft.id, draft) != draft:
            raise _used_twice(draft.id)
    _refuse_unknown(cur, sent.values())
    saved = _saved(cur, list(sent))
    for draft in sent.values():
        if saved.get(draft.id, _content(draft)) != _content(draft):
            raise _used_twice(draft.id)
    return _with_old(cur, [draft for draft in sent.values() if draft.id not in saved])


def read_back(cur: duckdb.DuckDBPyConnection, ids: Sequence[str]) -> tuple[str, ...]:
    """Those of `ids` whose decision is in the store, in their order."""
    rows = cur.execute(
        """
        SELECT id FROM label_event WHERE id IN (SELECT unnest($ids::VARCHAR[]))
        UNION ALL SELECT id FROM review_event WHERE id IN (SELECT unnest($ids::VARCHAR[]))
        """,
        {"ids": list(ids)},
    ).fetchall()
    found = {id_ for (id_,) in rows}
    return tuple(id_ for id_ in dict.fromkeys(ids) if id_ in found)


def _draft(decision: Decision) -> Draft:
    targets = [target for target in (decision.cell_id, decision.event_rid) if target is not None]
    if len(targets) != 1 or not decision.id or not decision.reader:
        message = (
            f"Decision {decision.id!r}: needs an id, a reader, and either a cell or an event."
            " Nothing was saved; load the page again."
        )
        raise StoreError(message)
    return Draft(
        id=decision.id,
        kind="label" if decision.cell_id is not None else "review",
        reader=decision.reader,
        session=decision.session,
        subject=f"{decision.cartridge_id}/{targets[0]}",
        new=decision.label.value if decision.label is not None else None,
        reason=decision.reason,
    )


def _content(draft: Draft) -> tuple[str, str, str, str]:
    return draft.kind, draft.subject, canonical(draft.new), draft.reader


def _used_twice(decision_id: str) -> StoreError:
    return StoreError(
        f"Decision {decision_id!r}: this id was already used for another decision. Nothing was saved; decide again."
    )


def _saved(cur: duckdb.DuckDBPyConnection, ids: list[str]) -> dict[str, tuple[str, str, str, str]]:
    rows = cur.execute(
        "SELECT id, kind, subject, new, reader FROM journal_entry WHERE id IN (SELECT unnest(?::VARCHAR[]))", [ids]
    ).fetchall()
    return {row[0]: (row[1], row[2], row[3], row[4]) for row in rows}


def _refuse_unknown(cur: duckdb.DuckDBPyConnection, sent: Iterable[Draft]) -> None:
    subjects = {(draft.kind, draft.subject) for draft in sent}
    known = cur.execute(
        """
        SELECT 'label', cartridge_id || '/' || cell_id FROM cell WHERE cell_id IN (SELECT unnest($targets::VARCHAR[]))
        UNION ALL
        SELECT 'review', cartridge_id || '/' || rid FROM event WHERE rid IN (SELECT unnest($targets::VARCHAR[]))
        """,
        {"targets": [subject.split("/", maxsplit=1)[1] for _, subject in subjects]},
    ).fetchall()
    if unknown := sorted(subjects - set(known)):
        kind, subject = unknown[0]
        what = "cell" if kind == "label" else "event"
        message = f"{subject}: no such {what} in the store. Nothing was saved; load the page again."
        raise StoreError(message)


def _with_old(cur: duckdb.DuckDBPyConnection, new: Sequence[Draft]) -> list[Draft]:
    rows = cur.execute(
        """
        SELECT 'label', cartridge_id || '/' || cell_id, label FROM current_label
        WHERE cell_id IN (SELECT unnest($targets::VARCHAR[]))
        UNION ALL
        SELECT 'review', cartridge_id || '/' || rid, label FROM current_review
        WHERE rid IN (SELECT unnest($targets::VARCHAR[]))
        """,
        {"targets": [draft.subject.split("/", maxsplit=1)[1] for draft in new]},
    ).fetchall()
    labels = {(kind, subject): label for kind, subject, label in rows}
    result = []
    for draft in new:
        result.append(replace(draft, old=labels.get((draft.kind, draft.subject))))
        labels[draft.kind, draft.subject] = draft.new
    return result
