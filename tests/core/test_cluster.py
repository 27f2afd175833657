"""Frames computed by real processes of a cluster: the same as here, whatever becomes of a worker."""

import json
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ctc_core import cluster, scheduler, workflows
from ctc_core.cartridge import VARIANTS
from ctc_core.cli import main
from ctc_core.cluster import Cluster, block_size
from ctc_core.scheduler import in_clear
from ctc_core.store import Store, read_bundle
from ctc_core.types import Role
from tests.cluster_processes import FRAMES, Desk, Processes, assert_same, desk_with, made_here, when
from tests.support import ARITHMETIC, BF16, OUTCOME


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    processes = Processes(tmp_path_factory.mktemp("cluster"))
    yield processes
    for name in list(processes.running):
        processes.kill(name)


@pytest.fixture
def processes(started: Processes, monkeypatch: pytest.MonkeyPatch) -> Processes:
    """A scheduler, two workers, no orders."""
    for order in ("calls", "slow", "fail", "fail-once", "hanging", "hang-a", "hang-b", "bf16-a", "bf16-b"):
        (started.folder / order).unlink(missing_ok=True)
    if "scheduler" not in started.running:
        started.start_scheduler()
    for name in {"a", "b"} - set(started.running):
        started.start_worker(name)
    monkeypatch.setattr("ctc_core.store.code_version", lambda: "tested")
    monkeypatch.setattr(cluster, "BLOCK", 3)
    monkeypatch.setattr(cluster, "SHARES", 1)
    monkeypatch.setattr(cluster, "LOOK", 0.05)
    monkeypatch.setattr(Cluster, "segmenter_id", "threshold-1")
    monkeypatch.setattr(Cluster, "encoder_id", "projection-1")
    return started


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return desk_with(tmp_path)


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


def test_workers_that_compute_differently_are_refused(processes: Processes, desk: Desk, tmp_path: Path) -> None:
    """Nothing is computed; without the order to be different, the same job is."""
    processes.order("bf16-b")
    state = desk.run(processes.address)
    assert state.state == "refused" and processes.calls().total() == 0
    assert re.fullmatch(
        r"Workers compute differently, and cells must not depend on which of them had a frame\. Beside 1 alike, "
        r"tcp://127\.0\.0\.1:\d+ has (precision|instructions) .*\. Give one scheduler machines of one kind .*",
        state.message,
    )
    (processes.folder / "bf16-b").unlink()
    desk.jobs.retry(desk.job_id)
    assert desk.run(processes.address).state == "finished"
    assert read_bundle(desk.bundle).manifest.parameters["made_with"] == ARITHMETIC
    assert_same(desk.bundle, made_here(desk, tmp_path / "here"))


def test_a_worker_that_comes_later_and_computes_differently_is_refused(processes: Processes, desk: Desk) -> None:
    """What the others have finished is kept."""
    processes.order("slow")
    change = when(lambda: processes.calls().total() >= 6, lambda: processes.order("bf16-b"))
    state = desk.run(processes.address, change)
    assert state.state == "refused" and 0 < state.done < FRAMES
    expected = "precision bf16 (not f32), instructions x86_64 amx_bf16 (not x86_64 avx2). Cells must not depend on who"
    assert "does not compute as the others did when this began: " + expected in state.message
    (processes.folder / "bf16-b").unlink()
    desk.jobs.retry(desk.job_id)
    assert desk.run(processes.address).state == "finished"
    assert processes.calls().total() <= FRAMES + 2


def test_frames_that_others_computed_are_not_mixed_in(processes: Processes, desk: Desk) -> None:
    """A job that began with other workers begins again."""
    processes.order("slow")
    cancel = when(lambda: processes.calls().total() >= 6, lambda: desk.jobs.cancel(desk.job_id))
    assert desk.run(processes.address, lambda *given: cancel(*given) if given[0] else None).state == "cancelled"
    begun = processes.calls().total()
    for name in ("bf16-a", "bf16-b"):
        processes.order(name)
    desk.jobs.retry(desk.job_id)
    assert desk.run(processes.address).state == "finished"
    assert processes.calls().total() == begun + FRAMES
    assert read_bundle(desk.bundle).manifest.parameters["made_with"] == ARITHMETIC | BF16


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
    assert ": the scheduler is gone. Finished frames are kept; start it and the workers, " in state.message


def test_without_a_scheduler(processes: Processes, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler, "CONNECT", 0.3)
    state = desk.run("tcp://127.0.0.1:9")
    assert state.state == "refused" and state.message.startswith("tcp://127.0.0.1:9: no scheduler answers there")


def test_every_worker_gets_its_share() -> None:
    sizes = {(175, 2): 8, (175, 8): 5, (175, 32): 1, (40, 2): 5, (3, 2): 1, (175, 0): 8, (1, 100): 1}
    assert {given: block_size(*given) for given in sizes} == sizes


def test_a_scheduler_elsewhere_needs_certificates_or_a_word(desk: Desk) -> None:
    state = desk.run("tcp://10.0.0.5:8786")
    assert state.state == "refused" and state.message.startswith("tcp://10.0.0.5:8786: another machine, without TLS")
    assert "Use tls://." in state.message and "CTC_CLUSTER_IN_CLEAR=1" in state.message


@pytest.mark.parametrize(
    ("address", "clear"),
    [
        ("tcp://127.0.0.1:8786", False), ("tcp://[::1]:8786", False), ("localhost:8786", False),
        ("tls://10.0.0.5:8786", False), ("tcp://10.0.0.5:8786", True), ("10.0.0.5:8786", True),
        ("tcp://[fe80::1]:8786", True), ("tcp://cluster.lab:8786", True), ("ucx://10.0.0.5:1", True),
        ("tcp://:1", True),
    ],
)  # fmt: skip
def test_what_goes_in_clear(address: str, clear: bool) -> None:
    assert in_clear(address) is clear


def test_without_the_package(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Cluster, "segmenter_id", "threshold-1")
    monkeypatch.setattr(Cluster, "encoder_id", "projection-1")
    monkeypatch.setitem(sys.modules, "distributed", None)
    state = desk.run("tcp://127.0.0.1:9")
    assert state.state == "refused" and state.message.startswith("A cluster needs the package distributed.")
