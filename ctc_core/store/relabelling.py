"""Rounds of relabelling: which cells one expert is asked about, why, and what came of it."""

from __future__ import annotations

import json
import math
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pyarrow as pa

from ctc_core.errors import StoreError
from ctc_core.store.pools import Pools
from ctc_core.store.registry import draft
from ctc_core.store.values import Round, RoundDraft

ABANDONED_AFTER = timedelta(hours=8)
"""From then on anybody may abandon another person's round: a working day is over."""

_PER_CELL = {"reason": "reasons", "cluster": "clusters", "probability": "probabilities", "blind": "blind"}
"""Columns of a queue, and where a draft has them."""
_UNKNOWN = {"reason": "", "cluster": None, "probability": None, "blind": False}

_FIELDS = tuple(field.name for field in fields(Round))
"""In the order of the query."""

_ROUNDS = """
SELECT round_id, run_id, number, encoder_id, map_id, strategy, cluster, predicted, summary, parameters,
    relabel_round.reader, model_before, model_after, state, opened, finished, minutes, coalesce(items, 0),
    coalesce(labelled, 0), date_diff('millisecond', first, last) / 60000.0
FROM relabel_round
LEFT JOIN (SELECT round_id, count(*) AS items FROM queue_item GROUP BY round_id) USING (round_id)
LEFT JOIN (
    SELECT round_id, count(*) FILTER (labelled) AS labelled, min(first) AS first, max(last) AS last FROM (
        SELECT round_id, cell_id, max(event.seq) = max(event.seq) FILTER (event.label IS NOT NULL) AS labelled,
            min(time) AS first, max(time) AS last
        FROM relabel_round JOIN queue_item USING (round_id) JOIN label_event AS event USING (cell_id, reader)
        WHERE event.seq > relabel_round.seq AND (closing IS NULL OR event.seq < closing) GROUP BY round_id, cell_id
    ) GROUP BY round_id
) USING (round_id)
"""


class Relabelling(Pools):
    """The part of the store that keeps rounds."""

    def open_round(self, asked: RoundDraft, *, reader: str, session: str) -> Round:
        """Put cells into the queue of one expert, in the order given.

        Raises:
            StoreError: the reader has an open round; no cells, one twice, or one that must not be asked for: unknown,
                not of a training patient, read already, in somebody's open round; for a second reading: read by nobody
                else, or by this reader too. Nothing is opened. Somebody may have been faster: choose again.
        """
        items = _items(asked)
        with self._exclusive():
            if standing := self.open_round_of(reader):
                message = f"{reader} has round {standing.number} open still. Finish or abandon it first."
                raise StoreError(message)
            self._refuse_cells(items, reader)
            round_id = uuid.uuid4().hex
            run_id = asked.run_id or round_id
            new = {key: value for key, value in asdict(asked).items() if key not in ("cell_ids", *_PER_CELL.values())}
            new |= {"parameters": dict(asked.parameters), "items": items}
            new |= {"run_id": run_id, "number": self._last_number(run_id) + 1}
            self._record(draft("round", round_id, reader, session, new=new))
        return self.round(round_id)

    def rounds(self) -> tuple[Round, ...]:
        """All rounds of all runs, oldest first."""
        return self._some_rounds("")

    def round(self, round_id: str) -> Round:
        """One round.

        Raises:
            StoreError: there is none of this id.
        """
        found = self._some_rounds("WHERE round_id = ?", round_id)
        if not found:
            message = f"{round_id}: no such round in the store. Load the page again."
            raise StoreError(message)
        return found[0]

    def open_round_of(self, reader: str) -> Round | None:
        """The round that this reader has not finished."""
        found = self._some_rounds("WHERE state = 'open' AND relabel_round.reader = ?", reader)
        return found[0] if found else None

    def queue(self, round_id: str) -> pd.DataFrame:
        """The cells of a round in order, with what its reader says about them now; nothing of what others say.

        position (0, 1 ...), cell_id, cartridge_id, frame, y, x, diameter_um, dapi_mean, ck_mean, cd45_mean, crop_index,
        cluster, predicted (1 CTC: probability >= .5, 0 other; missing: not scored), probability, reason, blind, label,
        reader and comment (missing: not read yet).
        """
        return self._rows(
            """
            SELECT position, cell_id, cell.cartridge_id, frame, y, x, diameter_um, dapi_mean, ck_mean, cd45_mean,
                crop_index, item.cluster, (item.probability >= 0.5)::INTEGER AS predicted, item.probability,
                item.reason, blind, own.label, own.reader, own.reason AS comment
            FROM queue_item AS item JOIN relabel_round USING (round_id) JOIN cell USING (cell_id)
            LEFT JOIN (SELECT cell_id, reader, label, reason FROM reader_label) AS own
                ON own.cell_id = item.cell_id AND own.reader = relabel_round.reader
            WHERE round_id = ? ORDER BY position
            """,
            round_id,
        )

    def outcome(self, round_id: str) -> dict[str, Any]:
        """What was noted when the round was finished; empty before."""
        rows = self._rows("SELECT outcome FROM relabel_round WHERE round_id = ? AND outcome IS NOT NULL", round_id)
        found: dict[str, Any] = json.loads(rows.outcome[0]) if len(rows) else {}
        return found

    def finish_round(
        self, round_id: str, *, model_after: str | None, outcome: Mapping[str, Any], reader: str, session: str
    ) -> None:
        """Close a round with what came of it (JSON values). The same again is harmless.

        Raises:
            StoreError: another person's round, or one that was closed in another way.
        """
        with self._exclusive():
            found = self.round(round_id)
            if found.reader != reader:
                message = f"Round {found.number} is {found.reader}'s. Only {found.reader} can finish it."
                raise StoreError(message)
            if (found.state, found.model_after) == ("finished", model_after):
                return
            _refuse_closed(found)
            new = {"model_after": model_after, "outcome": dict(outcome)}
            reason = "finished by its reader"
            self._record(draft("finish-round", round_id, reader, session, old=found.state, new=new, reason=reason))

    def abandon_round(self, round_id: str, *, reader: str, session: str, reason: str) -> None:
        """Close a round without an outcome; labels stay, and its other cells may be asked for again.

        Raises:
            StoreError: no reason, another person's round that was opened less than eight hours ago, or a closed one.
        """
        with self._exclusive():
            found = self.round(round_id)
            if found.state == "abandoned":
                return
            _refuse_closed(found)
            age = datetime.now(UTC).replace(tzinfo=None) - found.opened
            if found.reader != reader and age < ABANDONED_AFTER:
                message = (
                    f"Round {found.number} is {found.reader}'s. Others can abandon it only"
                    f" {ABANDONED_AFTER // timedelta(hours=1)} hours after it was opened."
                )
                raise StoreError(message)
            new = {"state": "abandoned"}
            self._record(draft("abandon-round", round_id, reader, session, old=found.state, new=new, reason=reason))

    def _some_rounds(self, which: str, *parameters: object) -> tuple[Round, ...]:
        with self._database.read() as cur:
            rows = cur.execute(f"{_ROUNDS} {which} ORDER BY relabel_round.seq", parameters).fetchall()
        return tuple(
            Round(**{**dict(zip(_FIELDS, row, strict=True)), "parameters": json.loads(row[9])}) for row in rows
        )

    def _last_number(self, run_id: str) -> int:
        rows = self._rows("SELECT coalesce(max(number), 0) AS last FROM relabel_round WHERE run_id = ?", run_id)
        return int(rows["last"][0])

    def _refuse_cells(self, items: Mapping[str, Sequence[Any]], reader: str) -> None:
        """Raise where one of the cells must not be asked for, with the first reason that holds."""
        with self._database.read() as cur:
            cur.register("incoming", pa.table({name: items[name] for name in ("cell_id", "blind")}))
            refused = cur.execute(_REFUSED, [reader]).fetchall()
            cur.unregister("incoming")
        if refused:
            cell_id, why = refused[0]
            others = f" (and {len(refused) - 1} more)" if len(refused) > 1 else ""
            message = f"{cell_id}{others}: {why}. No round was opened; choose the cells again."
            raise StoreError(message)


_REFUSED = """
SELECT cell_id, CASE
        WHEN role IS NULL THEN 'no such cell in the store'
        WHEN role <> 'train' THEN 'its patient is no training patient but ' || role
        WHEN queued.reader IS NOT NULL THEN 'it stands in an open round of ' || queued.reader
        WHEN NOT blind AND readers > 0 THEN 'it is labelled already'
        WHEN blind AND own THEN 'the same person has read it already'
        WHEN blind AND readers IS NULL THEN 'nobody has read it yet, so this is no second reading'
    END AS why
FROM incoming
LEFT JOIN (SELECT cell_id, role FROM cell JOIN cartridge USING (cartridge_id) JOIN patient USING (pseudonym))
    USING (cell_id)
LEFT JOIN queued USING (cell_id)
LEFT JOIN (
    SELECT cell_id, count(*) AS readers, bool_or(reader = ?) AS own FROM reader_label GROUP BY cell_id
) USING (cell_id)
WHERE why IS NOT NULL ORDER BY cell_id
"""


def _items(asked: RoundDraft) -> dict[str, list[Any]]:
    """Columns of the queue as JSON values.

    Raises:
        StoreError: no cells, a cell twice, or columns of different lengths.
    """
    n = len(asked.cell_ids)
    items: dict[str, list[Any]] = {"cell_id": list(asked.cell_ids)}
    for name, attribute in _PER_CELL.items():
        given = getattr(asked, attribute)
        items[name] = [_json(value) for value in given] if given else [_UNKNOWN[name]] * n
    if {len(column) for column in items.values()} != {n} or n == 0 or len(set(asked.cell_ids)) != n:
        message = (
            "A round needs at least one cell, no cell twice, and as many reasons as cells. Choose the cells again."
        )
        raise StoreError(message)
    return items


def _json(value: Any) -> Any:
    """NumPy's numbers as Python's, and NaN as nothing."""
    plain = value.item() if hasattr(value, "item") else value
    return None if isinstance(plain, float) and math.isnan(plain) else plain


def _refuse_closed(found: Round) -> None:
    if found.state != "open":
        message = f"Round {found.number} of {found.reader} is {found.state} already. Load the page again."
        raise StoreError(message)
