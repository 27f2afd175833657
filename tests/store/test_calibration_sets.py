"""Calibration sets: fixed once made, answers kept apart from labels, blind until a reader is done."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from ctc_core.accounts import AccountRole
from ctc_core.errors import DecisionRefused, NotAllowed, StoreError
from ctc_core.store import Store, verify
from ctc_core.store.accounts import Person
from ctc_core.types import Decision, Label
from tests.mapped_store import label, label_all

CTC, NON_CTC, UNSURE = Label.CTC, Label.NON_CTC, Label.UNSURE


@pytest.fixture
def store(mapped_store: Path) -> Iterator[Store]:
    """Cells 0 to 59 of T1 are labelled by anna; every third, from the first on, is a CTC."""
    with Store.open(mapped_store) as store:
        yield store


def cell(store: Store, number: int) -> str:
    return str(store.cells("T1").cell_id[number])


def make(store: Store, *numbers: int) -> str:
    labels = ["ctc" if number % 3 == 0 else "non-ctc" for number in numbers]
    cells = {"cell_id": [cell(store, n) for n in numbers], "label": labels, "hard": [n % 2 == 0 for n in numbers]}
    return store.add_calibration_set(pd.DataFrame(cells), reader="anna", session="s")


def answer(
    store: Store, number: int, value: Label | None, reader: str = "bela", *, id_: str = "", seen: str = ""
) -> Decision:
    name = id_ or f"{reader}-{number}-{value}"
    return Decision(name, "T1", cell(store, number), None, value, reader, "s", seen=seen or None)


def answers(store: Store, set_id: str) -> list[tuple[object, ...]]:
    found = store.calibration_answers(set_id)
    return [tuple(row) for row in found[["cell_id", "reader", "label", "known"]].to_numpy()]


def everything_else(store: Store) -> list[object]:
    """What answers must not touch."""
    pool = store.training_pool("encoder-of-tests")
    tables = [store.readings(), store.consensus(), store.label_table(), store.read_twice(), store.cartridges()]
    words = [store.last_words(), store.conflicts().empty, store.askable("encoder-of-tests"), len(store.decisions())]
    return [pool.cell_ids, pool.labels.tolist(), *words, *(table.to_csv() for table in tables)]


def test_settled_cells_are_labelled_cells_of_training_patients(store: Store) -> None:
    label_all(store, "T1", {0: UNSURE, 61: UNSURE}, "doubt")
    store.decide([Decision("b", "T1", cell(store, 1), None, NON_CTC, "bela", "s")])
    store.decide([Decision("c", "T1", cell(store, 3), None, NON_CTC, "bela", "s")])  # a conflict with anna
    found = store.settled_cells()
    assert len(found) == 118  # 60 of T1, 60 of T2, none of the test patient; not the unsure one nor the conflict
    assert found.cell_id.is_monotonic_increasing and found.probability.notna().all()
    readers = dict(zip(found.cell_id, found.readers, strict=True))
    assert (readers[cell(store, 1)], readers[cell(store, 2)]) == (2, 1)
    assert not {cell(store, 0), cell(store, 3), cell(store, 61)} & set(found.cell_id)


def test_answers_touch_no_label_and_are_shown_when_the_reader_is_done(store: Store) -> None:
    before = everything_else(store)
    set_id = make(store, 0, 1, 2)
    basis = store.basis()
    sent = [answer(store, 0, CTC), answer(store, 1, CTC), answer(store, 2, UNSURE)]
    assert store.calibrate(set_id, sent) == tuple(one.id for one in sent)
    queue = store.calibration_queue(set_id, "bela")
    assert list(zip(queue.cell_id, queue.label, strict=True)) == [
        (one.cell_id, value) for one, value in zip(sent, ("ctc", "ctc", "unsure"), strict=True)
    ]
    assert store.calibration_queue(set_id, "anna").label.isna().all()
    assert answers(store, set_id) == []
    assert store.basis() == basis  # what is kept of the store while readers decide stays kept
    store.end_calibration(set_id, reader="bela", session="s")
    store.end_calibration(set_id, reader="bela", session="s")
    store.calibrate(set_id, [answer(store, number, CTC, "anna") for number in range(3)])
    store.end_calibration(set_id, reader="anna", session="s")
    ids = [one.cell_id for one in sent]
    assert answers(store, set_id) == [
        (ids[0], "bela", "ctc", False), (ids[1], "bela", "ctc", False), (ids[2], "bela", "unsure", False),
        (ids[0], "anna", "ctc", True), (ids[1], "anna", "ctc", True), (ids[2], "anna", "ctc", True),
    ]  # fmt: skip
    assert everything_else(store) == before
    assert [entry.kind for entry in store.journal.entries()].count("calibration-end") == 2


def test_a_set_stays_what_it_was_though_labels_change_and_the_database_is_lost(store: Store) -> None:
    first, second = make(store, 4, 3, 5), make(store, 0, 1, 2)
    store.calibrate(first, [answer(store, 3, NON_CTC)])
    label(store, "T1", 3, NON_CTC, "second thoughts")
    folder = store.folder
    store.close()
    (folder / "store.duckdb").unlink()
    with Store.open(folder) as again:
        made = again.calibration_sets()
        assert [(one.set_id, one.number, one.reader) for one in made] == [(first, 1, "anna"), (second, 2, "anna")]
        assert [tuple(row) for row in made[0].cells.to_numpy()] == [
            (cell(again, 4), "non-ctc", True), (cell(again, 3), "ctc", False), (cell(again, 5), "non-ctc", False),
        ]  # fmt: skip
        queue = again.calibration_queue(first, "bela")
        assert list(queue.cell_id) == [cell(again, 4), cell(again, 3), cell(again, 5)]
        assert queue.label.tolist()[1] == "non-ctc" and queue.label.isna().sum() == 2
        assert verify(again).ok


def test_the_last_answer_counts_and_undo_takes_it_back(store: Store) -> None:
    set_id = make(store, 0, 1)
    store.calibrate(set_id, [answer(store, 0, CTC), answer(store, 0, NON_CTC, id_="x"), answer(store, 1, CTC)])
    assert store.calibration_queue(set_id, "bela").label.tolist() == ["non-ctc", "ctc"]
    store.calibrate(set_id, [answer(store, 1, None, id_="undo", seen="ctc")])
    assert store.calibration_queue(set_id, "bela").label.isna().tolist() == [False, True]
    with pytest.raises(StoreError, match="1 of 2 cells of this calibration set are not read yet"):
        store.end_calibration(set_id, reader="bela", session="s")
    changes = [
        (entry.old, entry.new, entry.why.rpartition(" after ")[0])
        for entry in store.journal.entries()
        if entry.kind == "calibration"
    ]
    noted = "in the same session"
    assert changes == [
        (None, "ctc", ""),
        ("ctc", "non-ctc", f"corrected {noted}"),
        (None, "ctc", ""),
        ("ctc", None, f"taken back {noted}"),
    ]


def test_answers_of_others_are_in_no_audit_before_one_has_ended(store: Store) -> None:
    """Also of a person to whom nothing is blind in a round."""
    set_id = make(store, 0)
    store.calibrate(set_id, [answer(store, 0, CTC, "bela")])
    store.answer(lambda: Person("carl"))
    assert store.audit(kinds=["calibration"]).empty
    store.calibrate(set_id, [answer(store, 0, CTC, "carl")])
    assert store.audit(kinds=["calibration"]).reader.tolist() == ["carl"]
    store.end_calibration(set_id, reader="carl", session="s")
    assert store.audit(kinds=["calibration"]).reader.tolist() == ["carl", "bela"]


def test_sent_twice_is_saved_once(store: Store) -> None:
    set_id = make(store, 0, 1)
    one = answer(store, 0, CTC)
    assert store.calibrate(set_id, [one, one]) == store.calibrate(set_id, [one]) == (one.id,)
    assert len([entry for entry in store.journal.entries() if entry.kind == "calibration"]) == 1


def test_what_cannot_be_meant_is_refused_whole(store: Store) -> None:
    set_id = make(store, 0, 1)
    store.calibrate(set_id, [answer(store, 0, CTC, id_="taken"), answer(store, 0, CTC, "dora")])
    store.calibrate(set_id, [answer(store, 1, CTC, "dora")])
    store.end_calibration(set_id, reader="dora", session="s")
    for wrong, why in [
        (answer(store, 5, CTC), "it is not in this calibration set"),
        (Decision("e", "T1", None, "r1", CTC, "bela", "s"), "it is not in this calibration set"),
        (answer(store, 1, NON_CTC, "dora"), "answers stand from then on"),
        (answer(store, 1, CTC, id_="taken"), "the id 'taken' was already used"),
        (answer(store, 0, NON_CTC, seen="unsure"), "has said ctc of it elsewhere"),
    ]:
        with pytest.raises(DecisionRefused, match=why):
            store.calibrate(set_id, [answer(store, 1, NON_CTC, id_="good"), wrong])
    with pytest.raises(DecisionRefused, match="no such calibration set"):
        store.calibrate("0" * 32, [answer(store, 1, CTC)])
    assert store.calibration_queue(set_id, "bela").label.isna().tolist() == [False, True]


@pytest.mark.parametrize("numbers", [(), (0, 0), (70,)], ids=["none", "twice", "not labelled"])
def test_cells_that_no_set_may_hold(store: Store, numbers: tuple[int, ...]) -> None:
    with pytest.raises(StoreError, match="needs settled cells of training patients"):
        make(store, *numbers)
    assert store.calibration_sets() == ()


def test_only_an_expert_makes_a_set(store: Store) -> None:
    store.set_account("anna@x.org", AccountRole.READER, reader="tests", session="s", reason="new", local=True)
    store.service = "desk"
    cells = pd.DataFrame({"cell_id": [cell(store, 0)], "label": ["ctc"], "hard": [True]})
    with pytest.raises(NotAllowed, match="needs the role 'expert'"):
        store.add_calibration_set(cells, reader="anna@x.org", session="s")


def test_the_audit_tells_a_reader_nothing_of_others_answers_before_the_own_ones(store: Store) -> None:
    set_id = make(store, 0)
    store.calibrate(set_id, [answer(store, 0, CTC)])
    told = {}
    for reader in ("bela", "dora"):
        store.answer(lambda name=reader: Person(name))
        told[reader] = len(store.audit(kinds=["calibration"]))
    assert told == {"bela": 1, "dora": 0}
    store.calibrate(set_id, [answer(store, 0, NON_CTC, "dora")])
    store.end_calibration(set_id, reader="dora", session="s")
    assert store.audit(kinds=["calibration"]).reader.tolist() == ["dora", "bela"]
