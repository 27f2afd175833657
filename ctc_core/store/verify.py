"""Check journal, database, bundles and crops against each other, and name what differs."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from ctc_core.errors import JournalError, StoreError
from ctc_core.models import sha256
from ctc_core.store.bundle import read_bundle
from ctc_core.store.cartridge_bundle import utc
from ctc_core.store.files import CROPS
from ctc_core.store.journal import Entry, canonical
from ctc_core.store.maps import MAP
from ctc_core.store.projection import DECISIONS, bundle_of, copied
from ctc_core.store.reports import report_problems
from ctc_core.store.store import Store
from ctc_core.store.values import KeptRound, ModelRecord

_NAMED = 20
"""How many differences of one kind are named one by one."""


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


def verify(what: Store | Path) -> Report:
    """Check an open store, or open the data folder for it.

    A journal that cannot be trusted is a problem in the report, not an exception; StoreBusy is raised as always.
    """
    if isinstance(what, Store):
        return _verify(what)
    try:
        with Store.open(what) as store:
            return _verify(store)
    except (JournalError, StoreError) as error:
        return Report((str(error),), entries=0, head="", decisions=0, cartridges=0, cells=0)


def _verify(store: Store) -> Report:
    """Only the comparison of journal and database holds decisions back; files are hashed while the desk works on."""
    with store.frozen():
        (seq, head), problems = store.journal.head, list(store.problems)
        decisions, patients, cartridges = store.decisions(), store.patients(), store.cartridges()
        kept = store.kept_rounds(), store.given_back()
        received, models, runs = store.received(), store.models(), store.runs()
        try:
            entries = list(store.journal.entries())
        except JournalError as error:
            entries = None
            problems.append(str(error))
    if entries is not None:
        problems += _few(_entry_problems(received, entries))
        problems += _few(_decision_problems(decisions, entries))
        problems += _few(_role_problems(patients, entries))
        problems += _few(_round_problems(*kept, entries))
        problems += _few(_registry_problems(models, set(runs["run_id"]), entries))
        problems += _cartridge_problems(store, cartridges, entries)
    problems += _map_problems(store)
    problems += report_problems(store)
    cells = int(cartridges["cells"].sum())
    return Report(tuple(problems), seq, head, decisions=len(decisions), cartridges=len(cartridges), cells=cells)


def _few(problems: Iterator[str]) -> list[str]:
    found = list(problems)
    return found[:_NAMED] + ([f"... and {len(found) - _NAMED} more of this kind."] if len(found) > _NAMED else [])


def _entry_problems(received: dict[int, tuple[Any, ...]], entries: list[Entry]) -> Iterator[str]:
    """The store's own copy of the journal, which the audit page shows."""
    for entry in entries:
        if received.get(entry.seq) != copied(entry):
            yield f"Entry {entry.seq} ({entry.kind} {entry.subject}): the store's copy is not what the journal says."
    for seq in sorted(received.keys() - {entry.seq for entry in entries}):
        yield f"Entry {seq} is in the store and not in the journal."


def _registry_problems(models: tuple[ModelRecord, ...], runs: set[str], entries: list[Entry]) -> Iterator[str]:
    """Models, which of them are in use, and how artefacts were made."""
    kinds: dict[str, str] = {}
    active: dict[str, str] = {}
    for entry in entries:
        if entry.kind == "model":
            kinds.setdefault(entry.subject, entry.new["kind"])
        elif entry.kind == "activate" and entry.subject in kinds:
            active[kinds[entry.subject]] = entry.subject
    expected = {id_: (kind, active.get(kind) == id_) for id_, kind in kinds.items()}
    found = {model.model_id: (model.kind, model.active) for model in models}
    for id_ in sorted(expected.keys() | found.keys()):
        if expected.get(id_) != found.get(id_):
            yield f"Model {id_}: (kind, in use) is {found.get(id_)} in the store, {expected.get(id_)} in the journal."
    for run_id in sorted({entry.subject for entry in entries if entry.kind == "run"} ^ runs):
        yield f"Run {run_id}: in the store or in the journal only."


def _decision_problems(decisions: list[tuple[Any, ...]], entries: list[Entry]) -> Iterator[str]:
    expected = {
        entry.id: (
            entry.seq,
            entry.kind,
            entry.subject,
            entry.new,
            entry.old,
            entry.reader,
            entry.reason,
            entry.session,
            utc(entry.time),
        )
        for entry in entries
        if entry.kind in DECISIONS
    }
    found = {row[0]: row[1:] for row in decisions}
    for id_ in expected.keys() - found.keys():
        yield f"Decision {id_} (entry {expected[id_][0]}) is in the journal and not in the store."
    for id_ in found.keys() - expected.keys():
        yield f"Decision {id_} is in the store and not in the journal."
    for id_ in expected.keys() & found.keys():
        if expected[id_] != found[id_]:
            yield f"Decision {id_}: the store says {found[id_]}, the journal {expected[id_]}."


def _role_problems(patients: pd.DataFrame, entries: list[Entry]) -> Iterator[str]:
    expected = {entry.subject: entry.new for entry in entries if entry.kind in ("patient", "role")}
    found = dict(zip(patients["pseudonym"], patients["role"], strict=True))
    for pseudonym in sorted(expected.keys() | found.keys()):
        if expected.get(pseudonym) != found.get(pseudonym):
            yield f"Patient {pseudonym}: the store says {found.get(pseudonym)}, the journal {expected.get(pseudonym)}."


def _round_problems(rounds: dict[str, KeptRound], given_back: set[str], entries: list[Entry]) -> Iterator[str]:
    """A round ends with the first entry that closes it; a cell that was given back stays so."""
    expected: dict[str, KeptRound] = {}
    given: set[str] = set()
    for entry in entries:
        if entry.kind == "round":
            expected[entry.subject] = KeptRound(entry.reader, tuple(entry.new["items"]["cell_id"]), "open", None, None)
        elif entry.kind in ("finish-round", "abandon-round"):
            opened = expected[entry.subject]
            if opened.state == "open":
                expected[entry.subject] = _closed(opened, entry)
        elif entry.kind == "give-back":
            given |= set(entry.new)
    for id_ in sorted(expected.keys() | rounds.keys()):
        if expected.get(id_) != rounds.get(id_):
            yield f"Round {id_}: what the store holds is not what the journal says."
    for cell_id in sorted(given ^ given_back):
        yield f"{cell_id}: given back to the queue in {'the journal' if cell_id in given else 'the store'} only."


def _closed(opened: KeptRound, entry: Entry) -> KeptRound:
    if entry.kind == "abandon-round":
        return replace(opened, state="abandoned")
    outcome = canonical(entry.new["outcome"])
    return replace(opened, state="finished", model_after=entry.new["model_after"], outcome=outcome)


def _cartridge_problems(store: Store, table: pd.DataFrame, entries: list[Entry]) -> list[str]:
    expected = {entry.subject: entry for entry in entries if entry.kind == "cartridge"}
    cartridges = {row["cartridge_id"]: row for row in table.to_dict("records")}
    problems = [f"{id_}: in the store and not in the journal." for id_ in sorted(cartridges.keys() - expected.keys())]
    problems += [f"{id_}: in the journal and not in the store." for id_ in sorted(expected.keys() - cartridges.keys())]
    checks = (_bundle_problems(store.folder, expected[id_]) for id_ in sorted(expected.keys() & cartridges.keys()))
    counts = (
        _count_problems(store, id_, cartridges[id_]["encoder_id"], cartridges[id_]["cells"], cartridges[id_]["events"])
        for id_ in sorted(cartridges)
    )
    return problems + list(itertools.chain.from_iterable(itertools.chain(checks, counts)))


def _map_problems(store: Store) -> Iterator[str]:
    for model in store.models():
        if model.kind == MAP:
            try:
                read_bundle(model.folder)
            except StoreError as error:
                yield f"Map {model.model_id}: {error}"


def _bundle_problems(folder: Path, entry: Entry) -> Iterator[str]:
    try:
        hashes = bundle_of(entry, folder).manifest.files
    except StoreError as error:
        yield str(error)
        return
    for name, pattern in CROPS.items():
        path = folder / "crops" / pattern.format(entry.subject)
        if path.exists() and sha256(path) != hashes[f"{name}.npy"]:
            yield f"{path}: not the crops of the bundle. Delete the file and open the store again; it is restored."


def _count_problems(store: Store, cartridge_id: str, encoder_id: str, cells: int, events: int) -> Iterator[str]:
    for what, count, read in (("cells", cells, store.crops), ("events", events, store.event_crops)):
        try:
            found = len(read(cartridge_id))
        except StoreError as error:
            yield f"{cartridge_id}: no crops of its {what}. Open the store again; they are restored. ({error})"
        else:
            if found != count:
                yield f"{cartridge_id}: {found} crops for {count} {what}."
    if (found := len(store.vectors(cartridge_id, encoder_id)[0])) != cells:
        yield f"{cartridge_id}: {found} vectors of {encoder_id} for {cells} cells."
