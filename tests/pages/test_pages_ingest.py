"""The ingest page: inbox, start, jobs in every state, what was set aside."""

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from ctc_core.errors import FrameError
from ctc_core.jobs import Jobs, JobState
from ctc_core.left_out import EVENT_ADVICE
from ctc_core.types import Role
from ctc_core.ui.desk import Desk, open_desk
from ctc_core.ui.messages import duration
from tests.pages.conftest import OpenApp
from tests.small_store import CARTRIDGE, PATIENT, write_small_bundle
from tests.support import make_archive

PAGE = "pages/cartridges/ingest.py"
RESULT: dict[str, Any] = {
    "cells": 1234, "frames_read": 5, "events": 10, "assigned": 5, "seconds": 12.3, "notes": [],
    "frames_quarantined": [
        {"frame": 6, "reason": "it ends in the middle of a page", "file": "frame_006.tif", "advice": "Export it again"}
    ],
    "events_quarantined": [{"rid": "r99", "reason": "the box lies outside the frame"}],
    "flags": [{"frame": 2, "flag": "all-black:ck"}],
}  # fmt: skip


def texts(at: AppTest) -> list[str]:
    return [text.value for text in at.text]


def job_in(data_dir: Path, state: JobState) -> str:
    jobs = Jobs(data_dir)
    job_id = jobs.create(data_dir / "171651.1.2", "p-1", Role.REVIEW, "anna")
    jobs.set_state(job_id, state)
    return job_id


def test_empty_inbox_says_where_archives_go(open_app: OpenApp, tmp_path: Path) -> None:
    at = open_app(PAGE)
    assert not at.exception
    assert (tmp_path / "inbox").is_dir()
    assert str(tmp_path / "inbox") in at.caption[0].value.replace("\\", "")
    assert [heading.value for heading in at.subheader] == ["The inbox is empty", "Jobs", "Cartridges in the store"]


def test_archive_is_described_and_started(open_app: OpenApp, tmp_path: Path) -> None:
    make_archive(tmp_path / "inbox", "171651.1.2")
    at = open_app(PAGE)
    found = dict(at.dataframe[0].value.to_numpy())
    assert (found["Cartridge"], found["Frames"], found["CellSearch events"], found["Assigned as CTC"]) == (
        "171651.1.2",
        "4",
        "3",
        "2",
    )
    at.text_input[0].set_value("p-7")
    at.radio[0].set_value(Role.TEST)
    at.button[0].click().run()
    assert not at.exception
    (status,) = Jobs(tmp_path / "data").status()
    assert (status.name, status.job.pseudonym, status.job.role, status.job.reader) == (
        "171651.1.2",
        "p-7",
        Role.TEST,
        "anna",
    )
    assert status.state.state == "queued"
    assert "171651.1.2, patient p-7 (test)" in texts(at)


def test_start_is_refused_for_a_patient_with_another_role(
    open_app: OpenApp, tmp_path: Path, small_store: Callable[..., Path]
) -> None:
    small_store()
    make_archive(tmp_path / "inbox", "171651.1.2")
    at = open_app(PAGE)
    at.text_input[0].set_value(PATIENT)
    at.radio[0].set_value(Role.TRAIN)
    at.button[0].click().run()
    assert "this patient has the role 'review'" in at.error[0].value.replace("\\", "")
    assert Jobs(tmp_path / "data").status() == []


@pytest.mark.parametrize("pseudonym", ["", "Anna Maria Schmidt", "../x", "=1"])
def test_start_needs_a_pseudonym(open_app: OpenApp, tmp_path: Path, pseudonym: str) -> None:
    make_archive(tmp_path / "inbox", "171651.1.2")
    at = open_app(PAGE)
    at.text_input[0].set_value(pseudonym)
    at.button[0].click().run()
    assert len(at.error) == 1
    assert Jobs(tmp_path / "data").status() == []


def test_something_that_is_no_archive_is_explained(open_app: OpenApp, tmp_path: Path) -> None:
    (tmp_path / "inbox" / "holiday").mkdir(parents=True)
    at = open_app(PAGE)
    assert not at.exception
    assert "no TIFF files" in at.warning[0].value


def test_running_job_shows_frames_and_can_be_cancelled(open_app: OpenApp, tmp_path: Path) -> None:
    running = JobState("running", 3, 6, "Frame 4", started=time.time() - 30, resumed_at=0)
    job_id = job_in(tmp_path / "data", running)
    at = open_app(PAGE)
    assert at.progress[0].value == 50
    assert re.fullmatch(r"3 of 6 frames, about \d+ s left\. Frame 4", at.progress[0].text)
    at.button(key=f"cancel-{job_id}").click().run()
    assert (tmp_path / "data" / "jobs" / job_id / "cancel").exists()


@pytest.mark.parametrize("state", ["refused", "failed", "cancelled"])
def test_ended_job_says_why_and_can_be_tried_again(open_app: OpenApp, tmp_path: Path, state: str) -> None:
    job_id = job_in(tmp_path / "data", JobState(state, message="171651.1.2: frame 3 is missing. Copy it again."))
    at = open_app(PAGE)
    assert "171651.1.2: frame 3 is missing. Copy it again." in texts(at)
    at.button(key=f"retry-{job_id}").click().run()
    assert not at.exception
    assert Jobs(tmp_path / "data").state(job_id).state == "queued"


def test_imported_job_lists_what_was_set_aside(open_app: OpenApp, tmp_path: Path) -> None:
    job_in(tmp_path / "data", JobState("imported", 6, 6, result=RESULT))
    at = open_app(PAGE)
    assert "1,234 cells in 5 frames, 10 CellSearch events (5 assigned as CTC), 12 s" in texts(at)
    assert at.dataframe[0].value.to_numpy().tolist() == [
        ["frame", "6", "frame_006.tif", "not counted: it ends in the middle of a page", "Export it again"],
        ["event", "r99", "", "not shown: the box lies outside the frame", ""],
        ["frame", "2", "", "counted, but odd: all-black:ck", ""],
    ]


def test_desk_imports_what_the_worker_finished(open_app: OpenApp, tmp_path: Path) -> None:
    data = tmp_path / "data"
    jobs = Jobs(data)
    job_id = jobs.create(tmp_path / "inbox" / CARTRIDGE, PATIENT, Role.REVIEW, "anna")
    write_small_bundle(jobs.folder / job_id / "bundle", n_cells=20)
    jobs.set_state(job_id, JobState("finished", 6, 6, result=RESULT))
    open_app(PAGE)
    open_desk().look_after_jobs()
    assert jobs.state(job_id).state == "imported"
    at = open_app(PAGE)
    table = at.dataframe[-1].value
    assert table[["cartridge_id", "pseudonym", "cells", "quarantined_frames"]].to_numpy().tolist() == [
        [CARTRIDGE, PATIENT, 20, 1]
    ]


def test_selected_cartridge_shows_its_quarantine_list(open_app: OpenApp, small_store: Callable[..., Path]) -> None:
    small_store()
    at = open_app(PAGE)
    at.session_state["ingest_cartridges"] = {"selection": {"rows": [0], "columns": []}}
    at.run()
    assert at.dataframe[-1].value.to_numpy().tolist() == [
        ["frame", "6", "not counted: frame_006.tif ends in the middle of a page", FrameError.ADVICE],
        ["event", "r99", "not shown: the box lies outside the frame", EVENT_ADVICE],
    ]
    assert at.page_link[0].value == f"Review {CARTRIDGE}"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "about 1 s"), (89, "about 89 s"), (95, "about 2 min"), (3600, "about 60 min"), (9000, "about 2.5 h")],
)
def test_time_left_in_words(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_worker_is_started_once_while_there_is_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []

    class Running:
        def __init__(self, command: list[str], **_: Any) -> None:
            commands.append(command)

        def poll(self) -> None:
            return None

        def terminate(self) -> None:
            commands.append(["terminate"])

        def wait(self) -> None:
            pass

    monkeypatch.setattr("ctc_core.ui.desk.subprocess.Popen", Running)
    monkeypatch.setenv("CTC_DATA_DIR", str(tmp_path / "data"))
    from ctc_core.settings import Settings

    desk = Desk(Settings())
    desk.look_after_jobs()
    assert commands == []
    job_in(tmp_path / "data", JobState("queued"))
    desk.look_after_jobs()
    desk.look_after_jobs()
    desk.close()
    ((_, *command), terminated) = commands
    assert command[:5] == ["-m", "ctc_core", "--data", str(tmp_path / "data"), "worker"]
    assert terminated == ["terminate"]
