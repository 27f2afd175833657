"""The worker, or the desk that imports, dies at every step of an ingest."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ctc_core.jobs import Jobs
from ctc_core.settings import ROOT
from ctc_core.types import Role
from tests.faults.outcome import Outcome, build
from tests.support import make_archive

NEVER = 10**6


@contextmanager
def crashing(folder: Path) -> Iterator[Any]:
    """`ask(step)`: what is in the folder after a crash at that step, and a second attempt."""
    build(folder / "data", 5)
    archive = make_archive(folder / "inbox", "171651.1.2")
    job_id = Jobs(folder / "data").submit_ingest(archive, "P2", Role.REVIEW, "ann")
    (folder / "work").mkdir()
    command = [sys.executable, "-m", "tests.faults.crashing_ingest", str(folder / "data"), str(folder / "work"), job_id]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None

        def ask(step: int) -> dict[str, Any]:
            process.stdin.write(f"{step}\n")
            process.stdin.flush()
            answer: dict[str, Any] = json.loads(process.stdout.readline())
            return answer

        yield ask
        process.stdin.close()


def run(folder: Path, *, every: int = 1) -> list[Outcome]:
    """A crash at each `every`-th step."""
    outcome = Outcome("worker or importing desk killed in an ingest")
    with crashing(folder) as ask:
        whole = ask(NEVER)
        assert whole["killed"] is None
        for step in range(1, whole["steps"] + 1, every):
            _compare(outcome, whole["found"], ask(step), step)
    return [outcome]


def _compare(outcome: Outcome, whole: dict[str, Any], answer: dict[str, Any], step: int) -> None:
    outcome.faults += 1
    outcome.acknowledged += len(whole["decisions"])
    found = answer["found"]
    outcome.lost += len(set(whole["decisions"]) - set(found["decisions"])) + (found["cells"] != whole["cells"])
    outcome.doubled += found["journaled"] > whole["journaled"] or len(found["bundles"]) > len(whole["bundles"])
    if found != whole:
        differs = {key: found[key] for key in whole if found[key] != whole[key] and key != "cells"}
        outcome.other.append(f"step {step}, {answer['killed']}: {differs}")
