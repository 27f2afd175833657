"""Calibration sets: fixed cells whose label is settled, which every reader reads blind, to know how well they agree.

Kept in the journal alone, in entries of kinds of their own. An answer may be changed until its reader has ended the set
and sees the result; the entry notes what it replaces and after how long (`changes.unasked`). What a reader says of a
calibration cell is no label: no query for labels, consensus, training or counts can see it.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pandas as pd

from ctc_core.errors import DecisionRefused, StoreError
from ctc_core.store.changes import unasked
from ctc_core.store.journal import Draft
from ctc_core.store.registry import Registry, draft
from ctc_core.types import Decision

if TYPE_CHECKING:
    import duckdb

    from ctc_core.store.journal import Entry

SET, ANSWER, END = "calibration-set", "calibration", "calibration-end"
"""Kinds of the journal's entries: a set, one reader's answer (`<set>/<cell>`), and that a reader is done with a set."""

_ANSWERS = """
SELECT subject[34:] AS cell_id, reader, new ->> '$' AS label, id, reason, seq, session, time FROM journal_entry
WHERE kind = 'calibration' AND starts_with(subject, $set || '/')
QUALIFY row_number() OVER (PARTITION BY subject, reader ORDER BY seq DESC) = 1
"""
"""The last answer of each reader on each cell; the id of a set has 32 characters."""


@dataclass(frozen=True, eq=False)
class CalibrationSet:
    """Cells with the label that readers had settled when the set was made. It never changes."""

    set_id: str
    number: int
    """1, 2, 3 ... in the order made."""
    cells: pd.DataFrame
    """cell_id, label (of the consensus), hard (for the classifier); in the order of reading."""
    reader: str
    """Who made it."""
    made: datetime
    """UTC, without a zone."""


class CalibrationSets(Registry):
    """The part of the store that keeps calibration sets and what readers answered."""

    def settled_cells(self) -> pd.DataFrame:
        """Labelled cells of training patients that a calibration set may hold, ordered by cell_id.

        cell_id, label (ctc, non-ctc or artifact: adjudicated, or all who are sure agree), readers (how many are sure),
        probability (P(CTC) by the classifier in use; NaN: not scored). Without cells that somebody reads in a round.
        """
        return self._rows(
            """
            SELECT cell_id, label, readers, scored.probability FROM training_label
            JOIN (
                SELECT cell_id, count(*) AS readers FROM reader_label WHERE label <> 'unsure' GROUP BY cell_id
            ) USING (cell_id)
            JOIN cell USING (cell_id) JOIN cartridge ON cartridge.cartridge_id = cell.cartridge_id
            JOIN patient USING (pseudonym)
            LEFT JOIN (
                SELECT cell_id, probability FROM prediction JOIN model USING (model_id)
                WHERE kind = 'classifier' AND active
            ) AS scored USING (cell_id)
            ANTI JOIN queued USING (cell_id) WHERE role = 'train' ORDER BY cell_id
            """
        )

    def add_calibration_set(self, cells: pd.DataFrame, *, reader: str, session: str, reason: str = "") -> str:
        """Keep cells (cell_id, label, hard; in the order of reading) as a set for all readers; returns its id.

        Raises:
            StoreError: no cell, one twice, or one that may not be asked for; nothing is kept.
        """
        known = cells.cell_id.isin(self.settled_cells().cell_id)
        if cells.empty or cells.cell_id.duplicated().any() or not known.all():
            message = "A calibration set needs settled cells of training patients, none twice. Choose the cells again."
            raise StoreError(message)
        set_id = uuid.uuid4().hex
        with self._exclusive():
            items = {name: cells[name].tolist() for name in ("cell_id", "label", "hard")}
            new = {"number": len(self.calibration_sets()) + 1, **items}
            self._record(draft(SET, set_id, reader, session, new=new, reason=reason))
        return set_id

    def calibration_sets(self) -> tuple[CalibrationSet, ...]:
        """All sets, oldest first."""
        sql, found = "SELECT subject, new, reader, time FROM journal_entry WHERE kind = ? ORDER BY seq", []
        for set_id, text, reader, time in self._rows(sql, SET).itertuples(index=False):
            new = json.loads(text)
            cells = pd.DataFrame({name: new[name] for name in ("cell_id", "label", "hard")})
            found.append(CalibrationSet(set_id, new["number"], cells, reader, time.to_pydatetime()))
        return tuple(found)

    def calibration_queue(self, set_id: str, reader: str) -> pd.DataFrame:
        """The cells of a set in order, with what this reader answered; nothing of what anybody else says.

        cell_id, cartridge_id, frame, y, x, diameter_um, dapi_mean, ck_mean, cd45_mean, crop_index, label and comment
        (missing: not read yet).
        """
        return self._rows(
            f"""
            SELECT cell_id, cartridge_id, frame, y, x, diameter_um, dapi_mean, ck_mean, cd45_mean, crop_index,
                own.label, own.reason AS comment
            FROM (
                SELECT unnest(cells) AS cell_id, generate_subscripts(cells, 1) AS position FROM (
                    SELECT (new -> '$.cell_id')::VARCHAR[] AS cells FROM journal_entry
                    WHERE kind = 'calibration-set' AND subject = $set
                )
            ) JOIN cell USING (cell_id)
            LEFT JOIN (SELECT * FROM ({_ANSWERS}) WHERE reader = $reader AND label IS NOT NULL) AS own USING (cell_id)
            ORDER BY position
            """,
            set=set_id,
            reader=reader,
        )

    def calibration_answers(self, set_id: str) -> pd.DataFrame:
        """cell_id, reader, label, known: the last answers of all who are done with a set, in the order given.

        `known`: the same person had labelled the cell, or settled it, before.
        """
        return self._rows(
            f"""
            SELECT cell_id, reader, label, coalesce(first < seq, false) AS known FROM ({_ANSWERS})
            SEMI JOIN (SELECT reader FROM journal_entry WHERE kind = 'calibration-end' AND subject = $set)
                USING (reader)
            LEFT JOIN (
                SELECT target AS cell_id, reader, min(seq) AS first
                FROM (FROM reading UNION ALL BY NAME FROM judgement) WHERE what = 'label' GROUP BY ALL
            ) USING (cell_id, reader)
            WHERE label IS NOT NULL ORDER BY seq
            """,
            set=set_id,
        )

    def has_ended_calibration(self, set_id: str, reader: str) -> bool:
        """Whether this person is done with a set."""
        return not self._rows(
            "SELECT 1 FROM journal_entry WHERE kind = ? AND subject = ? AND reader = ?", END, set_id, reader
        ).empty

    def calibrate(self, set_id: str, sent: Sequence[Decision]) -> tuple[str, ...]:
        """Save answers, all or none, and return the ids that were read back. Sending one again saves it once.

        Raises:
            DecisionRefused: a cell that is not in the set, a reader who is done with it, an id that was used for
                something else, or an answer given elsewhere that the page did not show; nothing is saved.
        """
        with self._exclusive():
            members = self._members(set_id)
            with self._database.read() as cur:
                saved = _saved(cur, [one.id for one in sent])
            new = [one for one in dict.fromkeys(sent) if not _is_saved(one, set_id, saved)]
            drafts, now = [], datetime.now(UTC).replace(tzinfo=None)
            before = {reader: self._own(set_id, reader) for reader in {one.reader for one in new}}
            for one in new:
                _refuse(one, members, before[one.reader], ended=self.has_ended_calibration(set_id, one.reader))
                earlier = before[one.reader].get(str(one.cell_id))
                drafts.append(unasked(_draft(one, set_id, earlier), earlier, now))
                before[one.reader][str(one.cell_id)] = drafts[-1].new, one.session, now
            if drafts:
                self._record(*drafts)
            with self._database.read() as cur:
                found = _saved(cur, [one.id for one in sent])
        return tuple(id_ for id_ in dict.fromkeys(one.id for one in sent) if id_ in found)

    def end_calibration(self, set_id: str, *, reader: str, session: str) -> None:
        """Note that a reader is done with a set: from now on the answers stand. A second time does nothing.

        Raises:
            StoreError: cells are not read yet.
        """
        with self._exclusive():
            if self.has_ended_calibration(set_id, reader):
                return
            queue = self.calibration_queue(set_id, reader)
            left = int(queue.label.isna().sum())
            if left or queue.empty:
                message = f"{left} of {len(queue)} cells of this calibration set are not read yet. Read them first."
                raise StoreError(message)
            self._record(draft(END, set_id, reader, session, new={"answers": len(queue)}))

    def _members(self, set_id: str) -> set[str]:
        found = next((one for one in self.calibration_sets() if one.set_id == set_id), None)
        if found is None:
            message = f"{set_id}: no such calibration set in the store. Nothing was saved; load the page again."
            raise DecisionRefused(message)
        return set(found.cells.cell_id)

    def _own(self, set_id: str, reader: str) -> dict[str, _Said]:
        sql = f"SELECT cell_id, label, session, time FROM ({_ANSWERS}) WHERE reader = $reader"
        with self._database.read() as cur:
            rows = cur.execute(sql, {"set": set_id, "reader": reader}).fetchall()
        return {cell_id: tuple(rest) for cell_id, *rest in rows}


def project_calibration(_cur: duckdb.DuckDBPyConnection, _entry: Entry) -> None:
    """Nothing more to note: calibration sets and answers are read from journal_entry."""


def _draft(one: Decision, set_id: str, earlier: _Said | None) -> Draft:
    new, why = one.label.value if one.label is not None else None, one.why if earlier and earlier[0] else ""
    return Draft(one.id, ANSWER, one.reader, one.session, f"{set_id}/{one.cell_id}", new, reason=one.reason, why=why)


def _saved(cur: duckdb.DuckDBPyConnection, ids: Sequence[str]) -> dict[str, tuple[str, str, str, str | None]]:
    sql = "SELECT id, kind, subject, reader, new FROM journal_entry WHERE id IN (SELECT unnest(?::VARCHAR[]))"
    rows = cur.execute(sql, [list(ids)]).fetchall()
    return {id_: (kind, subject, reader, json.loads(new)) for id_, kind, subject, reader, new in rows}


def _is_saved(one: Decision, set_id: str, saved: dict[str, tuple[str, str, str, str | None]]) -> bool:
    if one.id not in saved:
        return False
    meant = _draft(one, set_id, None)
    if saved[one.id] != (ANSWER, meant.subject, meant.reader, meant.new):
        message = f"{one.cell_id}: the id {one.id!r} was already used. Nothing was saved; decide again."
        raise DecisionRefused(message)
    return True


_Said = tuple[str | None, str, datetime]
"""A label, or None where it was taken back, and in which session and when (UTC, without a zone)."""


def _refuse(one: Decision, members: set[str], before: dict[str, _Said], *, ended: bool) -> None:
    old = before.get(str(one.cell_id), (None,))[0]
    if one.cell_id not in members:
        why = "it is not in this calibration set"
    elif ended:
        why = f"{one.reader} has seen the result of this calibration set, and answers stand from then on"
    elif one.seen not in (None, old or ""):
        why = f"{one.reader} has said {old or 'undecided'} of it elsewhere, and this page did not show it"
    else:
        return
    message = f"{one.cell_id or one.event_rid}: {why}. Nothing was saved; load the page again."
    raise DecisionRefused(message)
