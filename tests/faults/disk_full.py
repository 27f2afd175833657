"""A disk that is full in the middle of labelling, and has room again later."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ctc_core.settings import ROOT
from tests.faults.outcome import DATABASE, Outcome, build

_LABELS_UNTIL_FULL = """
import resource, sys
from pathlib import Path
from ctc_core.errors import CTCError
from ctc_core.store import Store
from tests.faults.outcome import decide
store, limit = Store.open(Path(sys.argv[1])), int(sys.argv[2])
if limit:  # no file may grow beyond it
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
failed = []
for i in range(20000):
    id_ = f"{sys.argv[3]}-{i}"
    try:
        decide(store, [id_])
        print(id_, flush=True)
    except CTCError as error:
        print(error, file=sys.stderr)
        failed.append(id_)
    if len(failed) == 3:
        break
if limit:  # there is room again: what was not acknowledged is sent again
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    try:
        decide(store, failed)
        print(*failed, flush=True)
    except CTCError as error:
        print("NEEDS A RESTART", error, file=sys.stderr)
"""


def run(folder: Path, *, times: int, seed: int = 0) -> list[Outcome]:
    """A limit on the size of files; and a small disk of its own, where we may mount one."""
    rng, limited = random.Random(seed), Outcome("files cannot grow (limit of the process)")
    data = folder / "data"
    acknowledged = build(data, 200)
    for number in range(times):
        grown = max(path.stat().st_size for path in (data / "journal").glob("*.jsonl"))
        acknowledged += _fill(data, grown + rng.randrange(200, 20_000), f"limit{number}", limited)
        limited.look_at(data, acknowledged)
    limited.acknowledged = len(acknowledged)
    return [limited, *_on_a_small_disk(folder, rng, times)]


def _fill(data: Path, limit: int, name: str, outcome: Outcome) -> list[str]:
    """Label until three decisions in a row were not saved; the ids that were acknowledged."""
    command = [sys.executable, "-c", _LABELS_UNTIL_FULL, str(data), str(limit), name]
    done = subprocess.run(command, cwd=ROOT, input="", text=True, capture_output=True, check=False)
    assert done.stderr, "the disk was never full"
    outcome.other += [line for line in done.stderr.splitlines() if line.startswith("NEEDS A RESTART")]
    return done.stdout.split()


def _on_a_small_disk(folder: Path, rng: random.Random, times: int) -> Iterator[Outcome]:
    outcome, acknowledged = Outcome("disk full (a file system of 24 MB)"), []
    with _small_disk(folder / "disk") as disk:
        if disk is None:
            return
        acknowledged += build(disk / "data", 200)
        for number in range(times):
            free = shutil.disk_usage(disk).free
            (disk / "other").write_bytes(bytes(max(0, free - rng.randrange(10_000, 60_000))))
            acknowledged += _fill(disk / "data", 0, f"disk{number}", outcome)
            (disk / "other").unlink()
            outcome.look_at(disk / "data", acknowledged)
            for copy in (disk / "data").glob(f"{DATABASE}.broken-*"):
                copy.unlink()
        outcome.acknowledged = len(acknowledged)
        yield outcome


@contextmanager
def _small_disk(place: Path) -> Iterator[Path | None]:
    """None where this user, or this machine, may not mount anything."""
    place.mkdir(parents=True)
    options = ["-t", "tmpfs", "-o", "size=24m", "tmpfs", str(place)]
    mounted = (
        os.geteuid() == 0 and subprocess.run(["mount", *options], capture_output=True, check=False).returncode == 0
    )
    try:
        yield place if mounted else None
    finally:
        if mounted:
            subprocess.run(["umount", str(place)], check=True)
