"""The System page: an empty desk, one with a backup, and a backup asked for."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ctc_core.jobs import Jobs, Kind
from ctc_core.store.backup import back_up
from tests.pages.conftest import OpenApp

PAGE = "pages/system/system.py"


def test_an_empty_desk_says_that_there_is_no_backup(open_app: OpenApp) -> None:
    at = open_app(PAGE)
    assert not at.exception
    assert [title.value for title in at.title] == ["System"]
    assert at.warning[0].value == "There is no backup yet. One is made every night."
    assert "No classifier and no map yet." in [caption.value for caption in at.caption]


def test_a_backup_shows_its_age(
    open_app: OpenApp, small_store: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = small_store()
    monkeypatch.setenv("CTC_BACKUP_DIR", str(tmp_path / "disk"))
    made = back_up(data, tmp_path / "disk")
    at = open_app(PAGE)
    assert not at.exception and not at.warning
    shown = {metric.label: (metric.value, metric.delta) for metric in at.metric}
    assert shown["Age of the newest backup"][0] in ("0 min", "1 min", "2 min")
    assert shown["Age of the newest backup"][1].startswith("4 entries, ")
    assert str(made) in [text.value for text in at.text]
    assert at.dataframe[0].value["Model"].tolist() == ["classifier-of-tests"]


def test_an_old_backup_is_a_warning(
    open_app: OpenApp, small_store: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CTC_BACKUP_DIR", str(tmp_path / "disk"))
    made = back_up(small_store(), tmp_path / "disk")
    manifest = json.loads((made / "backup.json").read_text())
    manifest["created"] = datetime(2026, 1, 2, tzinfo=UTC).isoformat()
    (made / "backup.json").write_text(json.dumps(manifest))
    at = open_app(PAGE)
    assert at.warning[0].value == "The last night brought no backup. Look at the jobs below."


def test_a_disk_that_is_nearly_full_is_a_warning(open_app: OpenApp, free_gb: Callable[[float], None]) -> None:
    free_gb(4.9)
    at = open_app(PAGE)
    assert at.warning[0].value == "The disk is nearly full. Make room before anything is ingested."
    assert {metric.label: metric.value for metric in at.metric}["Free on this disk"] == "4.9 GB"


def test_a_backup_is_asked_for(open_app: OpenApp, small_store: Callable[..., Path]) -> None:
    data = small_store()
    at = open_app(PAGE)
    next(button for button in at.button if button.label == "Back up now").click().run()
    assert not at.exception
    (asked,) = Jobs(data).status(Kind.BACKUP)
    assert (asked.job.path, asked.job.reader) == (str((data / "backups").resolve()), "anna")
    assert next(button for button in at.button if button.label == "Back up now").disabled
