"""A cluster of real processes on this machine, and whoever has a job for it."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ctc_core import workflows
from ctc_core.cartridge import Grid, Layout, open_cartridge, write_cartridge
from ctc_core.cluster import Cluster
from ctc_core.frames import Here
from ctc_core.jobs import Jobs, JobState
from ctc_core.pipeline import ingest_by
from ctc_core.settings import ROOT, Settings
from ctc_core.store import read_bundle
from ctc_core.types import Progress, Role, silent
from tests.support import ARITHMETIC, DISCS, EVENTS, GRID, ProjectingEmbedder, ThresholdSegmenter, scene

FRAMES, PATIENCE = 24, 300.0


@dataclass
class Processes:
    """A scheduler and workers, each a process, on this machine."""

    folder: Path
    protocol: str = "tcp"
    environment: dict[str, str] = field(default_factory=dict)
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str, *words: str) -> None:
        command = [sys.executable, "-m", "dask", *words, "--no-dashboard"]
        environment = os.environ | self.environment | {"CTC_TEST_ORDERS": str(self.folder), "CTC_TEST_NAME": name}
        with (self.folder / f"{name}.log").open("wb") as log:
            self.running[name] = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)

    def start_scheduler(self) -> None:
        self.start("scheduler", "scheduler", "--protocol", self.protocol, "--host", "127.0.0.1", "--port", "0")

    def start_worker(self, name: str, threads: int = 1) -> None:
        options = ("--nthreads", str(threads), "--no-nanny", "--memory-limit", "0", "--preload", "tests.cluster_worker")
        self.start(name, "worker", self.address, "--local-directory", str(self.folder / name), *options)

    @property
    def address(self) -> str:
        log, until = self.folder / "scheduler.log", time.monotonic() + 60
        while time.monotonic() < until:
            found = [word for word in log.read_text().split() if word.startswith(f"{self.protocol}://")]
            if found:
                return found[0]
            time.sleep(0.1)
        raise AssertionError(log.read_text())

    def kill(self, name: str) -> None:
        process = self.running.pop(name)
        process.send_signal(signal.SIGKILL)
        process.wait()

    def order(self, what: str) -> None:
        (self.folder / what).touch()

    def calls(self) -> Counter[str]:
        calls = self.folder / "calls"
        return Counter(calls.read_text().split() if calls.exists() else ())


@dataclass
class Desk:
    """Whoever has the job: a data folder, and an archive for it."""

    jobs: Jobs
    job_id: str

    def run(self, address: str, progress: Progress = silent) -> JobState:
        """Gives up when nothing comes of it."""
        until = time.monotonic() + PATIENCE

        def patient(done: int, total: int, note: str) -> None:
            assert time.monotonic() < until, note
            progress(done, total, note)

        cluster = Cluster(address, Settings(data_dir=self.jobs.folder.parent))
        workflows.run_ingest(self.jobs, self.job_id, None, patient, cluster=cluster)  # type: ignore[arg-type]
        return self.jobs.state(self.job_id)

    @property
    def bundle(self) -> Path:
        return self.jobs.folder / self.job_id / "bundle"


def desk_with(folder: Path, layout: Layout | None = None) -> Desk:
    scenes = (scene(DISCS[k % 4 + 1], seed=k) for k in range(FRAMES))
    grid = Grid(4, 6, GRID.width, GRID.height)
    archive = write_cartridge(folder / "inbox", "171651.1.2", scenes, EVENTS, grid, layout=layout)
    jobs = Jobs(folder / "data")
    return Desk(jobs, jobs.create(archive, "p-1", Role.REVIEW, "anna"))


def made_here(desk: Desk, folder: Path) -> Path:
    """The bundle that this process makes of the same archive."""
    folder.mkdir()
    archive = open_cartridge(Path(desk.jobs.job(desk.job_id).path))
    given = {"pseudonym": "p-1", "role": "review", "progress": silent}
    here = Here(ThresholdSegmenter(), ProjectingEmbedder(), made_with=ARITHMETIC)
    ingest_by(here, archive, folder, **given)  # type: ignore[arg-type]
    return folder / "bundle"


def assert_same(one: Path, other: Path) -> None:
    a, b = read_bundle(one), read_bundle(other)
    assert a.table("cells").to_pandas().equals(b.table("cells").to_pandas())
    np.testing.assert_array_equal(a.array("vectors"), b.array("vectors"))
    assert a.manifest.bundle_id == b.manifest.bundle_id


def when(condition: Callable[[], bool], act: Callable[[], None]) -> Progress:
    """A `Progress` that acts once."""
    acted: list[bool] = []

    def progress(_done: int, _total: int, _note: str) -> None:
        if not acted and condition():
            acted.append(True)
            act()

    return progress
