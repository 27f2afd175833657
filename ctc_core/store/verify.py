"""Check journal, database, bundles and crops against each other, and name what differs."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from ctc_core.errors import JournalError, StoreError
from ctc_core.models import sha256
from ctc_core.store.bundle import Bundle, read_bundle
from ctc_core.store.cartridge_bundle import table
from ctc_core.store.files import CROPS
from ctc_core.store.journal import Entry
from ctc_core.store.maps import MAP, POINTS
from ctc_core.store.pools import NOISE
from ctc_core.store.projection import bundle_of
from ctc_core.store.reports import report_problems
from ctc_core.store.shadow import IMPORTED, JOURNALLED, VECTORS, Shadow, shadow
from ctc_core.store.store import Store

_NAMED = 20
"""How many differences of one kind are named one by one."""
_FILL_AGAIN = "Delete store.duckdb; it is filled again."
_POLITE = 20
"""Entries that are read at a time: under a millisecond."""


@dataclass(frozen=True)
class Report:
    """What `verify` found."""

    problems: tuple[str, ...]
    """One sentence each; empty if all is well."""
    entries: int
    """Length of the journal."""
    head: str
    """Hash of its last entry: keep it elsewhere to prove later that nothing was rewritten."""
    decisions: int
    cartridges: int
    cells: int

    @property
    def ok(self) -> bool:
        """Nothing differs."""
        return not self.problems


@dataclass(frozen=True)
class _Moment:
    """Journal and database as they were together at one moment."""

    head: tuple[int, str]
    entries: list[Entry]
    """None can be trusted where `broken`."""
    broken: str
    tables: dict[str, pa.Table]
    owners: set[str]
    """Cartridges that any row belongs to."""
    problems: tuple[str, ...]
    """Known since the store was opened."""


def verify(what: Store | Path, kept: Collection[str] = ()) -> Report:
    """Check an open store, or open the data folder for it.

    A journal that cannot be trusted is a problem in the report, not an exception; StoreBusy is raised as always.

    Args:
        what: a store, or its folder.
        kept: hashes of entries that were kept elsewhere, printed or mailed: each must be in the journal.
    """
    if isinstance(what, Store):
        return _verify(what, kept)
    try:
        with Store.open(what) as store:
            return _verify(store, kept)
    except (JournalError, StoreError) as error:
        return Report((str(error),), entries=0, head="", decisions=0, cartridges=0, cells=0)


def _verify(store: Store, kept: Collection[str]) -> Report:
    """Only a look at the tables that grow with decisions holds these back; all is compared while the desk works on."""
    now = _moment(store)
    problems = [*now.problems, *filter(None, [now.broken])]
    if not now.broken:
        with shadow() as expected:
            problems += _journal_problems(now, kept)
            changed = _changed(expected.definitions(), store.definitions())
            problems += [f"The store's {name} is not that of this version. {_FILL_AGAIN}" for name in changed]
            if not any(name.startswith("table ") for name in changed):  # rows of other columns cannot be compared
                problems += _content_problems(expected, now, store)
    problems += [*_map_problems(store), *report_problems(store)]
    seq, head = now.head
    decisions = sum(len(now.tables[name]) for name, (what, _) in JOURNALLED.items() if what == "Decision")
    cartridges = store.cartridges()
    return Report(tuple(problems), seq, head, decisions, len(cartridges), cells=int(cartridges["cells"].sum()))


def _moment(store: Store) -> _Moment:
    with store.frozen():
        tables = {name: store.rows(name) for name in JOURNALLED}
        owners = {name for kind in IMPORTED if kind != VECTORS for name in store.owners(kind)}
        head, sizes, problems = store.journal.head, store.journal.sizes(), tuple(store.problems)
    try:
        entries = list(_politely(store.journal.entries(sizes)))
    except (JournalError, OSError) as error:
        return _Moment(head, [], str(error), tables, owners, problems)
    return _Moment(head, entries, "", tables, owners, problems)


def _politely(entries: Iterable[Entry]) -> Iterator[Entry]:
    """The same, letting other threads in between: one that saves would wait a second for Python's own lock."""
    for entry in entries:
        if entry.seq % _POLITE == 0:
            time.sleep(0)
        yield entry


def _few(found: list[str]) -> list[str]:
    return found[:_NAMED] + ([f"... and {len(found) - _NAMED} more of this kind."] if len(found) > _NAMED else [])


def _journal_problems(now: _Moment, kept: Collection[str]) -> Iterator[str]:
    """What the chain by itself cannot show: that its end was cut off, or all of it written anew."""
    hashes = {entry.seq: entry.hash for entry in now.entries}
    if hashes.get(now.head[0], now.head[1]) != now.head[1] or len(now.entries) < now.head[0]:
        yield f"The journal ends at entry {len(now.entries)}; the desk has written {now.head[0]}. Lines were removed."
    for entry in now.entries:
        if entry.kind == "report" and hashes.get(entry.new["journal_entry"]) != entry.new["journal_hash"]:
            signed = f"{entry.subject}, version {entry.new['version']}"
            yield f"Report on {signed}: entry {entry.new['journal_entry']} is not the one that its signature names."
    for digest in sorted(set(kept) - set(hashes.values())):
        told = "no entry of the journal has this hash. It was rewritten or cut, or the hash is of another desk."
        yield f"{digest[:80]}: {told}"


def _changed(expected: dict[str, str], found: dict[str, str]) -> list[str]:
    return sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))


def _content_problems(expected: Shadow, now: _Moment, store: Store) -> Iterator[str]:
    yield from _row_problems(expected, now, store.folder)
    yield from _cartridge_problems(expected, now, store)
    yield from _computed_problems(expected, store)


def _row_problems(expected: Shadow, now: _Moment, folder: Path) -> Iterator[str]:
    """All that is filled from the journal."""
    expected.project([entry for entry in now.entries if entry.kind != "cartridge"], folder)
    expected.record([entry for entry in now.entries if entry.kind == "cartridge"])
    for name, found in now.tables.items():
        yield from _few(expected.differences(name, found, "the journal"))


def _cartridge_problems(expected: Shadow, now: _Moment, store: Store) -> Iterator[str]:
    entries = {entry.subject: entry for entry in now.entries if entry.kind == "cartridge"}
    for name in sorted(now.owners ^ entries.keys()):
        places = ("the store", "the journal") if name in now.owners else ("the journal", "the store")
        yield f"{name}: in {places[0]} and not in {places[1]}."
    if lone := store.lone_vectors():
        yield f"{lone} vectors in the store belong to no cell."
    for name in sorted(now.owners & entries.keys()):
        try:
            bundle = bundle_of(entries[name], store.folder)
        except StoreError as error:
            yield str(error)
            continue
        expected.cartridge(bundle, entries[name].new["imported_at"])
        for kind in IMPORTED:
            found = store.vector_rows(_cell_ids(bundle)) if kind == VECTORS else store.rows(kind, "cartridge_id", name)
            yield from _few(expected.differences(kind, found, "its bundle"))
        yield from _crop_problems(store.folder, name, bundle)


def _cell_ids(bundle: Bundle) -> pa.Table:
    return table(bundle, "cells").select(["cell_id"])


def _crop_problems(folder: Path, cartridge_id: str, bundle: Bundle) -> Iterator[str]:
    for name, pattern in CROPS.items():
        path = folder / "crops" / pattern.format(cartridge_id)
        if not path.exists():
            yield f"{path}: missing. Open the store again; it is restored."
        elif sha256(path) != bundle.manifest.files[f"{name}.npy"]:
            yield f"{path}: not the crops of the bundle. Delete the file and open the store again; it is restored."


def _computed_problems(expected: Shadow, store: Store) -> Iterator[str]:
    """Cells on maps and cells set aside as noise: in no journal, but each in a bundle."""
    for what in _COMPUTED:
        for owner_id in sorted(store.owners(what[0], what[2])):
            if _differences(expected, store, owner_id, *what):
                with store.frozen():  # perhaps some came in between
                    yield from _few(_differences(expected, store, owner_id, *what))


def _differences(
    expected: Shadow, store: Store, owner_id: str, name: str, kind: str, owner: str, rows: str, columns: list[str]
) -> list[str]:
    """What one map or model has made of cells, beside its bundles."""
    tables, problems = [], []
    for folder in store.bundles_of(kind, owner, {owner_id}):
        try:
            tables.append(read_bundle(folder).table(rows).select(columns))
        except StoreError as error:
            problems.append(str(error))
    expected.computed(name, owner, owner_id, tables)
    return problems + expected.differences(name, store.rows(name, owner, owner_id), "its bundles")


_COMPUTED = (
    ("latent_point", POINTS, "map_id", "points", ["cell_id", "x", "y", "cluster"]),
    ("noise_reject", NOISE, "model_id", "rejected", ["cell_id", "probability"]),
)


def _map_problems(store: Store) -> Iterator[str]:
    for model in store.models():
        if model.kind == MAP:
            try:
                read_bundle(model.folder)
            except StoreError as error:
                yield f"Map {model.model_id}: {error}"
