"""Several readers of one cell: everybody's word is kept, and only what they agree on trains."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ctc_core.errors import StoreError
from ctc_core.store import Store, verify
from ctc_core.types import Decision, Label

CELLS = tuple(f"C1-001-{100 + i:04d}-0050" for i in range(3))
A, B, C = CELLS
CTC, NON_CTC, UNSURE, ARTIFACT = Label.CTC, Label.NON_CTC, Label.UNSURE, Label.ARTIFACT


@pytest.fixture
def desk(filled: Path) -> Iterator[Store]:
    """Cartridge C1 of a training patient: cells A, B, C and events 0, 1."""
    with Store.open(filled) as store:
        yield store


def say(store: Store, reader: str, cell_id: str, label: Label | None) -> None:
    id_ = f"{reader}-{store.journal.head[0]}"
    assert store.decide([Decision(id_, "C1", cell_id, None, label, reader, "s1")]) == (id_,)


def say_event(store: Store, reader: str, rid: str, label: Label | None) -> None:
    store.decide([Decision(f"{reader}-{store.journal.head[0]}", "C1", None, rid, label, reader, "s1")])


def shown(store: Store) -> dict[str, tuple[str | None, str]]:
    """What the review page says about each cell."""
    rows = store.current_labels("C1").astype({"label": object}).itertuples()
    return {row.cell_id: (row.label if isinstance(row.label, str) else None, row.reader) for row in rows}


def trained(store: Store, until: int | None = None) -> dict[str, int]:
    pool = store.training_pool("encoder-0", until)
    return dict(zip(pool.cell_ids, pool.labels.tolist(), strict=True))


@pytest.mark.parametrize(
    ("first", "second", "together", "trains"),
    [
        (CTC, CTC, ("ctc", "ann, bob"), 1),
        (NON_CTC, NON_CTC, ("non-ctc", "ann, bob"), 0),
        (CTC, NON_CTC, (None, "ann, bob disagree"), None),
        (NON_CTC, ARTIFACT, (None, "ann, bob disagree"), None),
        (CTC, UNSURE, ("ctc", "ann"), 1),
        (UNSURE, ARTIFACT, ("artifact", "bob"), 0),
        (UNSURE, UNSURE, ("unsure", "ann, bob"), None),
        (CTC, None, ("ctc", "ann"), 1),
    ],
)
def test_two_readers(
    desk: Store, first: Label, second: Label | None, together: tuple[str | None, str], trains: int | None
) -> None:
    say(desk, "ann", A, first)
    say(desk, "bob", A, second)
    own = {"ann": first, "bob": second}
    said = [(row.cell_id, row.cartridge_id, row.reader, row.label) for row in desk.readings().itertuples()]
    assert said == [(A, "C1", reader, label) for reader, label in own.items() if label]
    assert desk.own_words("C1", "ann") == {A: (first, "")}
    assert shown(desk) == {A: together}
    assert trained(desk) == ({} if trains is None else {A: trains})
    assert desk.cartridges().decided.tolist() == [int(together[0] is not None)]
    assert verify(desk).ok


def test_undo_takes_back_ones_own_word_only(desk: Store) -> None:
    say(desk, "ann", A, CTC)
    say(desk, "bob", A, NON_CTC)
    say(desk, "bob", A, None)
    assert shown(desk) == {A: ("ctc", "ann")}
    say(desk, "bob", A, None)  # once more: there is nothing of bob's to take back
    assert (shown(desk), trained(desk)) == ({A: ("ctc", "ann")}, {A: 1})
    say(desk, "ann", A, None)
    assert (shown(desk), trained(desk), len(desk.label_history(A))) == ({}, {}, 5)
    previous = desk.label_history(A).previous
    assert [value if isinstance(value, str) else None for value in previous] == [None, None, "non-ctc", None, "ctc"]


def test_two_of_three_who_agree_are_no_consensus(desk: Store) -> None:
    for reader, label in (("ann", CTC), ("bob", CTC), ("eva", NON_CTC)):
        say(desk, reader, A, label)
    assert (shown(desk), trained(desk)) == ({A: (None, "ann, bob, eva disagree")}, {})


def test_a_conflict_is_listed_until_it_is_adjudicated(desk: Store) -> None:
    for reader, label in (("ann", CTC), ("bob", NON_CTC), ("eva", UNSURE)):
        say(desk, reader, B, label)
    say(desk, "ann", A, CTC)
    (row,) = desk.conflicts().to_dict("records")
    assert (row.pop("readers").tolist(), row.pop("labels").tolist()) == (
        ["ann", "bob", "eva"],
        ["ctc", "non-ctc", "unsure"],
    )
    assert row == {
        "cell_id": B,
        "cartridge_id": "C1",
        "pseudonym": "P1",
        "role": "train",
        "frame": 1,
        "y": 101.0,
        "x": 50.0,
        "diameter_um": 1.0,
        "dapi_mean": 1.0,
        "ck_mean": 1.0,
        "cd45_mean": 1.0,
        "crop_index": 1,
    }
    made = {"reader": "eva", "session": "s2", "reason": "round nucleus", "id_": "j1"}
    for _ in range(2):  # sent twice, saved once
        assert desk.adjudicate(B, CTC, **made) == "j1"
    assert (len(desk.conflicts()), shown(desk)[B], trained(desk)) == (0, ("ctc", "eva"), {A: 1, B: 1})
    assert len(desk.readings()) == 4
    assert desk.audit(1)[["id", "kind", "subject", "old", "new", "reason"]].to_numpy().tolist() == [
        ["j1", "adjudicate", f"C1/{B}", "null", '"ctc"', "round nucleus"]
    ]
    say(desk, "bob", B, ARTIFACT)  # the adjudicated label stands
    assert shown(desk)[B] == ("ctc", "eva")
    desk.adjudicate(B, None, reader="ann", session="s2", reason="look again")
    assert (shown(desk)[B][0], len(desk.conflicts()), trained(desk)) == (None, 1, {A: 1})
    assert [row[0] for row in desk.decisions() if row[2] == "adjudicate" and row[4]] == ["j1"]
    assert verify(desk).ok


@pytest.mark.parametrize(
    ("cell_id", "reason", "message"),
    [
        (A, "because", f"C1/{A}: its readers do not disagree"),
        (C, "because", f"C1/{C}: its readers do not disagree"),
        (B, " ", f"C1/{B}: an adjudication needs a reason"),
        ("C1-001-0999-0050", "because", "C1-001-0999-0050: no such cell"),
    ],
)
def test_what_needs_no_adjudication(desk: Store, cell_id: str, reason: str, message: str) -> None:
    say(desk, "ann", A, CTC)
    say(desk, "ann", B, CTC)
    say(desk, "bob", B, NON_CTC)
    head = desk.journal.head
    with pytest.raises(StoreError, match=message):
        desk.adjudicate(cell_id, CTC, reader="eva", session="s2", reason=reason)
    assert desk.journal.head == head


def test_events_have_readers_too(desk: Store) -> None:
    say_event(desk, "ann", "0", CTC)
    say_event(desk, "bob", "0", NON_CTC)
    (row,) = desk.current_reviews("C1").to_dict("records")
    assert (row["label"] is None or row["label"] != row["label"], row["reader"]) == (True, "ann, bob disagree")
    desk.adjudicate_event("C1", "0", NON_CTC, reader="eva", session="s2", reason="no nucleus")
    (row,) = desk.current_reviews("C1").drop(columns="time").to_dict("records")
    assert row == {"rid": "0", "label": "non-ctc", "reader": "eva", "reason": "no nucleus"}
    assert (desk.conflicts().empty, desk.current_labels("C1").empty, verify(desk).ok) == (True, True, True)


def test_the_pool_as_it_was_at_any_entry_of_the_journal(desk: Store) -> None:
    steps = [
        ("ann", A, CTC, {A: 1}),
        ("bob", A, NON_CTC, {}),
        ("bob", B, NON_CTC, {B: 0}),
        ("ann", A, NON_CTC, {A: 0, B: 0}),
        ("bob", A, None, {A: 0, B: 0}),
        ("bob", B, None, {A: 0}),
    ]
    begin = desk.journal.head[0]
    for reader, cell_id, label, pool in steps:
        say(desk, reader, cell_id, label)
        assert trained(desk) == pool
    for number, (*_, pool) in enumerate(steps, start=begin + 1):
        assert trained(desk, until=number) == pool
    assert trained(desk, until=begin) == {}


def test_many_decisions_at_once(desk: Store) -> None:
    """More than are looked up one by one."""
    sent = [
        Decision(f"d{i}", "C1", CELLS[i % 3], None, (CTC, NON_CTC)[i % 2], f"reader{i % 5}", "s1") for i in range(450)
    ]
    assert desk.decide(sent) == tuple(one.id for one in sent)
    assert desk.decide(sent) == tuple(one.id for one in sent)
    assert len(desk.decisions()) == 450
    assert [row[5] for row in desk.decisions()[:15]] == [None] * 15
    assert [row[5] for row in desk.decisions()[15:]] == [str((CTC, NON_CTC)[(i - 15) % 2]) for i in range(15, 450)]
    with pytest.raises(StoreError, match="no such cell"):
        desk.decide([*sent, Decision("d450", "C1", "C1-001-0999-0050", None, CTC, "ann", "s1")])
    assert verify(desk).ok
