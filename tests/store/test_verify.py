import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ctc_core.store import Report, Store, verify
from ctc_core.types import Decision, Label

CELL = "C1-001-0100-0050"


@pytest.fixture
def desk(filled: Path) -> Iterator[Store]:
    """A store with cartridge C1, decisions d0 .. d29 on one cell and r1 on an event."""
    with Store.open(filled) as store:
        store.decide([Decision(f"d{i}", "C1", CELL, None, Label.CTC, "ann", "s1") for i in range(30)])
        store.decide([Decision("r1", "C1", None, "0", Label.CTC, "ann", "s1")])
        yield store


def change(store: Store, *statements: str) -> None:
    with store._database.write() as cur:
        for statement in statements:
            cur.execute(statement)


def test_a_sound_store(desk: Store, filled: Path) -> None:
    seq, head = desk.journal.head
    expected = Report((), entries=seq, head=head, decisions=31, cartridges=1, cells=3)
    assert verify(desk) == expected
    assert seq == 33
    desk.close()
    assert verify(filled) == expected
    assert expected.ok


@pytest.mark.parametrize(
    ("statement", "problems"),
    [
        ("DELETE FROM label_event WHERE id = 'd3'", ["Decision d3 (entry 6) is in the journal and not in the store."]),
        ("DELETE FROM review_event", ["Decision r1 (entry 33) is in the journal and not in the store."]),
        (
            "INSERT INTO label_event SELECT 'new', 99, * EXCLUDE (id, seq) FROM label_event WHERE id = 'd3'",
            ["Decision new is in the store and not in the journal."],
        ),
        ("UPDATE patient SET role = 'test'", ["Patient P1: the store says test, the journal train."]),
        ("INSERT INTO patient VALUES ('P2', 'test')", ["Patient P2: the store says test, the journal None."]),
        ("DELETE FROM embedding WHERE vector[1] = 2", ["C1: 2 vectors of encoder-0 for 3 cells."]),
        ("DELETE FROM cell WHERE crop_index = 2", ["C1: 3 crops for 2 cells."]),
        ("DELETE FROM cartridge", ["C1: in the journal and not in the store."]),
    ],
)
def test_what_differs_in_the_database_is_named(desk: Store, statement: str, problems: list[str]) -> None:
    change(desk, statement)
    assert list(verify(desk).problems) == problems


def test_a_changed_decision_is_named(desk: Store) -> None:
    change(desk, "UPDATE label_event SET label = 'unsure' WHERE id = 'd3'")
    (problem,) = verify(desk).problems
    assert problem.startswith("Decision d3: the store says (6, 'label', 'C1/C1-001-0100-0050', 'unsure'")


def test_many_differences_are_counted(desk: Store) -> None:
    change(desk, "DELETE FROM label_event")
    problems = verify(desk).problems
    assert len(problems) == 21
    assert problems[-1] == "... and 10 more of this kind."


def test_an_edited_journal_is_named(desk: Store, filled: Path) -> None:
    (path,) = desk.journal.files
    path.write_bytes(path.read_bytes().replace(b'"d7"', b'"d8"'))
    expected = f"{path.name}, line 10 (entry 10): the line was changed after it was written."
    assert verify(desk).problems[0].startswith(expected)
    desk.close()
    assert verify(filled).problems[0].startswith(expected)


def test_a_changed_bundle_is_named(desk: Store) -> None:
    (bundle,) = (desk.folder / "bundles").iterdir()
    (bundle / "cells.parquet").write_bytes(b"x")
    (problem,) = verify(desk).problems
    assert problem.startswith(f"{bundle}: cells.parquet was changed")
    shutil.rmtree(bundle)
    (problem,) = verify(desk).problems
    assert problem.startswith(f"{bundle}: not a bundle")


def test_changed_and_missing_crops_are_named(desk: Store) -> None:
    path, other = desk.folder / "crops" / "C1.npy", desk.folder / "crops" / "C1.events.npy"
    path.unlink()
    np.save(path, np.ones((4, 3, 48, 48), np.uint8))
    other.unlink()
    first, second, third = verify(desk).problems
    assert first.startswith(f"{path}: not the crops of the bundle")
    assert second == "C1: 4 crops for 3 cells."
    assert third.startswith("C1: no crops of its events")
