"""The database as it must be: journal and bundles projected once more, into memory, and compared row by row.

What fills the store fills the shadow, so nothing that the store holds is left out of the comparison: not a column of a
table, and not a view or macro through which a label is read. Only what is computed and in no journal is looked at
elsewhere: scores, points on a map, and the history of jobs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from ctc_core.store.audits import definitions
from ctc_core.store.bundle import Bundle
from ctc_core.store.cartridge_bundle import insert
from ctc_core.store.journal import Entry
from ctc_core.store.projection import project, record

JOURNALLED = {
    "journal_entry": ("Entry", ("seq",)),
    "patient": ("Patient", ("pseudonym",)),
    **dict.fromkeys(("label_event", "review_event", "adjudication", "event_adjudication"), ("Decision", ("id",))),
    "relabel_round": ("Round", ("round_id",)),
    "queue_item": ("Queued cell", ("round_id", "cell_id")),
    "given_back": ("Cell given back", ("cell_id",)),
    "model": ("Model", ("model_id",)),
    "run": ("Run", ("run_id",)),
}
"""Tables filled from the journal alone, with what a row is called and its key."""

IMPORTED = {
    "cartridge": ("Cartridge", ("cartridge_id",)),
    "frame": ("Frame", ("cartridge_id", "frame")),
    "event": ("Event", ("cartridge_id", "rid")),
    "quarantined_event": ("Event set aside", ("cartridge_id", "rid", "reason")),
    "cell": ("Cell", ("cell_id",)),
    "embedding": ("Vector of", ("cell_id", "encoder_id")),
}
"""Tables filled from bundles of cartridges."""

COMPUTED = {
    "latent_point": ("Place on a map of", ("cell_id", "map_id")),
    "noise_reject": ("Rejected as noise:", ("cell_id", "model_id")),
}
"""Tables filled from bundles of what was computed later."""

VECTORS = "embedding"
"""The one of the `IMPORTED` tables that does not name the cartridge."""

_SCHEMA = Path(__file__).with_name("schema.sql").read_text()
_CONFIG: dict[str, str | bool | int | float | list[str]] = {"enable_external_access": False, "memory_limit": "1GB"}
_LONGEST = 60
"""Characters of a value in a sentence."""

Row = dict[str, Any]


class Shadow:
    """A cursor on a database in memory that holds what the store must hold."""

    def __init__(self, cur: duckdb.DuckDBPyConnection) -> None:
        self._cur = cur

    def project(self, entries: Sequence[Entry], folder: Path) -> None:
        """Fill the `JOURNALLED` tables."""
        if entries:
            project(self._cur, entries, folder)

    def record(self, entries: Sequence[Entry]) -> None:
        """Note entries as received, without what follows from them."""
        if entries:
            record(self._cur, entries)

    def cartridge(self, bundle: Bundle, imported_at: str) -> None:
        """Fill the `IMPORTED` tables with one cartridge, in place of the one before."""
        for table in IMPORTED:
            self._cur.execute(f"DELETE FROM {table}")
        insert(self._cur, bundle, imported_at)

    def computed(self, table: str, owner: str, owner_id: str, rows: Sequence[pa.Table]) -> None:
        """Fill one of the `COMPUTED` tables with what belongs to one map or model; of a cell the last row counts."""
        self._cur.execute(f"DELETE FROM {table}")
        for incoming in rows:
            self._cur.register("incoming", incoming)
            self._cur.execute(
                f"INSERT OR REPLACE INTO {table} BY NAME SELECT *, ? AS {owner} FROM incoming", [owner_id]
            )

    def differences(self, table: str, found: pa.Table, source: str) -> list[str]:
        """One sentence for each row of the store's table that differs from `source`, in the order of the key."""
        what, key = (JOURNALLED | IMPORTED | COMPUTED)[table]
        self._cur.register("found", found)
        expected = _by_key(self._rows(f"FROM {table} EXCEPT ALL FROM found"), key)
        other = _by_key(self._rows(f"FROM found EXCEPT ALL FROM {table}"), key)
        self._cur.unregister("found")
        return [
            _sentence(f"{what} {' '.join(map(str, name))}", other.get(name), expected.get(name), source)
            for name in sorted(expected.keys() | other.keys())
        ]

    def definitions(self) -> dict[str, str]:
        """How each table, view and macro of this version is defined, by name."""
        return definitions(self._cur)

    def _rows(self, sql: str) -> list[Row]:
        self._cur.execute(sql)
        names = [column[0] for column in self._cur.description or ()]
        return [dict(zip(names, values, strict=True)) for values in self._cur.fetchall()]


@contextmanager
def shadow() -> Iterator[Shadow]:
    """An empty shadow for as long as the context lasts."""
    with closing(duckdb.connect(":memory:", config=_CONFIG)) as connection:
        connection.execute(_SCHEMA)
        yield Shadow(connection)


def _by_key(rows: Sequence[Row], key: Sequence[str]) -> dict[tuple[Any, ...], Row]:
    return {tuple(row[name] for name in key): row for row in rows}


def _sentence(what: str, found: Mapping[str, Any] | None, expected: Mapping[str, Any] | None, source: str) -> str:
    if found is None or expected is None:
        places = ("the store", source) if expected is None else (source, "the store")
        return f"{what} is in {places[0]} and not in {places[1]}."
    names = [name for name in expected if not _is_same(found[name], expected[name])]
    said = [f"{name} is {_short(found[name])} in the store, {_short(expected[name])} in {source}" for name in names]
    return f"{what}: {'; '.join(said)}."


def _is_same(a: object, b: object) -> bool:
    return a == b or (a != a and b != b)  # NaN


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} ..."
