"""The shipped networks on real pixels, in the processes that a lab runs: nothing here is a stand-in.

The pixels are StarDist's own fluorescence image (real nuclei, in the package, never trained on), written as a small
CellTracks archive: the image as CK and DAPI, an empty CD45 page.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ctc_core.cartridge import Grid, write_cartridge
from ctc_core.jobs import Jobs
from ctc_core.segment.evaluate import stardist_test_image
from ctc_core.store import Store, verify
from ctc_core.types import Box, Event, Role
from ctc_core.workflows import receive

FRAMES = 6


@pytest.fixture(scope="module")
def pixels() -> tuple[NDArray[np.uint16], NDArray[np.int32]]:
    """The image as (4, h, w) grey values 0..4095, rescaled to CellSearch's size of a cell, and its label image."""
    sample = stardist_test_image()
    image = np.clip(sample.image, 0, None)
    grey = (image / image.max() * 3800 + 100).astype(np.uint16)
    empty = np.random.default_rng(0).normal(120, 4, grey.shape).astype(np.uint16)
    return np.stack([grey, empty, grey, empty]), np.asarray(sample.labels, np.int32)


@pytest.fixture(scope="module")
def archive(pixels: tuple[NDArray[np.uint16], NDArray[np.int32]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six frames, each the real image turned another way; frame 1 as it is."""
    scene, labels = pixels
    side = min(scene.shape[1:]) // 2 * 2
    scenes = [np.rot90(scene[:, :side, :side], k, axes=(1, 2)).copy() for k in range(FRAMES)]
    y, x = (int(values.mean()) for values in np.nonzero(labels[:side, :side] == labels[side // 2, side // 2]))
    events = [Event("1", 1, Box(x - 9, y - 9, x + 9, y + 9), assigned=True)]
    return write_cartridge(tmp_path_factory.mktemp("real"), "3.1", scenes, events, Grid(2, 3, side, side))


def _command(data: Path, *words: str) -> list[str]:
    return [sys.executable, "-m", "ctc_core", "--data", str(data), *words]


def test_real_nuclei_arrive_in_the_store(archive: Path, pixels: tuple[NDArray, NDArray], tmp_path: Path) -> None:
    """`ingest` as a command. At least 80 % of the nuclei of frame 1 must contain the centre of exactly one cell."""
    words = _command(tmp_path, "ingest", str(archive), "--patient", "real", "--role", "review", "--json")
    ran = subprocess.run(words, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    outcome = json.loads(ran.stdout.splitlines()[-1])
    assert (outcome["cartridge_id"], outcome["frames_read"], outcome["events"]) == ("3.1", FRAMES, 1)
    with Store.open(tmp_path) as store:
        cells = store.cells("3.1").query("frame == 1")
        ids, vectors = store.vectors("3.1", str(store.cartridges().encoder_id[0]))
        assert len(store.cells("3.1")) == outcome["cells"] == len(ids) and np.isfinite(vectors).all()
        assert verify(store).ok
    side = min(pixels[1].shape) // 2 * 2
    truth = pixels[1][:side, :side]
    hit = truth[np.round(cells.y).astype(int).clip(0, side - 1), np.round(cells.x).astype(int).clip(0, side - 1)]
    nuclei = np.setdiff1d(np.unique(truth), [0])
    once = np.isin(nuclei, [label for label, n in zip(*np.unique(hit, return_counts=True), strict=True) if n == 1])
    assert once.mean() >= 0.8
    # Frame 5 is frame 1 turned by a full circle: the same pixels give the same number of cells.
    with Store.open(tmp_path) as store:
        per_frame = store.cells("3.1").groupby("frame").size()
    assert abs(per_frame[5] - per_frame[1]) <= 0.1 * per_frame[1]


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Started workers; those still running are ended."""
    started: list[subprocess.Popen[bytes]] = []
    yield started
    for process in started:
        process.kill()
        process.wait()


def _start(data: Path, started: list[subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
    started.append(subprocess.Popen(_command(data, "worker"), stderr=subprocess.DEVNULL))
    return started[-1]


def _wait(jobs: Jobs, job_id: str, *states: str, done: int = 0, seconds: float = 240) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        state = jobs.state(job_id)
        if state.state in states and state.done >= done:
            return
        time.sleep(0.02)
    pytest.fail(f"the job is {jobs.state(job_id)}, expected {states}")


def test_a_killed_worker_resumes_from_its_finished_frames(
    archive: Path, tmp_path: Path, worker: list[subprocess.Popen[bytes]]
) -> None:
    """SIGKILL in the middle; the next worker goes on; the bundle equals that of an undisturbed run."""
    jobs = Jobs(tmp_path)
    job_id = jobs.submit_ingest(archive, "real", Role.REVIEW, "anna")
    first = _start(tmp_path, worker)
    _wait(jobs, job_id, "running", done=2)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    parts = tmp_path / "jobs" / job_id / "parts"
    kept = {path: path.stat().st_mtime_ns for path in parts.glob("*/*.json")}
    assert len(kept) >= 2
    second = _start(tmp_path, worker)
    _wait(jobs, job_id, "running", done=3)
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    _wait(jobs, job_id, "finished")
    undisturbed = jobs.submit_ingest(archive, "real", Role.REVIEW, "anna")
    _wait(jobs, undisturbed, "finished")
    second.terminate()
    manifests = [
        json.loads((tmp_path / "jobs" / j / "bundle" / "manifest.json").read_text()) for j in (job_id, undisturbed)
    ]
    assert manifests[0]["bundle_id"] == manifests[1]["bundle_id"]
    with Store.open(tmp_path) as store:
        receive(store, jobs, job_id)
        assert store.cartridges().cartridge_id.tolist() == ["3.1"]
    assert jobs.state(job_id).state == "imported"


def test_one_worker_for_each_data_folder(tmp_path: Path, worker: list[subprocess.Popen[bytes]]) -> None:
    _start(tmp_path, worker)
    deadline = time.monotonic() + 60
    while not (tmp_path / "worker.lock").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)
    other = subprocess.run(_command(tmp_path, "worker"), capture_output=True, text=True, check=False, timeout=60)
    assert (other.returncode, other.stderr.strip()) == (0, f"Another worker serves {tmp_path}.")
