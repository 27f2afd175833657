"""Single flipped bits in the database file and in its write-ahead log."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from ctc_core.errors import CTCError
from ctc_core.settings import ROOT
from ctc_core.store import Store, verify
from tests.faults.outcome import DATABASE, Outcome, build, decision, fresh_copy

LOG = f"{DATABASE}.wal"
_ENDS_WITH_A_LOG = """
import os, sys
from pathlib import Path
from ctc_core.store import Store
from tests.faults.outcome import decide
store = Store.open(Path(sys.argv[1]))
decide(store, [f"log{i}" for i in range(40)])
os._exit(0)
"""


def flip(path: Path, bit: int) -> None:
    """Change one bit of a file."""
    with path.open("r+b") as file:
        file.seek(bit // 8)
        (byte,) = file.read(1)
        file.seek(bit // 8)
        file.write(bytes([byte ^ 1 << bit % 8]))


def content(store: Store) -> list[Any]:
    """All that a reader can see of the cartridge."""
    tables = [store.cells("C1", polygons=True), store.events("C1"), store.frames("C1"), store.patients(), store.audit()]
    tables += [store.current_labels("C1"), store.readings(), store.cartridges()]
    return [
        store.decisions(),
        store.vectors("C1", "encoder-0")[1].tolist(),
        *(t.astype(str).to_dict("list") for t in tables),
    ]


def run(folder: Path, *, flips: int, seed: int = 0) -> list[Outcome]:
    """Each flip in a fresh copy; half of them in the log."""
    acknowledged = build(folder / "data", 300) + [f"log{i}" for i in range(40)]
    subprocess.run([sys.executable, "-c", _ENDS_WITH_A_LOG, str(folder / "data")], cwd=ROOT, check=True)
    with Store.open(fresh_copy(folder / "data", folder / "copy")) as store:
        before = content(store)
    rng = random.Random(seed)
    outcomes = [Outcome(f"one bit flipped in {name}") for name in (DATABASE, LOG)]
    for number in range(flips):
        name = (DATABASE, LOG)[number % 2]
        path = fresh_copy(folder / "data", folder / "copy") / name
        bit = rng.randrange(path.stat().st_size * 8)
        flip(path, bit)
        _look_at(outcomes[number % 2], path.parent, acknowledged, before, f"bit {bit} of {name}")
    return outcomes


def _look_at(outcome: Outcome, data: Path, acknowledged: list[str], before: list[Any], what: str) -> None:
    """Everything is as before, and the next decision can be saved."""
    outcome.faults += 1
    outcome.acknowledged += len(acknowledged)
    started = time.perf_counter()
    try:
        with Store.open(data) as store:
            outcome.seconds.append(time.perf_counter() - started)
            saved = [row[0] for row in store.decisions()]
            outcome.lost += len(set(acknowledged) - set(saved))
            outcome.doubled += len(saved) - len(set(saved))
            if content(store) != before:
                outcome.other.append(f"{what}: something differs")
            store.decide([decision("next", 7)])
            outcome.other += [f"{what}: {problem}" for problem in verify(store).problems]
    except CTCError as error:
        outcome.other.append(f"{what}: {error}")
