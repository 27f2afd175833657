"""Accounts in the store: who has which role, what every save asks, and what a blinded reader is never told."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ctc_core.accounts import AccountRole
from ctc_core.count_memory import kept
from ctc_core.errors import CTCError, NotAllowed, UserError
from ctc_core.store import RoundDraft, Store, verify
from ctc_core.store.accounts import Person
from ctc_core.store.tags import Tag, Tagging
from ctc_core.types import Decision, Label, Role

A, B, C = (f"C1-001-{100 + i:04d}-0050" for i in range(3))
ADA, BOB, EVA = "ada@lab.example", "bob@lab.example", "eva@lab.example"
READER, EXPERT, ADMIN = AccountRole


@pytest.fixture
def desk(filled: Path) -> Iterator[Store]:
    """Cartridge C1 of a training patient; ada is admin, eva expert, bob reader; log-in is required."""
    with Store.open(filled) as store:
        for name, role in {ADA: ADMIN, EVA: EXPERT, BOB: READER}.items():
            store.set_account(name, role, reader="root", session="shell", reason="begins", local=True)
        store.service = "desk"
        yield store


def say(store: Store, reader: str, cell_id: str, label: Label = Label.CTC) -> None:
    store.decide([Decision(f"{reader}-{store.journal.head[0]}", "C1", cell_id, None, label, reader, "s1")])


def change(store: Store, name: str, role: AccountRole | None, *, by: str = ADA, reason: str = "asked") -> None:
    store.set_account(name, role, reader=by, session="s1", reason=reason)


def roles(store: Store) -> dict[str, str]:
    return dict(store.accounts()[["name", "role"]].to_numpy().tolist())


def test_a_change_is_an_entry_and_survives(desk: Store, filled: Path) -> None:
    change(desk, " New@Lab.example ", EXPERT, reason="joined in March")
    change(desk, BOB, None, reason="left")
    head = desk.journal.head[0]
    change(desk, BOB, None, reason="again")
    assert desk.journal.head[0] == head
    last = desk.audit(2)[["kind", "reader", "role", "subject", "old", "new", "reason"]].to_numpy().tolist()
    assert last == [
        ["account", ADA, "admin", BOB, '"reader"', "null", "left"],
        ["account", ADA, "admin", "new@lab.example", "null", '"expert"', "joined in March"],
    ]
    expected = {ADA: "admin", BOB: "", EVA: "expert", "new@lab.example": "expert"}
    assert roles(desk) == expected and verify(desk).ok
    desk.close()
    (filled / "store.duckdb").unlink()
    with Store.open(filled) as again:
        assert roles(again) == expected


@pytest.mark.parametrize(
    ("name", "role", "by", "reason", "message"),
    [
        ("new@lab.example", READER, BOB, "x", "only an administrator changes accounts"),
        ("new@lab.example", READER, EVA, "x", "only an administrator changes accounts"),
        ("new@lab.example", READER, "stranger@x.example", "x", "only an administrator changes accounts"),
        ("new@lab.example", READER, ADA, "  ", "needs a reason"),
        ("=cmd()", READER, ADA, "x", "not an e-mail address"),
        ("<b>x</b>@lab.example", READER, ADA, "x", "not an e-mail address"),
        (ADA, None, ADA, "x", "the last administrator stays one"),
        (ADA, EXPERT, ADA, "x", "the last administrator stays one"),
    ],
)
def test_changes_that_are_refused(
    desk: Store, name: str, role: AccountRole | None, by: str, reason: str, message: str
) -> None:
    head = desk.journal.head
    with pytest.raises(UserError, match=message):
        change(desk, name, role, by=by, reason=reason)
    assert desk.journal.head == head


def test_the_last_administrator_may_go_once_there_is_another(desk: Store) -> None:
    change(desk, EVA, ADMIN)
    change(desk, ADA, READER)
    assert roles(desk)[ADA] == "reader"


def test_every_decision_says_in_which_role_it_was_made(desk: Store) -> None:
    say(desk, BOB, A)
    change(desk, BOB, EXPERT)
    say(desk, BOB, B)
    lines = (path.read_text().splitlines() for path in desk.journal.files)
    entries = [json.loads(line) for month in lines for line in month]
    assert [entry["role"] for entry in entries if entry["kind"] == "label"] == ["reader", "expert"]


def adjudicate(store: Store, reader: str) -> None:
    store.adjudicate(A, Label.CTC, reader=reader, session="s1", reason="nucleus")


SAVES: dict[str, Callable[[Store, str], object]] = {
    "label": lambda store, who: say(store, who, A),
    "adjudicate": adjudicate,
    "role": lambda store, who: store.set_role("P2", Role.TRAIN, who, "s1", "signed off"),
    "patient": lambda store, who: store.add_patient("P9", Role.TEST, who, "s1"),
    "model": lambda store, who: store.add_model("m9", "classifier", Path("m9"), {}, who),
}
ALLOWED = {
    "label": {ADA, EVA, BOB},
    "adjudicate": {ADA, EVA},
    "role": {ADA, EVA},
    "patient": {ADA, EVA, BOB},
    "model": {ADA, EVA, BOB, "desk"},
}


@pytest.mark.parametrize("kind", SAVES)
@pytest.mark.parametrize("who", [ADA, EVA, BOB, "stranger@x.example", "desk", "root"])
def test_each_save_asks_for_the_role(desk: Store, kind: str, who: str) -> None:
    say(desk, EVA, A, Label.CTC)
    say(desk, ADA, A, Label.NON_CTC)
    desk.add_patient("P2", Role.REVIEW, ADA, "s1")
    head = desk.journal.head
    if who in ALLOWED[kind]:
        SAVES[kind](desk, who)
        assert desk.journal.head[0] == head[0] + 1
    else:
        with pytest.raises(NotAllowed, match="this needs the role"):
            SAVES[kind](desk, who)
        assert desk.journal.head == head


def test_a_withdrawn_role_ends_at_once(desk: Store) -> None:
    say(desk, BOB, A)
    change(desk, BOB, None)
    with pytest.raises(NotAllowed):
        say(desk, BOB, B)


@pytest.mark.parametrize(
    ("person", "message"),
    [
        (Person(BOB, 0.0), "Your log-in has expired, so nothing was saved"),
        (Person(EVA), "you are logged in as eva@lab.example"),
    ],
)
def test_a_save_asks_who_is_at_the_browser(desk: Store, person: Person, message: str) -> None:
    desk.answer(lambda: person)
    head = desk.journal.head
    with pytest.raises(NotAllowed, match=message):
        say(desk, BOB, A)
    assert desk.journal.head == head
    desk.answer(lambda: Person(BOB, time.time() + 60))
    say(desk, BOB, A)
    assert desk.journal.head[0] == head[0] + 1


def test_a_desk_without_accounts_asks_nothing(filled: Path) -> None:
    with Store.open(filled) as store:
        say(store, "anna", A)
        assert store.audit(1).role.tolist() == ["single-user"]


# ---- blind second readings -------------------------------------------------------------------------------------------


@pytest.fixture
def blinded(desk: Store) -> Store:
    """Eva has read A and B; A waits for bob's blind second reading."""
    say(desk, EVA, A)
    say(desk, EVA, B)
    desk.tag([Tagging(f"tag-{cell}", "C1", cell, None, (Tag.APOPTOTIC,), EVA, "s1") for cell in (A, B)])
    asked = RoundDraft(encoder_id="encoder-0", strategy="random", cell_ids=(A,), blind=(True,))
    desk.open_round(asked, reader=BOB, session="s1")
    return desk


def told(store: Store) -> dict[str, set[str]]:
    """Cells that each way of asking for labels says something about."""
    audit = store.audit()
    return {
        "readings": set(store.readings().cell_id),
        "consensus": set(store.consensus().cell_id),
        "current_labels": set(store.current_labels("C1").cell_id),
        "said": set(store.said("C1")),
        "own_words of eva": set(store.own_words("C1", EVA)),
        "label_table": set(store.label_table().cell_id),
        "training_pool": set(store.training_pool("encoder-0").cell_ids),
        "tags": set(store.tags("C1").candidate_id),
        "tags in the audit": {subject.split("/")[1] for subject in audit.subject[audit.kind == "tag"]},
        "audit": {subject.split("/")[1] for subject in audit.subject[audit.kind == "label"]},
    }


def test_no_query_of_a_blinded_reader_returns_what_another_said(blinded: Store) -> None:
    everything = told(blinded)
    assert set(map(frozenset, everything.values())) == {frozenset({A, B})}
    for person, cells in ((BOB, {B}), (EVA, {A, B}), (ADA, {A, B})):
        blinded.answer(lambda person=person: Person(person, time.time() + 60))
        assert told(blinded) == dict.fromkeys(everything, cells), person
        assert blinded.cartridges().decided.tolist() == [len(cells)]


def test_what_was_counted_for_others_is_not_told_a_blinded_reader(blinded: Store) -> None:
    """Counts are kept between one decision and the next, by what their reader may know."""
    found = {}
    for person in (EVA, BOB, ADA):
        blinded.answer(lambda person=person: Person(person, time.time() + 60))
        counted = kept(blinded, "decided", blinded.revision(), lambda: int(blinded.cartridges().decided.sum()))
        found[person] = counted, blinded.blind_to(), blinded.state()
    (eva, ada), bob = (found[EVA], found[ADA]), found[BOB]
    assert ([each[0] for each in (eva, ada, bob)], [each[1] for each in (eva, ada, bob)]) == ([2, 2, 1], ["", "", BOB])
    assert eva[2] == ada[2] != bob[2]


def test_no_view_of_the_store_tells_a_blinded_reader(blinded: Store) -> None:
    """Whatever view has a label and a reader, now or later."""
    blinded.answer(lambda: Person(BOB, time.time() + 60))
    with blinded._database.read() as cur:
        views = cur.execute(
            """
            SELECT view_name FROM duckdb_views() JOIN duckdb_columns() ON view_name = table_name
            WHERE NOT duckdb_views.internal AND column_name IN ('label', 'cell_id')
            GROUP BY view_name HAVING count(*) = 2
            """
        ).fetchall()
        assert {"reader_label", "current_label", "training_label"} <= {name for (name,) in views}
        for (name,) in views:
            assert A not in {cell for (cell,) in cur.execute(f"SELECT cell_id FROM {name}").fetchall()}


def test_the_reading_itself_and_its_end_lift_the_blind(blinded: Store) -> None:
    blinded.answer(lambda: Person(BOB, time.time() + 60))
    say(blinded, BOB, A, Label.NON_CTC)
    readings = blinded.readings()
    assert readings[readings.cell_id == A][["reader", "label"]].to_numpy().tolist() == [[BOB, "non-ctc"]]
    assert blinded.conflicts().empty
    round_id = blinded.open_round_of(BOB).round_id
    blinded.finish_round(round_id, model_after=None, outcome={}, reader=BOB, session="s1")
    conflicts = blinded.conflicts()
    assert [(row.cell_id, list(row.readers)) for row in conflicts.itertuples()] == [(A, [EVA, BOB])]


def test_an_error_names_no_label(blinded: Store) -> None:
    """Asking for the cell again, adjudicating it: the answer must not give the other reading away."""
    blinded.answer(lambda: Person(BOB, time.time() + 60))
    with pytest.raises(CTCError) as caught:
        adjudicate(blinded, BOB)
    assert "ctc" not in str(caught.value).lower().replace("c1-", "")
