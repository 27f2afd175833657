"""Processes that take turns, so that whatever else the machine does strikes all of them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from ctc_core.errors import CTCError
from ctc_core.settings import ROOT
from ctc_core.types import Progress

END = 20.0
"""Seconds that a process has to end."""


class Child:
    """One way of computing in a process of its own."""

    def __init__(self, name: str, archive: Path, labelled: int) -> None:
        self.name = name
        command = [sys.executable, "-m", "ctc_core.bench.child", name, str(archive), str(labelled)]
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.gflop: dict[str, float] = json.loads(self._answer())
        """Arithmetic of a frame and of a cell."""

    def measure(self, frames: int) -> dict[str, Any]:
        """One run over so many frames."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{frames}\n")
        self._process.stdin.flush()
        found: dict[str, Any] = json.loads(self._answer())
        return found

    def _answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            message = f"The process that computes '{self.name}' ended with {self._process.wait()}; see above."
            raise CTCError(message)
        return line

    def close(self) -> None:
        """End the process, which tidies up; one that does not is killed."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(timeout=END)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@contextmanager
def children(names: Sequence[str], archive: Path, labelled: int) -> Iterator[list[Child]]:
    """A process for each name, each ready."""
    with ExitStack() as stack:
        started = []
        for name in names:
            started.append(Child(name, archive, labelled))
            stack.callback(started[-1].close)
        yield started


def take_turns(
    running: Sequence[Child], frames: int, repeats: int, progress: Progress
) -> dict[str, list[dict[str, Any]]]:
    """`repeats` runs of each, A B C A B C ...; by name."""
    runs: dict[str, list[dict[str, Any]]] = {child.name: [] for child in running}
    for turn in range(repeats):
        for k, child in enumerate(running):
            runs[child.name].append(child.measure(frames))
            progress(turn * len(running) + k + 1, repeats * len(running), f"{child.name}, {frames} frames")
    return runs
