"""What a fault has cost: how a data folder is built for it, looked at afterwards, and shown in a table."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ctc_core.store import Store, verify
from ctc_core.types import Decision, Label, Role
from tests.store.conftest import write_cartridge

CELLS = 60
DATABASE = "store.duckdb"


@dataclass
class Outcome:
    """Faults of one kind, added up."""

    fault: str
    faults: int = 0
    acknowledged: int = 0
    lost: int = 0
    """Acknowledged and not in the store afterwards."""
    doubled: int = 0
    """In the journal or in the store more than once."""
    other: list[str] = field(default_factory=list)
    """Anything else that is not as it was: a refusal to open, what `verify` says, a table that differs."""
    seconds: list[float] = field(default_factory=list)
    """To open the store after each fault."""

    @property
    def clean(self) -> bool:
        return not (self.lost or self.doubled or self.other)

    def look_at(self, data: Path, acknowledged: Collection[str]) -> None:
        """Open the store and count."""
        self.faults += 1
        started = time.perf_counter()
        with Store.open(data) as store:
            self.seconds.append(time.perf_counter() - started)
            saved = [row[0] for row in store.decisions()]
            written = [entry.id for entry in store.journal.entries()]
            self.lost += len(set(acknowledged) - set(saved))
            self.doubled += len(saved) - len(set(saved)) + len(written) - len(set(written))
            self.other += verify(store).problems


def table(outcomes: Iterable[Outcome]) -> str:
    """Markdown."""
    lines = [
        "| fault | faults | acknowledged | lost | doubled | other | reopened in s: median, worst |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for one in outcomes:
        ordered = sorted(one.seconds) or [float("nan")]
        times = f"{ordered[len(ordered) // 2]:.2f}, {ordered[-1]:.2f}"
        counts = f"{one.faults} | {one.acknowledged} | {one.lost} | {one.doubled} | {len(one.other)}"
        lines.append(f"| {one.fault} | {counts} | {times} |")
    return "\n".join(lines)


def cell(number: int) -> str:
    """Id of a cell of cartridge C1."""
    return f"C1-001-{100 + number % CELLS:04d}-0050"


def decision(id_: str, number: int) -> Decision:
    """A decision about cell `number`, with a comment that an editor could want to change."""
    label = list(Label)[number % len(Label)]
    return Decision(id_, "C1", cell(number), None, label, "ann", "s1", f"seen {number} times, at the edge")


def build(data: Path, labels: int, *, batch: int = 100, cells: int = CELLS) -> list[str]:
    """A data folder with one cartridge and so many decisions; their ids. The store is closed."""
    ids = [f"d{i}" for i in range(labels)]
    with Store.open(data) as store:
        store.add_patient("P1", Role.TRAIN, "ann", "s1")
        store.add_bundle(write_cartridge(data.parent / "spool" / "C1", "C1", cells=cells))
        decide(store, ids, batch=batch)
    return ids


def decide(store: Store, ids: Sequence[str], *, batch: int = 1) -> None:
    for start in range(0, len(ids), batch):
        store.decide([decision(id_, start + i) for i, id_ in enumerate(ids[start : start + batch])])


def fresh_copy(data: Path, target: Path) -> Path:
    """Another data folder with the same content; bundles and crops, which nothing here changes, are shared."""

    def place(source: str, copy: str) -> str:
        shared = {"bundles", "crops"} & set(Path(source).parts)
        return str(os.link(source, copy) or copy) if shared else str(shutil.copy2(source, copy))

    shutil.rmtree(target, ignore_errors=True)
    left_behind = shutil.ignore_patterns("*.before-open*", "*.broken-*", "owner.lock")
    return Path(shutil.copytree(data, target, copy_function=place, ignore=left_behind))
