"""Faults: what is in the data folder when the store opens, and what must be there afterwards."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from ctc_core.errors import JournalError, StoreBusy, StoreError
from ctc_core.store import Store, verify
from ctc_core.types import Decision, Label, Role

MakeBundle = Callable[..., Path]
ROOT = Path(__file__).resolve().parents[2]


def decisions(count: int, start: int = 0) -> list[Decision]:
    return [
        Decision(f"d{i}", "C1", f"C1-001-{100 + i % 3:04d}-0050", None, list(Label)[i % 4], "ann", "s1")
        for i in range(start, start + count)
    ]


def content(store: Store) -> dict[str, object]:
    """All that a store filled again must hold as before."""
    cells = store.cells("C1", polygons=True)
    return {
        "decisions": store.decisions(),
        "current": store.current_labels("C1").to_dict("records"),
        "patients": store.patients().to_dict("records"),
        "cartridges": store.cartridges().astype(str).to_dict("records"),
        "cells": cells.astype(str).to_dict("records"),
        "models": [(m.model_id, m.kind, m.folder.name, m.parameters, m.active, m.created) for m in store.models()],
        "vectors": store.vectors("C1", "encoder-0")[1].tolist(),
        "runs": store.runs().to_dict("records"),
        "audit": store.audit().to_dict("records"),
    }


@pytest.fixture(scope="module")
def lived_in_once(filled_once: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, object]]:
    """Built once, copied by `lived_in`."""
    filled = Path(shutil.copytree(filled_once, tmp_path_factory.mktemp("lived-in") / "data"))
    with Store.open(filled) as store:
        store.decide(decisions(10))
        store.add_patient("P2", Role.REVIEW, "ann", "s1")
        store.set_role("P2", Role.TRAIN, "ann", "s1", "signed off")
        store.decide([*decisions(3, start=10), Decision("r1", "C1", None, "1", Label.CTC, "bob", "s2")])
        store.add_model("svm-1", "classifier", filled / "models" / "svm-1", {"C": 1}, "ann")
        store.activate_model("svm-1", "ann", "s1")
        store.record_run("fit", {}, {}, "svm-1", "ann")
        before = content(store)
    return filled, before


@pytest.fixture
def lived_in(lived_in_once: tuple[Path, dict[str, object]], tmp_path: Path) -> tuple[Path, dict[str, object]]:
    """A closed data folder with decisions, models and a changed role, and its content."""
    data, before = lived_in_once
    return Path(shutil.copytree(data, tmp_path / "data")), before


def flip(path: Path, position: int) -> None:
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    "fault",
    [
        lambda db: None,
        lambda db: db.unlink(),
        lambda db: db.write_bytes(b""),
        lambda db: db.write_bytes(os.urandom(50_000)),
        lambda db: os.truncate(db, db.stat().st_size // 2),
        lambda db: os.truncate(db, 5000),
        lambda db: flip(db, 100),
        lambda db: flip(db, 9000),
        lambda db: db.with_name("store.duckdb.wal").write_bytes(os.urandom(3000)),
        lambda db: (db.unlink(), db.with_name("store.duckdb.wal").write_bytes(b"orphan")),
    ],
)
def test_whatever_happened_to_the_file_the_content_is_the_same(
    lived_in: tuple[Path, dict[str, object]], fault: Callable[[Path], object]
) -> None:
    data, before = lived_in
    fault(data / "store.duckdb")
    with Store.open(data) as store:
        assert content(store) == before
        report = verify(store)
    assert (report.problems, report.decisions, report.cells) == ((), 14, 3)


def test_a_file_that_cannot_be_opened_is_kept(filled: Path) -> None:
    (filled / "store.duckdb").write_bytes(b"not a database")
    Store.open(filled).close()
    (broken,) = filled.glob("store.duckdb.broken-*")
    assert broken.read_bytes() == b"not a database"
    assert (filled / "store.duckdb.before-open").read_bytes() == b"not a database"


def test_a_log_without_its_file_is_kept(filled: Path) -> None:
    (filled / "store.duckdb").unlink()
    (filled / "store.duckdb.wal").write_bytes(b"orphan")
    Store.open(filled).close()
    (orphan,) = filled.glob("store.duckdb.orphaned-*.wal")
    assert orphan.read_bytes() == b"orphan"


def test_a_store_of_another_format_is_filled_again(lived_in: tuple[Path, dict[str, object]]) -> None:
    data, before = lived_in
    with duckdb.connect(data / "store.duckdb") as connection:
        connection.execute("UPDATE store_info SET schema_version = 0")
    with Store.open(data) as store:
        assert content(store) == before


def test_the_store_of_another_folder_is_set_aside(lived_in: tuple[Path, dict[str, object]], tmp_path: Path) -> None:
    data, before = lived_in
    with Store.open(tmp_path / "other") as other:
        for number in range(30):
            other.add_patient(f"X{number}", Role.TRAIN, "eve", "s9")
    shutil.copy(tmp_path / "other" / "store.duckdb", data / "store.duckdb")
    with Store.open(data) as store:
        assert content(store) == before


def test_an_older_copy_of_the_store_catches_up(lived_in: tuple[Path, dict[str, object]]) -> None:
    data, _ = lived_in
    shutil.copy(data / "store.duckdb", data / "older")
    with Store.open(data) as store:
        store.decide(decisions(5, start=100))
        before = content(store)
    (data / "older").replace(data / "store.duckdb")
    with Store.open(data) as store:
        assert content(store) == before


@pytest.mark.parametrize("lost", [1, 3, None])
def test_a_journal_that_lost_its_end_is_refused(lived_in: tuple[Path, dict[str, object]], lost: int | None) -> None:
    data, _ = lived_in
    (path,) = (data / "journal").glob("*.jsonl")
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-lost]) if lost else b"")
    expected = rf"The journal ends at entry {len(lines) - lost if lost else 0}, the store has received {len(lines)}"
    with pytest.raises(JournalError, match=expected):
        Store.open(data)
    assert verify(data).problems[0].startswith("The journal ends at entry")


def test_a_journal_written_anew_is_refused(lived_in: tuple[Path, dict[str, object]], tmp_path: Path) -> None:
    data, _ = lived_in
    shutil.copytree(data, tmp_path / "forged")
    (path,) = (tmp_path / "forged" / "journal").glob("*.jsonl")
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:4]))
    (tmp_path / "forged" / "store.duckdb").unlink()
    with Store.open(tmp_path / "forged") as forged:
        forged.decide([Decision(f"f{i}", "C1", "C1-001-0100-0050", None, Label.CTC, "eve", "s9") for i in range(20)])
    shutil.copy(path, data / "journal" / path.name)
    with pytest.raises(JournalError, match=r"Journal entry 5 .* is not the one the store received"):
        Store.open(data)


def test_an_edited_journal_is_refused_and_the_folder_is_free_again(filled: Path) -> None:
    (path,) = (filled / "journal").glob("*.jsonl")
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b'"train"', b'"test"'))
    for _ in range(2):
        with pytest.raises(JournalError, match=r"line 1 \(entry 1\)"):
            Store.open(filled)
    path.write_bytes(whole)
    Store.open(filled).close()


def test_a_missing_bundle_does_not_keep_other_decisions_away(filled: Path, make_bundle: MakeBundle) -> None:
    with Store.open(filled) as store:
        store.add_bundle(make_bundle("C2"))
        store.decide([*decisions(3), Decision("e1", "C2", "C2-001-0100-0050", None, Label.CTC, "ann", "s1")])
        bundle_id = store.cartridges().set_index("cartridge_id")["bundle_id"]["C1"]
        before = store.decisions()
    (filled / "bundles" / bundle_id).rename(filled / "lost")
    (filled / "store.duckdb").unlink()
    with Store.open(filled) as store:
        assert store.decisions() == before
        assert store.cartridges()["cartridge_id"].tolist() == ["C2"]
        (problem,) = store.problems
        assert problem.startswith("C1: the cartridge is not in the store.")
        assert problem in verify(store).problems
    (filled / "lost").rename(filled / "bundles" / bundle_id)
    with Store.open(filled) as store:
        assert store.cartridges()["cartridge_id"].tolist() == ["C1", "C2"]
        assert len(store.current_labels("C1")) == 3
        assert verify(store).ok


def test_a_cartridge_whose_bundle_was_lost_can_be_imported_again(filled: Path, make_bundle: MakeBundle) -> None:
    (filled / "store.duckdb").unlink()
    shutil.rmtree(filled / "bundles")
    with Store.open(filled) as store:
        assert len(store.problems) == 1
        store.add_bundle(make_bundle("C1"))
    (filled / "store.duckdb").unlink()
    with Store.open(filled) as store:
        assert (len(store.cells("C1")), store.problems) == (3, ())


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: os.truncate(path, 10)])
def test_missing_crops_come_back_from_the_bundle(filled: Path, damage: Callable[[Path], object]) -> None:
    (filled / "crops" / "C1.npy").rename(filled / "crops" / "x")  # the bundle's file has a second name here
    shutil.copy(filled / "crops" / "x", filled / "crops" / "C1.npy")
    damage(filled / "crops" / "C1.npy")
    with Store.open(filled) as store:
        assert store.crops("C1")[:, 0, 0, 0].tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "COPY cell TO 'cells.csv'",
        "ATTACH 'other.duckdb'",
        "INSTALL httpfs",
        "SET enable_external_access = true",
        "SET memory_limit = '1GB'",
    ],
)
def test_sql_reaches_nothing_outside(filled: Path, statement: str) -> None:
    with (
        Store.open(filled) as store,
        pytest.raises(StoreError, match="The store refused"),
        store._database.read() as cur,
    ):
        cur.execute(statement)


def test_one_owner_in_a_process(filled: Path) -> None:
    with Store.open(filled), pytest.raises(StoreBusy, match=f"in use by process {os.getpid()}. If that is the desk"):
        Store.open(filled)
    store = Store.open(filled)
    store.close()
    store.close()


def test_one_owner_among_processes(filled: Path) -> None:
    program = f"""
import sys
from pathlib import Path
from ctc_core.store import Store
store = Store.open(Path({str(filled)!r}))
print("open", flush=True)
sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "open\n"
        with pytest.raises(StoreBusy, match=f"in use by process {owner.pid}"):
            Store.open(filled)
        owner.kill()
        owner.wait()
    Store.open(filled).close()


def test_a_program_without_our_lock_is_named_too(filled: Path) -> None:
    program = f"""
import duckdb, sys
connection = duckdb.connect({str(filled / "store.duckdb")!r})
print("open", flush=True)
sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "open\n"
        with pytest.raises(StoreBusy, match=f"in use by process {owner.pid}"):
            Store.open(filled)
        owner.kill()
        owner.wait()
    assert not list(filled.glob("*.broken-*"))


LABELLER = """
import itertools, sys
from pathlib import Path
from ctc_core.store import Store
from ctc_core.types import Decision, Label
with Store.open(Path(sys.argv[1])) as store:
    for i in itertools.count():
        cell = f"C1-001-{100 + i % 3:04d}-0050"
        print(*store.decide([Decision(f"{sys.argv[2]}-{i}", "C1", cell, None, Label.CTC, "ann", "s1")]), flush=True)
"""


def test_killed_while_labelling(filled: Path, tmp_path: Path) -> None:
    acknowledged: list[str] = []
    for run in range(3):
        output = tmp_path / f"run{run}"
        with output.open("w") as file:
            labeller = subprocess.Popen(
                [sys.executable, "-c", LABELLER, str(filled), f"run{run}"], stdout=file, cwd=ROOT
            )
            deadline = time.monotonic() + 60
            while output.read_text().count("\n") < 10 + 7 * run and time.monotonic() < deadline:
                time.sleep(0.01)
            labeller.send_signal(signal.SIGKILL)
            labeller.wait()
        acknowledged += [line for line in output.read_text().splitlines(keepends=True) if line.endswith("\n")]
    assert len(acknowledged) >= 10 + 17 + 24
    with Store.open(filled) as store:
        saved = [row[0] for row in store.decisions()]
        assert len(saved) == len(set(saved))
        assert {line.strip() for line in acknowledged} <= set(saved)
        assert len(saved) - len(acknowledged) <= 3
        assert verify(store).ok
