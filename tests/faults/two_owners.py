"""Several processes that want the same data folder at the same time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from ctc_core.settings import ROOT
from tests.faults.outcome import Outcome, build

_WANTS_THE_STORE = """
import random, sys, time
from pathlib import Path
from ctc_core.errors import StoreBusy
from ctc_core.store import Store
from tests.faults.outcome import decide
busy = done = 0
while done < int(sys.argv[3]) and busy < 3000:
    try:
        with Store.open(Path(sys.argv[1])) as store:
            for i in range(5):
                id_ = f"{sys.argv[2]}-{done}-{i}"
                decide(store, [id_])
                print(id_, flush=True)
        done += 1
        time.sleep(random.random() / 50)
    except StoreBusy:
        busy += 1
        time.sleep(0.01)
print(busy, file=sys.stderr)
"""


def run(folder: Path, *, processes: int, turns: int) -> list[Outcome]:
    """All at once; each gets its turns. What one is refused, the others must not feel."""
    acknowledged = build(folder / "data", 50)
    command = [sys.executable, "-c", _WANTS_THE_STORE, str(folder / "data")]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "cwd": ROOT}
    started = [subprocess.Popen([*command, f"p{i}", str(turns)], **pipes) for i in range(processes)]
    refused = 0
    outcome = Outcome("two or more processes on one store")
    for process in started:
        out, errors = process.communicate()
        acknowledged += out.split()
        if process.returncode or not errors.strip().isdigit():
            outcome.other.append(errors.strip()[-300:])
        else:
            refused += int(errors)
    outcome.look_at(folder / "data", acknowledged)
    outcome.faults, outcome.acknowledged = refused, len(acknowledged)
    return [outcome]
