"""Frames computed by real processes of a cluster: the same as here, whatever becomes of a worker."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from ctc_core import cluster, workflows
from ctc_core.cartridge import VARIANTS, Grid, Layout, open_cartridge, write_cartridge
from ctc_core.cli import main
from ctc_core.cluster import Cluster
from ctc_core.jobs import Jobs, JobState
from ctc_core.pipeline import ingest
from ctc_core.settings import ROOT, Settings
from ctc_core.store import Store, read_bundle
from ctc_core.types import Progress, Role, silent
from tests.support import DISCS, EVENTS, GRID, OUTCOME, ProjectingEmbedder, ThresholdSegmenter, scene

FRAMES, PATIENCE = 24, 300.0


@dataclass
class Processes:
    """A scheduler and workers, each a process, on this machine."""

    folder: Path
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str, *words: str) -> None:
        command = [sys.executable, "-m", "dask", *words, "--no-dashboard"]
        environment = os.environ | {"CTC_TEST_ORDERS": str(self.folder), "CTC_TEST_NAME": name}
        with (self.folder / f"{name}.log").open("wb") as log:
            self.running[name] = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)

    def start_scheduler(self) -> None:
        self.start("scheduler", "scheduler", "--host", "127.0.0.1", "--port", "0")

    def start_worker(self, name: str, threads: int = 1) -> None:
        options = ("--nthreads", str(threads), "--no-nanny", "--memory-limit", "0", "--preload", "tests.cluster_worker")
        self.start(name, "worker", self.address, "--local-directory", str(self.folder / name), *options)

    @property
    def address(self) -> str:
        log, until = self.folder / "scheduler.log", time.monotonic() + 60
        while time.monotonic() < until:
            found = [word for word in log.read_text().split() if word.startswith("tcp://")]
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
        return Counter((self.folder / "calls").read_text().split())


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    processes = Processes(tmp_path_factory.mktemp("cluster"))
    yield processes
    for name in list(processes.running):
        processes.kill(name)


@pytest.fixture
def processes(started: Processes, monkeypatch: pytest.MonkeyPatch) -> Processes:
    """A scheduler, two workers, no orders."""
    for order in ("calls", "slow", "fail", "fail-once", "hanging", "hang-a", "hang-b"):
        (started.folder / order).unlink(missing_ok=True)
    if "scheduler" not in started.running:
        started.start_scheduler()
    for name in {"a", "b"} - set(started.running):
        started.start_worker(name)
    monkeypatch.setattr("ctc_core.store.code_version", lambda: "tested")
    monkeypatch.setattr(cluster, "BLOCK", 3)
    monkeypatch.setattr(cluster, "LOOK", 0.05)
    monkeypatch.setattr(Cluster, "segmenter_id", "threshold-1")
    monkeypatch.setattr(Cluster, "encoder_id", "projection-1")
    return started


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


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return desk_with(tmp_path)


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
    ingest(archive, folder, ThresholdSegmenter(), ProjectingEmbedder(), **given)  # type: ignore[arg-type]
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


def test_a_worker_killed_in_the_middle_changes_nothing(processes: Processes, desk: Desk, tmp_path: Path) -> None:
    """It hangs in its third frame and is killed there: the other one computes that frame and what nobody had begun."""
    processes.order("hang-a")
    seen: list[tuple[int, int]] = []
    kill = when((processes.folder / "hanging").exists, lambda: processes.kill("a"))

    def progress(done: int, total: int, note: str) -> None:
        seen.append((done, total))
        kill(done, total, note)

    state = desk.run(processes.address, progress)
    assert (state.state, state.done, state.total) == ("finished", FRAMES, FRAMES)
    assert seen == sorted(seen) and len({done for done, _ in seen}) > 3
    assert processes.calls() == {"a": 3, "b": FRAMES - 2}
    assert_same(desk.bundle, made_here(desk, tmp_path / "here"))
    with Store.open(desk.jobs.folder.parent) as store:
        workflows.receive(store, desk.jobs, desk.job_id)
        assert len(store.cells("171651.1.2")) == 36


def test_a_broken_frame_is_quarantined_as_here(processes: Processes, tmp_path: Path) -> None:
    desk = desk_with(tmp_path, VARIANTS["truncated-page"])
    state = desk.run(processes.address)
    assert (state.result["status"], [frame["frame"] for frame in state.result["frames_quarantined"]]) == (
        "flagged",
        [2],
    )
    assert_same(desk.bundle, made_here(desk, tmp_path / "here"))


def test_a_zip_is_unpacked_once_where_all_see_it(processes: Processes, tmp_path: Path) -> None:
    desk = desk_with(tmp_path)
    expected = made_here(desk, tmp_path / "here")
    zipped = shutil.make_archive(str(tmp_path / "171651.1.2"), "zip", tmp_path / "inbox", "171651.1.2")
    other = Desk(desk.jobs, desk.jobs.create(Path(zipped), "p-1", Role.REVIEW, "anna"))
    assert other.run(processes.address).state == "finished"
    frames = [read_bundle(bundle).table("cells").to_pandas() for bundle in (other.bundle, expected)]
    assert frames[0].equals(frames[1])
    assert sorted(path.name for path in other.bundle.parent.iterdir()) == ["bundle", "job.json", "state.json"]


def test_the_command(processes: Processes, archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["ingest", str(archive), "--patient", "p-1", "--role", "train", "--scheduler", processes.address]
    with pytest.raises(SystemExit) as ended:
        main([*words, "--data", str(tmp_path / "data"), "--json"])
    assert not ended.value.code
    result = json.loads(capsys.readouterr().out)
    assert result.pop("seconds") > 0
    assert result == OUTCOME
    assert processes.calls().total() == 4


def test_a_block_that_failed_is_computed_again(processes: Processes, desk: Desk, tmp_path: Path) -> None:
    processes.order("fail-once")
    assert desk.run(processes.address).state == "finished"
    assert processes.calls().total() == FRAMES + 1
    assert_same(desk.bundle, made_here(desk, tmp_path / "here"))


def test_what_fails_again_and_again_fails_the_job(processes: Processes, desk: Desk) -> None:
    processes.order("fail")
    with pytest.raises(OSError, match="the disk is gone"):
        desk.run(processes.address)
    state = desk.jobs.state(desk.job_id)
    assert (state.state, state.message) == ("failed", "OSError: the disk is gone. The log has the details; try again.")


def test_cancelling_keeps_what_is_finished(processes: Processes, desk: Desk, tmp_path: Path) -> None:
    processes.order("slow")
    cancel = when(lambda: processes.calls().total() >= 6, lambda: desk.jobs.cancel(desk.job_id))
    first = desk.run(processes.address, lambda *given: cancel(*given) if given[0] else None)
    assert first.state == "cancelled" and 0 < first.done < FRAMES
    desk.jobs.retry(desk.job_id)
    assert desk.run(processes.address).state == "finished"
    assert processes.calls().total() <= FRAMES + 2  # each worker had a frame in hand
    assert_same(desk.bundle, made_here(desk, tmp_path / "here"))


def test_a_worker_that_does_not_see_the_shared_disk_is_named(
    processes: Processes, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    true = Cluster._work
    monkeypatch.setattr(Cluster, "_work", lambda *given: replace(true(*given), archive=Path("/mnt/lab/171651.1.2")))
    state = desk.run(processes.address)
    assert state.state == "refused" and "The worker on " in state.message
    words = "does not see /mnt/lab/171651.1.2. Mount the shared disk there under the same path, or stop this worker."
    assert state.message.endswith(words)


def test_a_worker_of_another_release_is_refused(
    processes: Processes, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ctc_core.store.code_version", lambda: "0123456789ab")
    state = desk.run(processes.address)
    assert state.state == "refused" and "than the desk (0123456789ab)" in state.message


def test_a_worker_with_other_models_is_refused(
    processes: Processes, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Cluster, "encoder_id", "projection-2")
    state = desk.run(processes.address)
    assert state.state == "refused" and "All machines must see the same disk and have the same models." in state.message


def test_a_worker_of_several_threads_is_refused(processes: Processes, desk: Desk) -> None:
    for name in ("a", "b"):
        processes.kill(name)
    processes.start_worker("c", threads=2)
    state = desk.run(processes.address)
    processes.kill("c")
    assert state.state == "refused" and state.message.endswith("Start it with --nthreads 1.")


def test_a_scheduler_that_is_gone_keeps_what_is_finished(processes: Processes, desk: Desk) -> None:
    processes.order("slow")

    def kill() -> None:
        for name in list(processes.running):
            processes.kill(name)

    with_some = when(lambda: processes.calls().total() >= 6, kill)
    state = desk.run(processes.address, lambda *given: with_some(*given) if given[0] else None)
    assert state.state == "failed" and 0 < state.done < FRAMES
    assert state.message.endswith("the scheduler is gone. Finished frames are kept; start it and try again.")


def test_without_a_scheduler(processes: Processes, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "CONNECT", 0.3)
    state = desk.run("tcp://127.0.0.1:9")
    assert state.state == "refused" and state.message.startswith("tcp://127.0.0.1:9: no scheduler answers there")


def test_without_the_package(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Cluster, "segmenter_id", "threshold-1")
    monkeypatch.setattr(Cluster, "encoder_id", "projection-1")
    monkeypatch.setitem(sys.modules, "distributed", None)
    state = desk.run("tcp://127.0.0.1:9")
    assert state.state == "refused" and state.message.startswith("A cluster needs the package distributed.")
