"""What the store can tell about the journal: its own copy of every entry, searchable."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from ctc_core.store.reads import Reads


class Audits(Reads):
    """The part of the store that shows who wrote what."""

    def received(self) -> dict[int, tuple[Any, ...]]:
        """The store's copy of the journal: the columns of table journal_entry by number of the entry."""
        with self._database.read() as cur:
            return {row[0]: row for row in cur.execute("SELECT * FROM journal_entry").fetchall()}

    def audit(
        self,
        limit: int = 1000,
        *,
        text: str = "",
        kinds: Sequence[str] = (),
        reader: str | None = None,
        before: int | None = None,
    ) -> pd.DataFrame:
        """Journal entries, newest first, in the journal's columns; `old` and `new` as JSON text.

        Args:
            limit: at most so many.
            text: what must stand in one of subject, id, reader, session, reason, why, old, new or hash, in any case.
            kinds: only entries of these kinds; empty: of all.
            reader: only entries of this person.
            before: only entries with a smaller number.
        """
        return self._rows(
            """
            SELECT * FROM journal_entry
            WHERE contains(
                    lower(concat_ws(chr(10), subject, id, reader, session, reason, why, old, new, hash)), lower($text)
                )
                AND (len($kinds) = 0 OR list_contains($kinds, kind))
                AND coalesce(reader = $reader, true) AND coalesce(seq < $before, true)
                AND (
                    kind NOT IN ('label', 'adjudicate', 'tag') OR reader = getvariable('viewer')
                    OR split_part(subject, '/', 2) NOT IN (SELECT target FROM blinded)
                )
                AND (
                    kind <> 'calibration' OR coalesce(reader = getvariable('viewer'), true)
                    OR split_part(subject, '/', 1) IN (
                        SELECT subject FROM journal_entry
                        WHERE kind = 'calibration-end' AND reader = getvariable('viewer')
                    )
                )
            ORDER BY seq DESC LIMIT $limit
            """,
            limit=limit,
            text=text,
            kinds=list(kinds),
            reader=reader,
            before=before,
        )

    def audited(self) -> pd.DataFrame:
        """kind, reader, entries (count), last (UTC): who has written what to the journal."""
        return self._rows(
            """
            SELECT kind, reader, count(*) AS entries, max(time) AS last FROM journal_entry
            GROUP BY kind, reader ORDER BY kind, reader
            """
        )
