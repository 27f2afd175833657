"""A backup made while readers label, restored elsewhere: nothing acknowledged before it is missing."""

import hashlib
import json
import shutil
import threading
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from ctc_core import backups, job_kinds
from ctc_core.cli import main
from ctc_core.errors import JournalError, StoreError, UserError
from ctc_core.job import Kind
from ctc_core.jobs import Jobs
from ctc_core.networks import Networks
from ctc_core.settings import Settings
from ctc_core.store import Store, verify
from ctc_core.store.backup import back_up, newest, read_manifest, restore
from ctc_core.types import Decision, Label

CELL = "C1-001-0100-0050"


def decide(store: Store, *ids: str) -> None:
    store.decide([Decision(id_, "C1", CELL, None, Label.CTC, "ann", "s1", "sure") for id_ in ids])


@pytest.fixture
def lived_in(filled: Path) -> Path:
    """Ten decisions, a model in the data folder, a file that is being written."""
    (filled / "models" / "svm-1").mkdir(parents=True)
    (filled / "models" / "svm-1" / "config.json").write_text("{}")
    (filled / "models" / ".svm-2").mkdir()
    with Store.open(filled) as store:
        decide(store, *(f"d{i}" for i in range(10)))
        store.add_model("svm-1", "classifier", filled / "models" / "svm-1", {}, "ann")
    return filled


def content(store: Store) -> list[object]:
    tables = (store.cells("C1"), store.audit(), store.patients(), store.readings())
    return [store.decisions(), store.vectors("C1", "encoder-0")[1].tolist(), store.crops("C1").tolist()] + [
        table.astype(str).to_dict("list") for table in tables
    ]


def test_restored_elsewhere_it_is_the_same(lived_in: Path, tmp_path: Path) -> None:
    with Store.open(lived_in) as store:
        before, head = content(store), store.journal.head
        made = back_up(lived_in, tmp_path / "disk")  # beside the owner of the store
    shutil.rmtree(lived_in)
    report = restore(made, tmp_path / "machine" / "data")
    assert (report.problems, report.entries, report.head) == ((), *head)
    with Store.open(tmp_path / "machine" / "data") as store:
        assert content(store) == before
        (model,) = store.models()
        assert model.folder == tmp_path / "machine" / "data" / "models" / "svm-1"
        assert model.folder.is_dir()
        decide(store, "later")
    assert sorted(path.name for path in made.iterdir()) == ["backup.json", "bundles", "journal", "models"]
    assert not (made / "models" / ".svm-2").exists()


def test_readers_label_on_while_it_is_made(lived_in: Path, tmp_path: Path) -> None:
    acknowledged: list[str] = []
    enough = threading.Event()

    def read_on(store: Store, name: str) -> None:
        number = 0
        while not enough.is_set():
            decide(store, f"{name}{number}")
            acknowledged.append(f"{name}{number}")
            number += 1

    with Store.open(lived_in) as store:
        threads = [threading.Thread(target=read_on, args=(store, name)) for name in "abcdefghij"]
        for thread in threads:
            thread.start()
        made, known = [], []
        for _ in range(3):
            known.append(list(acknowledged))
            made.append(back_up(lived_in, tmp_path / f"disk{len(made)}"))
        enough.set()
        for thread in threads:
            thread.join()
    for number, (backup, before) in enumerate(zip(made, known, strict=True)):
        data = tmp_path / f"restored{number}"
        assert restore(backup, data).ok
        with Store.open(data) as store:
            saved = [row[0] for row in store.decisions()]
        assert set(before) <= set(saved)
        assert len(saved) == len(set(saved))


def test_what_did_not_change_is_stored_once(lived_in: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = back_up(lived_in, tmp_path / "disk")
    monkeypatch.setattr("ctc_core.store.backup._STAMP", "29990101T%H%M%SZ")
    (lived_in / "models" / "svm-1" / "config.json").write_text("{ }")
    second = back_up(lived_in, tmp_path / "disk")
    assert newest(tmp_path / "disk") == second
    same = [
        name for name in read_manifest(second).files if (first / name).stat().st_ino == (second / name).stat().st_ino
    ]
    assert sorted(set(read_manifest(second).files) - set(same)) == [
        next((second / "journal").iterdir()).relative_to(second).as_posix(), "models/svm-1/config.json",
    ]  # fmt: skip
    assert (first / "models" / "svm-1" / "config.json").read_text() == "{}"


def test_what_is_no_backup_is_not_restored(lived_in: Path, tmp_path: Path) -> None:
    made = back_up(lived_in, tmp_path / "disk")
    with pytest.raises(UserError, match="not empty"):
        restore(made, lived_in)
    with pytest.raises(UserError, match="not a backup"):
        restore(lived_in, tmp_path / "new")
    (crops,) = made.glob("bundles/*/crops.npy")
    crops.write_bytes(crops.read_bytes()[:-1] + b"\7")
    with pytest.raises(StoreError, match=r"crops.npy: not as it was backed up. Use another backup"):
        restore(made, tmp_path / "new")
    crops.unlink()
    with pytest.raises(StoreError, match=r"crops.npy: cannot be restored"):
        restore(made, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def edit(backup: Path, **values: object) -> None:
    manifest = json.loads((backup / "backup.json").read_text())
    (backup / "backup.json").write_text(json.dumps({**manifest, **values}))


@pytest.mark.parametrize("name", ["../outside", "/tmp/outside", "journal/../../outside", "store.duckdb", "", "crops\0"])
def test_an_edited_backup_writes_nowhere_else(lived_in: Path, tmp_path: Path, name: str) -> None:
    """Its hash may be right: whoever edits the manifest can write that as well."""
    made = back_up(lived_in, tmp_path / "disk")
    (made / "outside").write_text("evil")
    edit(made, files={**read_manifest(made).files, name: hashlib.sha256(b"evil").hexdigest()})
    before = {path for path in tmp_path.rglob("*") if "disk" not in path.parts}
    with pytest.raises(UserError, match=r"not a backup \(its time or one of its file names cannot be\)"):
        restore(made, tmp_path / "new")
    assert {path for path in tmp_path.rglob("*") if "disk" not in path.parts} == before


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{}", b"\xff", b'{"format": "x"}', b"[" * 100_000, b'{"files": {"journal/x": 7}}'],
    ids=["empty", "list", "nothing", "no text", "another form", "deep", "numbers"],
)
def test_a_damaged_manifest_is_told_in_one_line(lived_in: Path, tmp_path: Path, content: bytes) -> None:
    made = back_up(lived_in, tmp_path / "disk")
    (made / "backup.json").write_bytes(content)
    with pytest.raises(UserError) as caught:
        restore(made, tmp_path / "new")
    assert str(caught.value).startswith(f"{made}: not a backup (") and "\n" not in str(caught.value)


def test_a_backup_without_its_last_month_is_refused(lived_in: Path, tmp_path: Path) -> None:
    """Each file that is left is sound, and the chain of what is left as well."""
    made = back_up(lived_in, tmp_path / "disk")
    files = read_manifest(made).files
    (month,) = (name for name in files if name.startswith("journal/"))
    lines = (made / month).read_bytes().splitlines(keepends=True)
    (made / month).write_bytes(b"".join(lines[:-1]))
    edit(made, files={**files, month: hashlib.sha256(b"".join(lines[:-1])).hexdigest()})
    with pytest.raises(StoreError, match=r"its journal ends at entry 12 \(.*\), the backup was made of 13 \("):
        restore(made, tmp_path / "new")
    assert sorted(path.name for path in tmp_path.iterdir() if "new" in path.name) == []


def test_a_data_folder_that_is_a_file_is_refused(lived_in: Path, tmp_path: Path) -> None:
    made = back_up(lived_in, tmp_path / "disk")
    (tmp_path / "new").write_text("something")
    with pytest.raises(UserError, match="not empty"):
        restore(made, tmp_path / "new")


def test_a_copy_that_went_bad_is_not_handed_on(lived_in: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Backups share what did not change; a flipped bit there must not be in every later one."""
    first = back_up(lived_in, tmp_path / "disk")
    (crops,) = first.glob("bundles/*/crops.npy")
    crops.write_bytes(crops.read_bytes()[:-1] + b"\7")
    monkeypatch.setattr("ctc_core.store.backup._STAMP", "29990101T%H%M%SZ")
    second = back_up(lived_in, tmp_path / "disk")
    with pytest.raises(StoreError, match="not as it was backed up"):
        restore(first, tmp_path / "new")
    assert restore(second, tmp_path / "new").ok


def test_a_damaged_or_wrongly_dated_backup_does_not_put_off_the_next(lived_in: Path, tmp_path: Path) -> None:
    settings, jobs = Settings(data_dir=lived_in, backup_dir=tmp_path / "disk"), Jobs(lived_in)
    now = datetime.now().astimezone()
    first = back_up(lived_in, settings.backups)
    assert not backups.is_due(settings, jobs, now + timedelta(seconds=1))
    edit(first, created=(now + timedelta(days=900)).isoformat())
    assert backups.is_due(settings, jobs, now) and backups.age(settings) is None
    (first / "backup.json").write_text("{")
    assert backups.is_due(settings, jobs, now) and backups.age(settings) is None
    assert (newest(settings.backups), backups.damaged(settings)) == (None, [first])
    first.rename(first.with_name("20200101T000000Z"))
    second = back_up(lived_in, settings.backups)
    assert newest(settings.backups) == second
    assert restore(settings.backups, tmp_path / "new").ok


def test_an_older_backup_is_never_restored_by_itself(
    lived_in: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the newest cannot be read, an older one lacks decisions: a person has to name it."""
    first = back_up(lived_in, tmp_path / "disk")
    monkeypatch.setattr("ctc_core.store.backup._STAMP", "29990101T%H%M%SZ")
    second = back_up(lived_in, tmp_path / "disk")
    (second / "backup.json").write_text("{")
    with pytest.raises(UserError) as caught:
        restore(tmp_path / "disk", tmp_path / "new")
    assert str(caught.value) == (
        f"{second}: its backup.json was changed or cut; nothing was restored."
        f" {first} can be read and lacks what was decided since; name it."
    )
    (first / "backup.json").write_text("{")
    with pytest.raises(UserError, match=r"nothing was restored\. No other can be read\.$"):
        restore(tmp_path / "disk", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_an_edited_journal_is_not_backed_up(lived_in: Path, tmp_path: Path) -> None:
    (path,) = (lived_in / "journal").glob("*.jsonl")
    path.write_bytes(path.read_bytes().replace(b'"d3"', b'"d4"'))
    with pytest.raises(JournalError):
        back_up(lived_in, tmp_path / "disk")
    assert list((tmp_path / "disk").iterdir()) == []


def test_a_damaged_bundle_is_told(lived_in: Path, tmp_path: Path) -> None:
    (crops,) = lived_in.glob("bundles/*/crops.npy")
    crops.write_bytes(crops.read_bytes()[:-1] + b"\7")
    (problem,) = read_manifest(back_up(lived_in, tmp_path / "disk")).problems
    assert problem.startswith("C1: ") and "crops.npy was changed" in problem


def test_commands(lived_in: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def run(*arguments: str) -> dict[str, object]:
        with pytest.raises(SystemExit) as ended:
            main([*arguments, "--json"])
        assert ended.value.code == 0
        answer: dict[str, object] = json.loads(capsys.readouterr().out.splitlines()[-1])
        return answer

    made = run("backup", str(tmp_path / "disk"), "--data", str(lived_in))
    assert (made["entries"], made["problems"]) == (13, [])
    back = run("restore", str(tmp_path / "disk"), "--data", str(tmp_path / "new"))
    assert (back["ok"], back["entries"], back["head"], back["decisions"]) == (True, 13, made["head"], 10)


def test_every_night(lived_in: Path, tmp_path: Path) -> None:
    """Due once a night, made by a job, and again the night after; the last fourteen are kept."""
    settings, jobs = Settings(data_dir=lived_in, backup_dir=tmp_path / "disk"), Jobs(lived_in)
    today = datetime.now().astimezone()
    night = today.replace(hour=2, minute=0, second=0, microsecond=0)
    next_night = night + timedelta(days=1 if today >= night else 0)
    assert backups.is_due(settings, jobs, today)
    job_id = jobs.request(Kind.BACKUP, "ann", str(settings.backups))
    assert not backups.is_due(settings, jobs, today)  # it waits to be made
    with Store.open(lived_in) as store:
        job_kinds.prepare(store, jobs, job_id)
        assert jobs.state(job_id).state == "queued"
        job_kinds.run(jobs, job_id, Networks(settings))
        job_kinds.receive(store, jobs, job_id)
    state = jobs.state(job_id)
    assert (state.state, state.result["entries"], state.result["problems"]) == ("imported", 13, [])
    assert not backups.is_due(settings, jobs, today)
    assert not backups.is_due(settings, jobs, next_night - timedelta(seconds=1))
    assert backups.is_due(settings, jobs, next_night + timedelta(days=1, hours=1))
    age = backups.age(settings)
    assert age is not None and age < timedelta(minutes=5)


def test_a_journal_written_anew_is_known_by_its_backups(lived_in: Path, tmp_path: Path) -> None:
    settings = Settings(data_dir=lived_in, backup_dir=tmp_path / "disk")
    assert backups.heads(settings) == []
    with Store.open(lived_in) as store:
        head = store.journal.head[1]
        back_up(lived_in, settings.backups)
        decide(store, "later")
        assert (backups.heads(settings), verify(store, backups.heads(settings)).ok) == ([head], True)
    with Store.open(tmp_path / "forged") as forged:
        assert verify(forged, backups.heads(settings)).problems == (
            f"{head}: no entry of the journal has this hash. It was rewritten or cut, or the hash is of another desk.",
        )


def test_old_backups_go(tmp_path: Path) -> None:
    for day in range(1, 18):
        folder = tmp_path / f"202601{day:02d}T020000Z"
        folder.mkdir()
        (folder / "backup.json").write_text("{}")
    (tmp_path / "photographs").mkdir()
    backups.prune(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *(f"202601{day:02d}T020000Z" for day in range(4, 18)), "photographs",
    ]  # fmt: skip


def test_nothing_appears_where_the_disk_is_full(
    lived_in: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ctc_core.store.backup.shutil.copyfile", full)
    with pytest.raises(StoreError, match="the backup was not made"):
        back_up(lived_in, tmp_path / "disk")
    assert list((tmp_path / "disk").iterdir()) == []
