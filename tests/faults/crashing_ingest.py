"""Ingests that are killed at a chosen step and taken up again.

`python -m tests.faults.crashing_ingest TEMPLATE WORK JOB` reads numbers from stdin. For each, a copy of the folder
TEMPLATE is ingested and imported by a process that kills itself when it is about to change the disk for the n-th time
(opens a file to write, renames, links, makes or removes something); another process then does what the desk does when
it starts. Prints one JSON line: the step at which it was killed (null: it came to its end), the number of steps, and
what is in the folder afterwards.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ctc_core import pipeline, workflows
from ctc_core.cartridge import Cartridge, guarded, open_cartridge
from ctc_core.jobs import Jobs
from ctc_core.store import Store, verify
from tests.faults.outcome import fresh_copy
from tests.support import ARITHMETIC, ProjectingEmbedder, ThresholdSegmenter

assert pipeline  # imported here, once, and not in each of the processes
_CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.truncate", "shutil.move")


class FakeNetworks:
    """Networks that need no weights."""

    lanes = 1
    segmenter, embedder = ThresholdSegmenter(), ProjectingEmbedder()
    arithmetic = ARITHMETIC


@contextmanager
def _plain(path: Path, unpack_to: Path) -> Iterator[Cartridge]:
    """Reads in this process: starting another one takes longer than all the rest."""
    yield open_cartridge(path, unpack_to=unpack_to)


def kill_at(step: int, folder: Path, note: Path) -> None:
    """Kill this process when it is about to change something in `folder` for the n-th time; notes count and place."""
    count = 0

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal count
        writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        if not (writes or event in _CHANGES) or not str(arguments[0]).startswith(str(folder)):
            return
        count += 1
        os.pwrite(descriptor, f"{count} {event} {Path(str(arguments[0])).relative_to(folder)}\n".encode().ljust(300), 0)
        if count == step:
            os.kill(os.getpid(), signal.SIGKILL)

    descriptor = os.open(note, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    sys.addaudithook(hook)


def ingest(data: Path, job_id: str) -> None:
    """The worker's half and the desk's half."""
    jobs = Jobs(data)
    jobs.recover()
    if jobs.state(job_id).state != "imported":
        workflows.run_ingest(jobs, job_id, FakeNetworks())  # type: ignore[arg-type]
    with Store.open(data) as store:
        for finished in jobs.in_state("finished"):
            workflows.receive(store, jobs, finished)


def found(data: Path, job_id: str) -> dict[str, Any]:
    """What the folder holds in the end."""
    state = Jobs(data).state(job_id)
    with Store.open(data) as store:
        cartridges = list(store.cartridges().cartridge_id)
        return {
            "state": state.state,
            "cells": sorted(id_ for name in cartridges for id_ in store.cells(name).cell_id),
            "cartridges": cartridges,
            "journaled": sum(entry.kind == "cartridge" for entry in store.journal.entries()),
            "bundles": sorted(path.name for path in (data / "bundles").iterdir()),
            "decisions": [row[0] for row in store.decisions()],
            "problems": list(verify(store).problems),
        }


def in_child(work: Callable[[], object], answer: Path | None = None) -> int:
    """Run in a forked process; its result goes to `answer` as JSON. How it ended: 0, or minus the signal."""
    child = os.fork()
    if child == 0:
        result = work()
        if answer:
            answer.write_text(json.dumps(result))
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main(template: Path, work: Path, job_id: str) -> None:
    guarded.guarded = _plain  # type: ignore[assignment]
    for line in sys.stdin:
        data, note, answer = fresh_copy(template, work / "data"), work / "note", work / "answer"

        def crash(step: int = int(line), data: Path = data, note: Path = note) -> None:
            kill_at(step, data, note)
            ingest(data, job_id)

        killed = in_child(crash) != 0
        in_child(lambda data=data: ingest(data, job_id))  # type: ignore[misc]
        in_child(lambda data=data: found(data, job_id), answer)  # type: ignore[misc]
        count, event, path = note.read_text().split(maxsplit=2)
        at = f"{event} {path.strip()}" if killed else None
        print(json.dumps({"killed": at, "steps": int(count), "found": json.loads(answer.read_text())}), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
