"""The process that reads one archive for `guarded`: `python -m ctc_core.cartridge.decoder BYTES`.

One JSON request a line on stdin; on stdout for each its answer, the length (8 bytes, big-endian) and then JSON, and
after the answer that describes a frame the frame's pixels. The process may use BYTES more memory than at its start,
write nowhere but below the folder that it unpacks to, start no program and open no connection.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from ctc_core.cartridge.describe import describe
from ctc_core.cartridge.events import Quarantined
from ctc_core.cartridge.grid import Grid
from ctc_core.cartridge.reader import Cartridge, open_cartridge
from ctc_core.errors import CartridgeError, FrameError
from ctc_core.types import Box, Channel, Event

OUT_OF_MEMORY = 77
"""Exit code."""

_FORBIDDEN = ("socket.", "subprocess.", "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "os.system", "ctypes.")
_MAKES = ("os.mkdir", "os.rename", "os.link", "os.symlink", "os.truncate")
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def main(memory: int) -> None:
    """Answer requests until stdin ends."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    guard = _Guard()
    _limit_memory(memory)
    _send(answers, {})
    cartridge: Cartridge | None = None
    for line in sys.stdin.buffer:
        request = json.loads(line)
        try:
            if "open" in request:
                guard.folder = tempfile.tempdir = request["unpack_to"]
                cartridge = _open(answers, Path(request["open"]), Path(request["unpack_to"]))
            elif "describe" in request:
                guard.folder = tempfile.tempdir = request["unpack_to"]
                _answer(answers, partial(describe, Path(request["describe"])))
            elif cartridge is not None:
                _read(answers, cartridge, int(request["read"]))
        except MemoryError:
            os._exit(OUT_OF_MEMORY)


def _open(answers: BinaryIO, path: Path, unpack_to: Path) -> Cartridge | None:
    opened: list[Cartridge] = []

    def found() -> dict[str, Any]:
        opened.append(open_cartridge(path, unpack_to))
        return asdict(opened[0])

    _answer(answers, found)
    return opened[0] if opened else None


def _answer(answers: BinaryIO, find: Callable[[], dict[str, Any]]) -> None:
    try:
        answer: dict[str, Any] = {"found": find()}
    except CartridgeError as error:
        answer = {"refused": [error.path, error.reason, error.advice]}
    _send(answers, answer)


def cartridge_of(found: dict[str, Any]) -> Cartridge:
    """The cartridge that went through JSON."""
    events = (Event(**{**event, "box": Box(**event["box"])}) for event in found["events"])
    return Cartridge(
        id=found["id"],
        path=Path(found["path"]),
        grid=Grid(**found["grid"]),
        files=tuple(map(Path, found["files"])),
        page_names=tuple(found["page_names"]),
        channels=tuple(map(Channel, found["channels"])),
        events=tuple(events),
        quarantined_events=tuple(Quarantined(**item) for item in found["quarantined_events"]),
        events_file=found["events_file"],
        assigned_rule=found["assigned_rule"],
        notes=tuple(found["notes"]),
    )


def _read(answers: BinaryIO, cartridge: Cartridge, number: int) -> None:
    try:
        frame = cartridge.read(number)
    except FrameError as error:
        _send(answers, {"unfit": error.reason})
        return
    pixels = frame.stretched
    described = {"shape": pixels.shape, "dtype": pixels.dtype.str, "limits": frame.limits, "flags": frame.flags}
    _send(answers, described, pixels.data.cast("B"))


def _send(answers: BinaryIO, answer: dict[str, Any], data: bytes | memoryview = b"") -> None:
    text = json.dumps(answer, default=str).encode()
    answers.write(len(text).to_bytes(8) + text)
    answers.write(data)
    answers.flush()


def _limit_memory(memory: int) -> None:
    """Linux counts address space; other systems may refuse the limit and rely on the time limit alone."""
    status = Path("/proc/self/statm")
    if status.exists():
        used = int(status.read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + memory, used + memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


class _Guard:
    """Refuses what reading an archive never needs, whichever library asks (PEP 578; compiled code is not seen)."""

    def __init__(self) -> None:
        self.folder: str | None = None
        sys.addaudithook(self._look)

    def _look(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event.startswith(_FORBIDDEN):
            message = f"{event} while an archive is read"
            raise PermissionError(message)
        writes = event in _MAKES or (event == "open" and bool((arguments[2] or 0) & _WRITES))
        if writes and not self._inside(arguments[0]):
            message = f"{event} outside of the folder to unpack to"
            raise PermissionError(message)

    def _inside(self, path: Any) -> bool:
        if self.folder is None or not isinstance(path, str | os.PathLike):
            return False
        where = os.path.abspath(path)  # noqa: PTH100  (no other form of it is as fast and takes `..` away)
        return where == self.folder or where.startswith(self.folder + os.sep)


if __name__ == "__main__":
    main(int(sys.argv[1]))
