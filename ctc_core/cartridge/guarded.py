"""Open an archive and decode its frames in a process of its own, with a limit on memory and on time.

Libraries that decode images and XML have had errors that a prepared file turns into a crash, a hang or a full memory.
Here such a file ends the small process that reads it: a frame is set aside, or the archive is refused, and the worker
with its networks goes on.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ctc_core.cartridge.decoder import OUT_OF_MEMORY, cartridge_of
from ctc_core.cartridge.reader import Cartridge
from ctc_core.errors import CartridgeError, FrameError
from ctc_core.types import Channel, Frame

MAX_ANSWER = 64 * 2**20
"""Bytes; 50,000 events have 10 MB."""

_ROOT = Path(__file__).resolve().parents[2]
COPY = "Copy the complete sample folder from the CellTracks export again"


@dataclass(frozen=True)
class Limits:
    """What one archive may cost."""

    memory: int = 512 * 2**20
    """Bytes above what the reading process needs before it has opened anything."""
    seconds: float = 10.0
    """To open a folder, and to read a frame."""
    zip_bytes_per_second: float = 20 * 2**20
    """A zip is given this much longer to unpack."""
    frames: int = 3
    """So many frames may exceed a limit or end the process; then the archive is refused."""
    start: float = 60.0
    """Seconds for the process to begin, on a machine that computes something else."""


class ReadsFrames(Protocol):
    """What a cartridge asks for its frames."""

    def read(self, number: int) -> Frame:
        """Frame `number`, 1-based."""


@dataclass(frozen=True)
class GuardedCartridge(Cartridge):
    """A cartridge whose frames are decoded elsewhere."""

    reader: ReadsFrames

    def read(self, number: int) -> Frame:
        """As `Cartridge.read`. Raises `CartridgeError` once too many frames have overwhelmed the reading process."""
        self.grid.position(number)
        return self.reader.read(number)


@contextmanager
def guarded(path: Path, unpack_to: Path | None = None, limits: Limits = Limits()) -> Iterator[Cartridge]:
    """As `open_cartridge`, with everything of the archive read in another process while the context lasts.

    The caller owns `unpack_to` and removes it, also after a refusal: a process that was stopped cannot tidy up.
    Without one, a zip is unpacked into a temporary folder that goes with the context.
    """
    with tempfile.TemporaryDirectory(prefix="cartridge-") as scratch, closing(FrameReader(limits)) as reader:
        yield reader.open(path, unpack_to or Path(scratch))


def guarded_description(path: Path, limits: Limits = Limits()) -> dict[str, Any]:
    """As `cartridge.describe`, read in another process."""
    with tempfile.TemporaryDirectory(prefix="cartridge-") as scratch, closing(FrameReader(limits)) as reader:
        return reader.describe(path, Path(scratch))


class FrameReader:
    """Owner of the reading process; starts it again when an archive has ended it. One thread at a time is served."""

    def __init__(self, limits: Limits = Limits()) -> None:
        self.limits = limits
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._sample, self._unpack_to = Path(), ""
        self.lost = 0
        """Frames of the archive opened last that exceeded a limit or ended the process."""
        self._channels: tuple[Channel, ...] = ()

    def open(self, path: Path, unpack_to: Path) -> GuardedCartridge:
        """Open another archive. Raises `CartridgeError` where it cannot be accepted within the limits."""
        with self._lock:
            self.lost = 0
            self._unpack_to = str(unpack_to.resolve())
            cartridge = cartridge_of(self._find(path.resolve(), "open"))
            self._sample, self._channels = cartridge.path, cartridge.channels
        return GuardedCartridge(**{f.name: getattr(cartridge, f.name) for f in fields(cartridge)}, reader=self)

    def describe(self, path: Path, unpack_to: Path) -> dict[str, Any]:
        """As `cartridge.describe`; a zip goes to `unpack_to` for the moment. Raises `CartridgeError`."""
        with self._lock:
            self._unpack_to = str(unpack_to.resolve())
            return self._find(path.resolve(), "describe")

    def read(self, number: int) -> Frame:
        """Decode a frame of the archive opened last. Raises `FrameError`, and `CartridgeError` as `Limits` say."""
        with self._lock:
            if self._process is None:
                self._find(self._sample, "open")
            try:
                answer = self._ask({"read": number}, self.limits.seconds)
                if "unfit" in answer:
                    raise FrameError(number, answer["unfit"])
                return self._frame(number, answer)
            except _Ended as ended:
                raise self._lose(number, ended) from ended

    def close(self) -> None:
        """End the process. Harmless when it has ended."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _find(self, path: Path, verb: str) -> dict[str, Any]:
        seconds = self.limits.seconds
        if path.is_file():
            seconds += path.stat().st_size / self.limits.zip_bytes_per_second
        try:
            self._start()
            answer = self._ask({verb: str(path), "unpack_to": self._unpack_to}, seconds)
        except _Ended as ended:
            raise CartridgeError(path, f"opening it {ended}", COPY) from ended
        if "refused" in answer:
            raise CartridgeError(*answer["refused"])
        found: dict[str, Any] = answer["found"]
        return found

    def _frame(self, number: int, answer: dict[str, Any]) -> Frame:
        pixels = np.empty(answer["shape"], answer["dtype"])
        seconds = self.limits.seconds
        self._receive(pixels.data.cast("B"), time.monotonic() + seconds, seconds)
        limits = tuple(None if pair is None else (pair[0], pair[1]) for pair in answer["limits"])
        return Frame(number, self._channels, pixels, limits, tuple(answer["flags"]))

    def _lose(self, number: int, ended: _Ended) -> Exception:
        self.lost += 1
        if self.lost < self.limits.frames:
            return FrameError(number, f"reading it {ended}")
        reason = f"{self.lost} of its frames could not be read safely; reading frame {number} {ended}"
        return CartridgeError(self._sample, reason, COPY)

    def _start(self) -> None:
        if self._process is not None:
            return
        command = [sys.executable, "-B", "-m", "ctc_core.cartridge.decoder", str(self.limits.memory)]
        environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            command,
            cwd=_ROOT,
            env=environment,
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._answer(self.limits.start)

    def _ask(self, request: dict[str, Any], seconds: float) -> dict[str, Any]:
        assert self._process is not None and self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
        except BrokenPipeError:
            raise self._ended() from None
        return self._answer(seconds)

    def _answer(self, seconds: float) -> dict[str, Any]:
        deadline = time.monotonic() + seconds
        head = bytearray(8)
        self._receive(memoryview(head), deadline, seconds)
        text = bytearray(min(int.from_bytes(head), MAX_ANSWER))
        self._receive(memoryview(text), deadline, seconds)
        answer: dict[str, Any] = json.loads(text)
        return answer

    def _receive(self, target: memoryview, deadline: float, seconds: float) -> None:
        """Fill `target` from the process. Raises `_Ended`, the process gone, where it is late or has died."""
        assert self._process is not None and self._process.stdout is not None
        pipe = self._process.stdout
        while target:
            ready, _, _ = select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                self.close()
                raise _Ended(f"took longer than {seconds:.0f} s")
            n = os.readv(pipe.fileno(), [target])
            if not n:
                raise self._ended()
            target = target[n:]

    def _ended(self) -> _Ended:
        """Why the process is no more."""
        assert self._process is not None
        code = self._process.wait()
        self.close()
        if code == OUT_OF_MEMORY:
            return _Ended(f"needs more than {self.limits.memory / 2**20:,.0f} MiB of memory")
        return _Ended(f"ended the process that did it (exit code {code})")


class _Ended(Exception):
    """The reading process is gone; the text goes on from "reading it ..."."""
