"""The process that reads archives: its limits, its death, and what it may not do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from ctc_core.cartridge import Grid, open_cartridge
from ctc_core.cartridge.guarded import FrameReader, GuardedCartridge, Limits, guarded, guarded_description
from ctc_core.errors import CartridgeError, FrameError
from tests.cartridge.made_hostile import zipped

COPY = "Copy the complete sample folder from the CellTracks export again"


@pytest.fixture
def opened(make, tmp_path: Path) -> Iterator[Callable[..., tuple[FrameReader, GuardedCartridge]]]:
    readers: list[FrameReader] = []

    def open_with(limits: Limits, grid: Grid | None = None) -> tuple[FrameReader, GuardedCartridge]:
        readers.append(FrameReader(limits))
        return readers[0], readers[0].open(make(grid=grid, events=()), tmp_path / "own")

    yield open_with
    for reader in readers:
        reader.close()


def test_it_reads_what_is_read_without_it(make, tmp_path: Path) -> None:
    path = make()
    plain = open_cartridge(path)
    with guarded(path) as cartridge:
        assert {**vars(cartridge), "reader": None} == {**vars(plain), "reader": None}
        for number in plain.frame_numbers:
            one, other = cartridge.read(number), plain.read(number)
            assert (one.channels, one.limits, one.flags) == (other.channels, other.limits, other.flags)
            np.testing.assert_array_equal(one.stretched, other.stretched)
        with pytest.raises(FrameError, match="the grid has frames 1 to 6"):
            cartridge.read(7)
    zip_path = zipped(sound=True)(path)
    with guarded(zip_path, tmp_path / "own") as cartridge:
        assert cartridge.path.is_relative_to(tmp_path / "own") and cartridge.events == plain.events
    assert guarded_description(zip_path)["events"] == 3


def test_a_frame_that_ends_the_process_is_left_out_and_the_third_refuses_the_archive(opened) -> None:
    reader, cartridge = opened(Limits())
    for number in (1, 2):
        os.kill(reader._process.pid, signal.SIGKILL)
        with pytest.raises(FrameError) as caught:
            cartridge.read(number)
        assert caught.value.reason == "reading it ended the process that did it (exit code -9)"
        assert cartridge.read(3).number == 3
    os.kill(reader._process.pid, signal.SIGSEGV)
    with pytest.raises(CartridgeError) as refused:
        cartridge.read(4)
    reason = "3 of its frames could not be read safely; reading frame 4 ended the process that did it (exit code -11)"
    assert str(refused.value) == f"171651.1.2: {reason}. {COPY}."


def test_a_frame_that_takes_too_long_is_left_out(opened) -> None:
    reader, cartridge = opened(Limits())
    reader.limits = Limits(seconds=1)
    os.kill(reader._process.pid, signal.SIGSTOP)
    with pytest.raises(FrameError) as caught:
        cartridge.read(1)
    assert caught.value.reason == "reading it took longer than 1 s"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts address space")
def test_a_frame_that_needs_too_much_memory_is_left_out(opened) -> None:
    _reader, cartridge = opened(Limits(memory=12 * 2**20), Grid(1, 1, 2000, 2000))
    with pytest.raises(FrameError) as caught:
        cartridge.read(1)
    assert caught.value.reason == "reading it needs more than 12 MiB of memory"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts address space")
def test_an_archive_that_needs_too_much_memory_is_refused(make, tmp_path: Path) -> None:
    path = make()
    xml = path / "171651.xml"
    records = "<record><rid>1</rid></record>" * 49_000
    xml.write_text(xml.read_text().replace("<events>", f"<events>{records}"))
    with closing(FrameReader(Limits(memory=8 * 2**20, seconds=60))) as reader, pytest.raises(CartridgeError) as caught:
        reader.open(path, tmp_path / "own")
    assert str(caught.value) == f"171651.1.2: opening it needs more than 8 MiB of memory. {COPY}."


TRIES = """
import os, socket, subprocess, sys, urllib.request
from pathlib import Path
from ctc_core.cartridge.decoder import _Guard
guard = _Guard()
guard.folder = sys.argv[1]
(Path(sys.argv[1]) / "inside").write_text("")
for attempt in (
    lambda: socket.create_connection(("127.0.0.1", 9), 1),
    lambda: socket.getaddrinfo("localhost", 80),
    lambda: urllib.request.urlopen("http://127.0.0.1:9/a.dtd"),
    lambda: subprocess.run(["true"]),
    lambda: os.system("true"),
    lambda: os.fork(),
    lambda: (Path(sys.argv[1]) / ".." / "outside").write_text(""),
    lambda: (Path(sys.argv[1] + "-beside")).mkdir(),
    lambda: os.open("/tmp/outside", os.O_WRONLY | os.O_CREAT),
):
    try:
        attempt()
    except OSError as error:
        print(type(getattr(error, "reason", error)).__name__)
    else:
        print("done")
"""


def test_it_opens_no_connection_starts_no_program_and_writes_nowhere_else(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    tried = subprocess.run(
        [sys.executable, "-c", TRIES, str(own)], capture_output=True, text=True, timeout=60, check=True
    )
    assert tried.stdout.split() == ["PermissionError"] * 9
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["inside", "own"]
