"""Jobs outlive the processes that run them."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from ctc_core.errors import CartridgeError, StoreError
from ctc_core.jobs import Job, Jobs, JobState
from ctc_core.types import Progress, Role

DEAD = 2**22 + 1
"""No process has this number."""


@pytest.fixture
def jobs(tmp_path: Path) -> Jobs:
    return Jobs(tmp_path)


def _submit(jobs: Jobs, name: str = "171651.1.2") -> str:
    return jobs.submit_ingest(Path("/inbox") / name, "p-1", Role.REVIEW, "anna")


def _three_frames(job: Job, folder: Path, progress: Progress) -> dict[str, Any]:
    for done in range(4):
        progress(done, 3, f"Frame {done}")
    return {"cells": 5}


def test_a_job_keeps_what_it_was_asked(jobs: Jobs) -> None:
    before = time.time()
    job = jobs.job(_submit(jobs))
    assert (job.path, job.pseudonym, job.role, job.reader) == ("/inbox/171651.1.2", "p-1", Role.REVIEW, "anna")
    assert before <= job.created <= time.time()


def test_a_finished_job_holds_its_result(jobs: Jobs) -> None:
    job_id = _submit(jobs)
    jobs.run(job_id, _three_frames)
    assert jobs.state(job_id) == JobState("finished", done=3, total=3, result={"cells": 5})


def test_the_state_on_disk_follows_the_frames(jobs: Jobs) -> None:
    job_id, seen = _submit(jobs), []

    def work(job: Job, folder: Path, progress: Progress) -> dict[str, Any]:
        for done in range(3):
            progress(done, 2, "n")
            seen.append(
                (jobs.state(job_id).state, jobs.state(job_id).done, jobs.status_of(job_id).seconds_left is None)
            )
        return {}

    jobs.run(job_id, work)
    assert seen == [("running", 0, True), ("running", 1, False), ("running", 2, False)]


def test_time_left_counts_only_the_frames_of_this_run(jobs: Jobs) -> None:
    job_id = _submit(jobs)
    jobs.set_state(job_id, JobState("running", done=30, total=50, started=time.time() - 20.0, resumed_at=10))
    left = jobs.status_of(job_id).seconds_left
    assert left == pytest.approx(20.0, abs=1.0)


@pytest.mark.parametrize(
    ("error", "state"),
    [(CartridgeError("x", "no frames", "Give the folder"), "refused"), (StoreError("contradiction"), "failed")],
)
def test_our_errors_become_the_jobs_message(jobs: Jobs, error: Exception, state: str) -> None:
    job_id = _submit(jobs)

    def work(job: Job, folder: Path, progress: Progress) -> dict[str, Any]:
        raise error

    jobs.run(job_id, work)
    archive = isinstance(error, CartridgeError)
    result = {"file": "x", "cause": "no frames", "advice": "Give the folder"} if archive else {}
    assert jobs.state(job_id) == JobState(state, message=str(error), result=result)


def test_a_fault_of_ours_is_recorded_and_not_hidden(jobs: Jobs) -> None:
    job_id = _submit(jobs)

    def work(job: Job, folder: Path, progress: Progress) -> dict[str, Any]:
        raise ZeroDivisionError("oops")

    with pytest.raises(ZeroDivisionError):
        jobs.run(job_id, work)
    assert jobs.state(job_id).message == "ZeroDivisionError: oops. The log has the details; try again."


def test_cancelling_stops_between_frames(jobs: Jobs) -> None:
    job_id = _submit(jobs)

    def work(job: Job, folder: Path, progress: Progress) -> dict[str, Any]:
        progress(0, 9, "")
        progress(1, 9, "")
        jobs.cancel(job_id)
        progress(2, 9, "")
        raise AssertionError("not reached")

    jobs.run(job_id, work)
    message = "Cancelled after 2 of 9 frames; these are kept and need not be computed again."
    assert jobs.state(job_id) == JobState("cancelled", done=1, total=9, message=message)


def test_a_job_cancelled_while_waiting_never_runs(jobs: Jobs) -> None:
    job_id = _submit(jobs)
    jobs.cancel(job_id)
    jobs.run(job_id, lambda *_: pytest.fail("ran"))
    assert jobs.state(job_id).state == "cancelled"


def test_retry_queues_again(jobs: Jobs) -> None:
    job_id = _submit(jobs)
    jobs.cancel(job_id)
    jobs.retry(job_id)
    jobs.run(job_id, _three_frames)
    assert jobs.state(job_id).state == "finished"
    assert [task.args for task in jobs.huey.pending()] == [[job_id], [job_id]]


def test_the_same_command_goes_on_with_what_ended_early(jobs: Jobs) -> None:
    """Only with the same archive of the same patient by the same person, and not with what still runs."""
    same = (Path("/inbox/171651.1.2"), "p-1", Role.REVIEW, "anna")
    first = jobs.begin(*same)
    assert jobs.begin(*same) != first  # it waits
    jobs.set_state(first, JobState("running", pid=os.getpid(), started=time.time()))
    assert jobs.begin(*same) != first
    for state in (JobState("failed"), JobState("refused"), JobState("running", pid=DEAD, started=time.time())):
        jobs.set_state(first, state)
        assert jobs.begin(*same) == first
    jobs.cancel(first)
    jobs.set_state(first, JobState("cancelled"))
    assert jobs.begin(*same) == first and not jobs.is_cancelled(first)
    jobs.set_state(first, JobState("failed"))
    others = [
        (Path("/inbox/2"), *same[1:]),
        (same[0], "p-2", *same[2:]),
        (*same[:3], "ben"),
        (*same[:2], Role.TEST, "anna"),
    ]
    assert all(jobs.begin(*other) != first for other in others)
    jobs.set_state(first, JobState("imported"))
    assert jobs.begin(*same) != first


def test_a_result_is_not_computed_twice(jobs: Jobs) -> None:
    job_id = _submit(jobs)
    jobs.run(job_id, _three_frames)
    jobs.run(job_id, lambda *_: pytest.fail("ran again"))


def test_newest_first_and_by_state(jobs: Jobs) -> None:
    first = _submit(jobs, "a")
    time.sleep(0.01)
    second = _submit(jobs, "b")
    jobs.run(first, _three_frames)
    assert [status.name for status in jobs.status()] == ["b", "a"]
    assert (jobs.in_state("queued"), jobs.in_state("finished", "queued")) == ([second], [first, second])


def test_recover_finds_what_a_killed_process_left(tmp_path: Path) -> None:
    """A real process claims a job, is killed with SIGKILL, and the next worker takes the job up."""
    jobs = Jobs(tmp_path)
    killed, untouched = _submit(jobs, "a"), _submit(jobs, "b")
    jobs.huey.dequeue()
    code = (
        "import sys, time; from pathlib import Path; from ctc_core.jobs import Jobs\n"
        "def work(job, folder, progress):\n"
        "    progress(1, 6, 'Frame 2'); print('running', flush=True); time.sleep(60)\n"
        "Jobs(Path(sys.argv[1])).run(sys.argv[2], work)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path), killed], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == b"running\n"
        assert jobs.recover() == []
        process.kill()
    assert jobs.state(killed).state == "running"
    assert jobs.recover() == [killed]
    assert [task.args[0] for task in jobs.huey.pending()] == [untouched, killed]


def test_recover_queues_what_waits_without_being_queued(jobs: Jobs) -> None:
    job_id = _submit(jobs)
    jobs.huey.flush()
    assert jobs.recover() == [job_id]
    assert jobs.recover() == []


@pytest.mark.parametrize("damage", [b"", b"not a database", None])
def test_a_damaged_queue_is_set_aside_and_its_jobs_queued_again(tmp_path: Path, damage: bytes | None) -> None:
    first = Jobs(tmp_path)
    waiting = _submit(first)
    first.huey.storage.close()
    for path in tmp_path.glob("queue.sqlite*"):
        content = path.read_bytes()
        path.write_bytes(bytes(len(content) // 2) if damage is None else damage)
    jobs = Jobs(tmp_path)
    assert jobs.recover() == [waiting]
    assert [task.args[0] for task in jobs.huey.pending()] == [waiting]


def test_a_state_that_was_lost_can_be_tried_again(jobs: Jobs) -> None:
    job_id = _submit(jobs)
    (jobs.folder / job_id / "state.json").write_bytes(b"")
    assert jobs.state(job_id).state == "failed"
    assert jobs.status()[0].state.message == "Where this job stood was lost. Try it again."
    jobs.retry(job_id)
    assert jobs.state(job_id).state == "queued"
