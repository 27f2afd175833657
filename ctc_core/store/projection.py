"""From journal entries to rows: the same functions serve a decision of this minute and a store filled from nothing.

Applying an entry again changes nothing, so that whatever was interrupted can simply be done once more.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ctc_core.accounts import KIND
from ctc_core.errors import StoreError
from ctc_core.store.accounts import project_account
from ctc_core.store.bundle import Bundle, read_bundle
from ctc_core.store.calibration import ANSWER, END, SET, project_calibration
from ctc_core.store.cartridge_bundle import insert, utc
from ctc_core.store.files import link_crops
from ctc_core.store.journal import Entry, canonical
from ctc_core.store.reports import project_report
from ctc_core.store.tags import TAG, project_tag

if TYPE_CHECKING:
    import duckdb


DECISIONS = {
    "label": ("label_event", "cell_id"),
    "review": ("review_event", "rid"),
    "adjudicate": ("adjudication", "cell_id"),
    "adjudicate-event": ("event_adjudication", "rid"),
}
"""Table of each kind of decision, and its column for what was decided about."""
WORDS = {*DECISIONS, TAG, ANSWER}
"""Kinds of entries that change nothing but what readers say of cells and events."""


def project(cur: duckdb.DuckDBPyConnection, entries: Sequence[Entry], folder: Path) -> None:
    """Apply `entries` in order. `folder` is the data folder; the caller owns the transaction."""
    record(cur, entries)
    for kind, group in itertools.groupby(entries, key=lambda entry: entry.kind):
        if kind in DECISIONS:
            _decisions(cur, kind, list(group))
        elif kind == "cartridge":
            for entry in group:
                _cartridge(cur, entry, folder)
        elif kind in _ONE_BY_ONE:
            for entry in group:
                _ONE_BY_ONE[kind](cur, entry)
        else:
            message = (
                f"The journal holds entries of kind {kind!r}, unknown to this version. Install the newer version again."
            )
            raise StoreError(message)


COPIED = ("seq", "id", "time", "kind", "reader", "session", "subject", "old", "new", "reason", "role", "why", "hash")
"""Columns of table journal_entry."""


def copied(entry: Entry) -> tuple[object, ...]:
    """An entry as the store keeps it, in the order of `COPIED`."""
    as_kept = {"time": utc(entry.time), "old": canonical(entry.old), "new": canonical(entry.new)}
    return tuple(as_kept.get(name, getattr(entry, name)) for name in COPIED)


def record(cur: duckdb.DuckDBPyConnection, entries: Sequence[Entry]) -> None:
    """Note that the store has received `entries`."""
    types = {"seq": "BIGINT", "time": "TIMESTAMP"}
    values = ", ".join(f"unnest(${name}::{types.get(name, 'VARCHAR')}[])" for name in COPIED)
    columns = zip(*map(copied, entries), strict=True)
    cur.execute(
        f"INSERT INTO journal_entry ({', '.join(COPIED)}) SELECT {values} ON CONFLICT DO NOTHING",
        {name: list(column) for name, column in zip(COPIED, columns, strict=True)},
    )


def _decisions(cur: duckdb.DuckDBPyConnection, kind: str, entries: Sequence[Entry]) -> None:
    table, key = DECISIONS[kind]
    cartridges, targets = zip(*(entry.subject.split("/", maxsplit=1) for entry in entries), strict=True)
    cur.execute(
        f"""
        INSERT INTO {table} (id, seq, cartridge_id, {key}, label, previous, reader, reason, session, time) SELECT
            unnest($id::VARCHAR[]), unnest($seq::BIGINT[]), unnest($cartridge::VARCHAR[]), unnest($target::VARCHAR[]),
            unnest($label::VARCHAR[]), unnest($previous::VARCHAR[]), unnest($reader::VARCHAR[]),
            unnest($reason::VARCHAR[]), unnest($session::VARCHAR[]), unnest($time::TIMESTAMP[])
        ON CONFLICT DO NOTHING
        """,
        {
            **{
                name: [getattr(entry, name) for entry in entries]
                for name in ("id", "seq", "reader", "reason", "session")
            },
            "cartridge": list(cartridges),
            "target": list(targets),
            "label": [entry.new for entry in entries],
            "previous": [entry.old for entry in entries],
            "time": [utc(entry.time) for entry in entries],
        },
    )


def bundle_of(entry: Entry, folder: Path) -> Bundle:
    """The bundle that an entry of kind `cartridge` names, verified.

    Raises:
        StoreError: it is missing, changed, or not the one that was imported.
    """
    bundle = read_bundle(folder / "bundles" / entry.new["bundle_id"])
    if bundle.manifest_sha256 != entry.new["manifest"]:
        message = f"{bundle.folder}: not the bundle imported for cartridge {entry.subject}. Restore it from a backup."
        raise StoreError(message)
    return bundle


def _cartridge(cur: duckdb.DuckDBPyConnection, entry: Entry, folder: Path) -> None:
    if not cur.execute("SELECT 1 FROM cartridge WHERE cartridge_id = ?", [entry.subject]).fetchall():
        bundle = bundle_of(entry, folder)
        insert(cur, bundle, entry.new["imported_at"])
        link_crops(bundle.folder, entry.subject, folder / "crops")


def _patient(cur: duckdb.DuckDBPyConnection, entry: Entry) -> None:
    cur.execute("INSERT INTO patient VALUES (?, ?) ON CONFLICT DO NOTHING", [entry.subject, entry.new])


def _role(cur: duckdb.DuckDBPyConnection, entry: Entry) -> None:
    cur.execute("UPDATE patient SET role = ? WHERE pseudonym = ?", [entry.new, entry.subject])


def _model(cur: duckdb.DuckDBPyConnection, entry: Entry) -> None:
    new = entry.new
    cur.execute(
        "INSERT INTO model VALUES (?, ?, ?, ?, false, ?) ON CONFLICT DO NOTHING",
        [entry.subject, new["kind"], new["folder"], canonical(new["parameters"]), utc(entry.time)],
    )


def _activate(cur: duckdb.DuckDBPyConnection, entry: Entry) -> None:
    cur.execute(
        "UPDATE model SET active = (model_id = $id) WHERE kind = (SELECT kind FROM model WHERE model_id = $id)",
        {"id": entry.subject},
    )


def _run(cur: duckdb.DuckDBPyConnection, entry: Entry) -> None:
    new = entry.new
    cur.execute(
        "INSERT INTO run VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        [
            entry.subject,
            new["kind"],
            canonical(new["parameters"]),
            canonical(new["inputs"]),
            new["code_version"],
            new["artefact"],
            utc(entry.time),
        ],
    )


def _round(cur: duckdb.DuckDBPyConnection, entry: Entry) -> None:
    new, items = entry.new, entry.new["items"]
    names = ("run_id", "number", "encoder_id", "map_id", "strategy", "cluster", "predicted", "summary", "model_before")
    cur.execute(
        f"""
        INSERT INTO relabel_round (round_id, seq, parameters, reader, state, opened, minutes, {", ".join(names)})
        VALUES (?, ?, ?, ?, 'open', ?, ?{", ?" * len(names)}) ON CONFLICT DO NOTHING
        """,
        [
            *(entry.subject, entry.seq, canonical(new["parameters"]), entry.reader, utc(entry.time), new["minutes"]),
            *(new[name] for name in names),
        ],
    )
    cur.execute(
        """
        INSERT INTO queue_item (round_id, position, cell_id, reason, cluster, probability, blind) SELECT
            $round, unnest($position::INTEGER[]), unnest($cell_id::VARCHAR[]), unnest($reason::VARCHAR[]),
            unnest($cluster::INTEGER[]), unnest($probability::DOUBLE[]), unnest($blind::BOOLEAN[])
        ON CONFLICT DO NOTHING
        """,
        {"round": entry.subject, "position": list(range(len(items["cell_id"]))), **items},
    )


def _close_round(cur: duckdb.DuckDBPyConnection, entry: Entry) -> None:
    """A round ends once; what else was written about it changes nothing."""
    finished = entry.kind == "finish-round"
    cur.execute(
        """
        UPDATE relabel_round SET state = $state, finished = $time, closing = $seq, model_after = $model,
            outcome = $outcome
        WHERE round_id = $round AND state = 'open'
        """,
        {
            "state": "finished" if finished else "abandoned",
            "time": utc(entry.time),
            "seq": entry.seq,
            "model": entry.new["model_after"] if finished else None,
            "outcome": canonical(entry.new["outcome"]) if finished else None,
            "round": entry.subject,
        },
    )


def _give_back(cur: duckdb.DuckDBPyConnection, entry: Entry) -> None:
    cur.execute(
        "INSERT INTO given_back SELECT unnest(?::VARCHAR[]), ?, ?, ?, ? ON CONFLICT DO NOTHING",
        [entry.new, entry.seq, entry.reader, entry.reason, utc(entry.time)],
    )


_ONE_BY_ONE: dict[str, Callable[[duckdb.DuckDBPyConnection, Entry], None]] = {
    "patient": _patient,
    "role": _role,
    "model": _model,
    "activate": _activate,
    "run": _run,
    "round": _round,
    "finish-round": _close_round,
    "abandon-round": _close_round,
    "give-back": _give_back,
    "report": project_report,
    "tag": project_tag,
    KIND: project_account,
    **dict.fromkeys((SET, ANSWER, END), project_calibration),
}
