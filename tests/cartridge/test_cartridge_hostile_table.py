"""Every hostile archive of `made_hostile` through the whole path, in the process that reads archives for the worker."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from ctc_core.cartridge import Grid, Layout
from ctc_core.cartridge.guarded import FrameReader, Limits
from ctc_core.errors import CartridgeError
from ctc_core.pipeline import ingest
from ctc_core.segment import Outlines
from ctc_core.types import silent
from tests.cartridge import made_hostile
from tests.cartridge.conftest import EVENTS
from tests.cartridge.made_hostile import HEIGHT, WIDTH
from tests.cartridge.made_hostile_more import MORE
from tests.support import ProjectingEmbedder

CASES = made_hostile.CASES | MORE
MEMORY = 512 * 2**20
CLEAR_EVENTS = tuple(replace(event, numselected=1) for event in EVENTS)


class NoCells:
    """A network that finds nothing: reading is what is tried here."""

    id = "none"

    def outlines(self, _ck: np.ndarray) -> Outlines:
        return Outlines(np.zeros((0, 2), np.float32), np.zeros((0, 32, 2), np.float32), np.zeros(0, np.float32))


@pytest.fixture(scope="module")
def reader() -> Iterator[FrameReader]:
    """One process for all cases: whatever one of them leaves behind would meet the next."""
    reader = FrameReader(Limits(seconds=60))  # on a busy machine, too, every case shall be seen to its end
    yield reader
    reader.close()


def files(folder: Path) -> set[tuple[str, int]]:
    return {(str(path), path.lstat().st_size) for path in folder.rglob("*")}


def ingested(reader: FrameReader, path: Path, data: Path) -> dict[str, Any]:
    """What `ingest --json` says, as far as the archive goes."""
    try:
        cartridge = reader.open(path, data / "unpacked")
        answer = ingest(
            cartridge, data, NoCells(), ProjectingEmbedder(), pseudonym="p-1", role="review", progress=silent
        )
    except CartridgeError as error:
        answer = {"status": "refused", "file": error.file, "cause": error.reason, "advice": error.advice}
    return json.loads(json.dumps(answer, allow_nan=False))


@pytest.mark.parametrize("name", CASES)
def test_each_hostile_archive_comes_to_its_outcome(name: str, make, reader: FrameReader, tmp_path: Path) -> None:
    case = CASES[name]
    archive = make(Layout(), grid=Grid(2, 3, WIDTH, HEIGHT), events=CLEAR_EVENTS)
    path = made if isinstance(made := case.change(archive), Path) else archive
    data = tmp_path / "data"
    data.mkdir()
    before = files(tmp_path) - files(data)
    process = reader._process
    answer = ingested(reader, path, data)
    check(case.outcome, answer, case.file, case.reason)
    left = sorted(entry.name for entry in data.iterdir() if entry.name != "unpacked")
    assert left == ([] if case.outcome == "refuse" else ["bundle"])
    assert case.outcome != "refuse" or list(data.glob("unpacked/*")) == []
    assert {entry for entry in files(tmp_path) if not entry[0].startswith(str(data))} == {
        entry for entry in before if entry[0] != str(data)
    }
    assert process in (None, reader._process), "the reading process ended"


def check(outcome: str, answer: dict[str, Any], file: str, reason: str) -> None:
    if outcome == "refuse":
        assert (answer["status"], answer["file"]) == ("refused", file)
        assert reason in answer["cause"] and answer["advice"]
        return
    left_out = [(item["frame"], item["file"], item["advice"]) for item in answer["frames_quarantined"]]
    frames, events = (5, 3) if outcome == "frame" else (6, 2) if outcome == "event" else (6, 3)
    assert (answer["frames_read"], answer["events"]) == (frames, events)
    assert answer["status"] == ("accepted" if outcome == "accept" else "flagged")
    assert left_out == ([(2, file, "Export it again; the other frames are not affected")] if outcome == "frame" else [])
    if outcome == "frame":
        assert reason in answer["frames_quarantined"][0]["reason"]
    if outcome == "event":
        (event,) = answer["events_quarantined"]
        assert event["file"] == file and reason in event["reason"] and event["advice"]
    if outcome == "flag":
        assert {file, reason} <= {item["flag"] for item in answer["flags"]}


def test_there_are_at_least_eighty_of_every_kind_of_outcome() -> None:
    outcomes = [case.outcome for case in CASES.values()]
    assert len(outcomes) >= 80 and set(outcomes) == {"accept", "flag", "frame", "event", "refuse"}


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux says how much memory a process ever had")
def test_all_of_them_together_needed_little_memory(reader: FrameReader) -> None:
    """Runs after the table: the highest the process ever had, and it is still the first one."""
    assert reader._process is not None
    status = Path(f"/proc/{reader._process.pid}/status").read_text().splitlines()
    peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) * 1024
    assert peak < MEMORY
    assert psutil.Process(reader._process.pid).net_connections() == []
    assert os.getpid() != reader._process.pid
