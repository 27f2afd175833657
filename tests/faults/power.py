"""Power cuts: whatever was not synced is dropped, kept, or torn page by page and in the middle of a page."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from ctc_core.errors import CTCError
from ctc_core.settings import ROOT
from tests.faults.outcome import DATABASE, Outcome

PAGE, SECTOR = 4096, 512
_NOT_CUT = ("crops", "owner.lock", "jobs")
"""Made again when the store is opened, or not of the store."""


@dataclass(frozen=True)
class Step:
    """The folder at one acknowledgement."""

    acknowledged: tuple[str, ...]
    """In this step."""
    safe: dict[str, bytes]
    """Files that are on the disk for certain."""
    seen: dict[str, bytes]
    """Files as the processes see them."""


def record(folder: Path, steps: int) -> list[Step]:
    """Let a process label, and copy its folder at each acknowledgement."""
    data, shadow, found = folder / "data", folder / "shadow", []
    data.mkdir(parents=True)
    command = [sys.executable, "-m", "tests.faults.recorded_labeller", str(data), str(shadow), str(steps)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None
        for line in process.stdout:
            seen = _files(data)
            safe = _files(shadow) | {name: seen[name] for name in seen if name.startswith(DATABASE)}
            found.append(Step(tuple(line.split()), safe, seen))
            process.stdin.write("\n")
            process.stdin.flush()
    assert process.returncode == 0
    return found


def _files(folder: Path) -> dict[str, bytes]:
    found = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    return {
        name: path.read_bytes()
        for name, path in found.items()
        if not name.startswith(_NOT_CUT) and ".before-open" not in name
    }


def cut(before: Step, after: Step, rng: random.Random) -> dict[str, bytes]:
    """Files after a cut between two acknowledgements: while the journal was written, or the database after it."""
    in_database = rng.random() < 0.5
    files = {}
    for name in sorted(before.safe.keys() | after.seen.keys()):
        old, new = before.safe.get(name), after.seen.get(name)
        if name.startswith(DATABASE) != in_database:  # not begun, or done and synced
            left = after.safe.get(name) if in_database else old
        else:
            left = _left(old, new, rng)
        if left is not None:
            files[name] = left
    return files


def _left(old: bytes | None, new: bytes | None, rng: random.Random) -> bytes | None:
    if old == new or rng.random() < 0.2:
        return old
    return new if new is None or rng.random() < 0.2 else _torn(old or b"", new, rng)


def _torn(old: bytes, new: bytes, rng: random.Random) -> bytes:
    """Each page old or new, one of them torn between two sectors; the length is the old or the new one."""
    size = rng.choice([len(old), len(new)])
    sources = (old.ljust(size, b"\0"), new.ljust(size, b"\0"))
    pages = [rng.choice(sources)[start : start + PAGE] for start in range(0, size, PAGE)]
    if pages:
        torn, sector = rng.randrange(len(pages)), SECTOR * rng.randrange(PAGE // SECTOR)
        first, second = (source[torn * PAGE : (torn + 1) * PAGE] for source in rng.sample(sources, 2))
        pages[torn] = first[:sector] + second[sector:]
    return b"".join(pages)[:size]


def run(folder: Path, *, cuts: int, steps: int = 40, seed: int = 0) -> list[Outcome]:
    """Each cut between two acknowledgements of one recording."""
    recorded, rng = record(folder / "recorded", steps), random.Random(seed)
    outcome = Outcome("power cut, un-synced writes dropped or torn")
    for number in range(cuts):
        at = rng.randrange(len(recorded) - 1)
        data = folder / f"cut{number}"
        for name, content in cut(recorded[at], recorded[at + 1], rng).items():
            (data / name).parent.mkdir(parents=True, exist_ok=True)
            (data / name).write_bytes(content)
        _look_at(outcome, data, [id_ for step in recorded[: at + 1] for id_ in step.acknowledged], number)
    return [outcome]


def _look_at(outcome: Outcome, data: Path, acknowledged: list[str], number: int) -> None:
    outcome.acknowledged += len(acknowledged)
    try:
        outcome.look_at(data, acknowledged)
    except CTCError as error:
        outcome.other.append(f"cut {number}: {error}")
    shutil.rmtree(data)
