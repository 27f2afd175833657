"""Words that readers put beside a label: apoptotic, a cluster of cells. They say more about a cell and count nothing.

In the journal an entry of the kind `tag` holds all of a reader's words about a cell or an event; it replaces what the
same reader said before. Since a tag counts nothing, nobody is asked why one is changed: the entry itself notes what it
replaces and after how long (`changes.unasked`). Tags are read from the journal's copy, so nothing else has to be kept.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

import pandas as pd

from ctc_core.errors import DecisionRefused
from ctc_core.store.changes import unasked
from ctc_core.store.journal import Draft
from ctc_core.store.registry import Registry

if TYPE_CHECKING:
    import duckdb

    from ctc_core.store.journal import Entry

TAG = "tag"
"""Kind of the journal's entries."""
_EVENT = "event:"


class Tag(StrEnum):
    """What a reader may add to a label."""

    APOPTOTIC = "apoptotic"
    CLUSTER = "cluster"
    """One of several tumour cells that hang together; each of them is counted by its own label."""


@dataclass(frozen=True)
class Tagging:
    """All words of one reader about one cell, or about one event that no cell matches; none takes them back."""

    id: str
    """Made by the client, unique; sending the same again saves it once."""
    cartridge_id: str
    cell_id: str | None
    event_rid: str | None
    tags: tuple[Tag, ...]
    reader: str
    session: str

    @property
    def subject(self) -> str:
        """As the journal names it."""
        target = self.cell_id if self.cell_id is not None else f"{_EVENT}{self.event_rid}"
        return f"{self.cartridge_id}/{target}"


class Tags(Registry):
    """The part of the store that keeps tags."""

    def tag(self, sent: Sequence[Tagging]) -> tuple[str, ...]:
        """Save tags, all or none, and return the ids that were read back.

        Raises:
            DecisionRefused: an unknown cell or event, or an id that was used for something else; nothing is saved.
        """
        with self._exclusive():
            with self._database.read() as cur:
                saved = _saved(cur, [one.id for one in sent])
                new = [one for one in dict.fromkeys(sent) if not _is_saved(one, saved)]
                _refuse_unknown(cur, new)
                before = _last_words(cur, [one.subject for one in new])
            drafts, now = [], datetime.now(UTC).replace(tzinfo=None)
            for one in new:
                words = sorted({str(tag) for tag in one.tags})
                draft = Draft(one.id, TAG, one.reader, one.session, one.subject, words)
                drafts.append(unasked(draft, before.get((one.subject, one.reader)), now))
                before[one.subject, one.reader] = words, one.session, now
            if drafts:
                self._record(*drafts)
        with self._database.read() as cur:
            found = _saved(cur, [one.id for one in sent])
        return tuple(id_ for id_ in dict.fromkeys(one.id for one in sent) if id_ in found)

    def tags(self, cartridge_id: str) -> pd.DataFrame:
        """candidate_id (a cell's id, or event:<rid>), reader, tags (sorted words joined by a space), time (UTC).

        The last word of each reader; a reader who took all words back is not named. Of cells that are blind to who
        reads now, nobody else's words.
        """
        rows = self._rows(
            """
            SELECT subject[length(?) + 2:] AS candidate_id, reader, arg_max(new, seq) AS tags, max(time) AS time
            FROM journal_entry WHERE kind = ? AND starts_with(subject, ? || '/')
                AND (reader = getvariable('viewer') OR split_part(subject, '/', 2) NOT IN (SELECT target FROM blinded))
            GROUP BY subject, reader ORDER BY candidate_id, reader
            """,
            *(cartridge_id, TAG, cartridge_id),
        )
        rows["tags"] = [" ".join(json.loads(text)) for text in rows.tags]
        return rows[rows.tags != ""].reset_index(drop=True)


def together(tags: pd.DataFrame) -> pd.Series:
    """Words by candidate_id that any reader gave, sorted, joined by a space; of the table that `Tags.tags` gives."""
    words = tags.groupby("candidate_id").tags.agg(lambda texts: " ".join(sorted(set(" ".join(texts).split()))))
    return words.rename("tags")


def project_tag(_cur: duckdb.DuckDBPyConnection, _entry: Entry) -> None:
    """Nothing more to note: tags are read from journal_entry."""


def _saved(cur: duckdb.DuckDBPyConnection, ids: Sequence[str]) -> dict[str, tuple[str, str, str, list[str]]]:
    rows = cur.execute(
        "SELECT id, kind, subject, reader, new FROM journal_entry WHERE id IN (SELECT unnest(?::VARCHAR[]))",
        [list(ids)],
    ).fetchall()
    return {id_: (kind, subject, reader, json.loads(new)) for id_, kind, subject, reader, new in rows}


def _is_saved(one: Tagging, saved: dict[str, tuple[str, str, str, list[str]]]) -> bool:
    if one.id not in saved:
        return False
    if saved[one.id] != (TAG, one.subject, one.reader, sorted({str(tag) for tag in one.tags})):
        message = f"{one.subject}: the id {one.id!r} was already used. Nothing was saved; load the page again."
        raise DecisionRefused(message)
    return True


def _refuse_unknown(cur: duckdb.DuckDBPyConnection, sent: Sequence[Tagging]) -> None:
    for one in sent:
        table, key = ("cell", "cell_id") if one.cell_id is not None else ("event", "rid")
        target = one.cell_id if one.cell_id is not None else one.event_rid
        known = cur.execute(f"SELECT 1 FROM {table} WHERE cartridge_id = ? AND {key} = ?", [one.cartridge_id, target])
        if not known.fetchall():
            message = f"{one.subject}: no such {table} in the store. Nothing was saved; load the page again."
            raise DecisionRefused(message)


_Said = tuple[list[str], str, datetime]
"""Words, and in which session and when they were said (UTC, without a zone)."""


def _last_words(cur: duckdb.DuckDBPyConnection, subjects: Sequence[str]) -> dict[tuple[str, str], _Said]:
    rows = cur.execute(
        """
        SELECT subject, reader, arg_max(new, seq), arg_max(session, seq), arg_max(time, seq) FROM journal_entry
        WHERE kind = ? AND subject IN (SELECT unnest(?::VARCHAR[])) GROUP BY subject, reader
        """,
        [TAG, list(subjects)],
    ).fetchall()
    return {(subject, reader): (json.loads(new), session, time) for subject, reader, new, session, time in rows}
