"""What the store can tell about the journal: its own copy of every entry, searchable."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa

from ctc_core.store.reads import Reads

if TYPE_CHECKING:
    import duckdb


class Audits(Reads):
    """The part of the store that shows who wrote what."""

    def rows(self, table: str, owner: str = "cartridge_id", owner_id: str | None = None) -> pa.Table:
        """A table of the store as Arrow, all of it or what belongs to one owner: what verification compares."""
        with self._database.read() as cur:
            if owner_id is None:
                return cur.sql(f"FROM {table}").to_arrow_table()
            return cur.sql(f"FROM {table} WHERE {owner} = $id", params={"id": owner_id}).to_arrow_table()

    def vector_rows(self, cell_ids: pa.Table) -> pa.Table:
        """Table embedding as Arrow, of the cells in `cell_ids` (column cell_id)."""
        with self._database.read() as cur:
            cur.register("wanted", cell_ids)
            return cur.sql("SELECT embedding.* FROM embedding SEMI JOIN wanted USING (cell_id)").to_arrow_table()

    def lone_vectors(self) -> int:
        """Number of vectors of cells that are not in the store."""
        return int(self._rows("SELECT count(*) AS n FROM embedding ANTI JOIN cell USING (cell_id)").n[0])

    def owners(self, table: str, owner: str = "cartridge_id") -> set[str]:
        """Cartridges, or maps or models, that rows of a table belong to."""
        return set(self._rows(f"SELECT DISTINCT {owner} FROM {table}")[owner])

    def definitions(self) -> dict[str, str]:
        """How each table, view and macro is defined, by name."""
        with self._database.read() as cur:
            return definitions(cur)

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


def definitions(cur: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """How each table, view and macro of a database is defined, by name."""
    rows = cur.execute(
        """
        SELECT 'table ' || table_name, sql FROM duckdb_tables() WHERE table_name <> 'store_info' UNION ALL
        SELECT 'view ' || view_name, sql FROM duckdb_views() WHERE NOT internal UNION ALL
        SELECT 'macro ' || function_name, macro_definition FROM duckdb_functions() WHERE NOT internal
        """
    ).fetchall()
    return {name: _EXCLUDED.sub(lambda found: " ".join(sorted(found[0].split(", "))), sql) for name, sql in rows}


_EXCLUDED = re.compile(r"(?<=EXCLUDE \()[^)]*")
"""DuckDB writes these names in an order that changes when the file is opened again."""
