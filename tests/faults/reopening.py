"""How long a store of 20,000 labels takes to open: closed in order, killed, and without its database."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from ctc_core.settings import ROOT
from tests.faults.outcome import DATABASE, Outcome, build, fresh_copy

_DIES = """
import os, sys
from pathlib import Path
from ctc_core.store import Store
from tests.faults.outcome import decide
store = Store.open(Path(sys.argv[1]))
decide(store, [f"late{i}" for i in range(int(sys.argv[2]))], batch=20)
os._exit(0)
"""


def run(folder: Path, *, labels: int, cells: int = 2000) -> list[Outcome]:
    """Three states of one store."""
    ids = build(folder / "data", labels - labels // 10, batch=500, cells=cells)
    late = [f"late{i}" for i in range(labels // 10)]
    copies = {name: fresh_copy(folder / "data", folder / name) for name in ("closed", "killed", "without")}
    for name in ("killed", "without"):
        subprocess.run([sys.executable, "-c", _DIES, str(copies[name]), str(len(late))], cwd=ROOT, check=True)
    for path in copies["without"].glob(f"{DATABASE}*"):
        path.unlink()
    acknowledged = {"closed": ids, "killed": ids + late, "without": ids + late}
    names = {"closed": "closed in order", "killed": "killed, log of the last tenth", "without": "database deleted"}
    outcomes = []
    for name, copy in copies.items():
        outcome = Outcome(f"{labels:,} labels: {names[name]}", acknowledged=len(acknowledged[name]))
        outcome.look_at(copy, acknowledged[name])
        outcomes.append(outcome)
    return outcomes
