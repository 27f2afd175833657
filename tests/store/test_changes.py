"""A change of an earlier decision carries its reason: made by the store a moment later, by a person otherwise."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ctc_core.errors import DecisionRefused
from ctc_core.store import Draft, Store, changes, verify
from ctc_core.store.reports import Signature
from ctc_core.types import Decision, Label
from tests.store.test_decisions import CELL, OTHER, label, review


@pytest.fixture
def desk(filled: Path) -> Iterator[Store]:
    """Cells and events of C1; ann has said, in session s1, that CELL is a CTC."""
    with Store.open(filled) as store:
        store.decide([label("d0", reason="round nucleus")])
        yield store


def whys(store: Store) -> dict[str, str]:
    return {entry.id: entry.why for entry in store.journal.entries() if entry.kind in ("label", "review", "adjudicate")}


def sign(store: Store) -> None:
    signature = Signature(1, "Eva", "result", "2026-11-23T00:00:00+00:00", "0" * 64, *store.journal.head)
    store.add_report("C1", signature, b"%PDF", "{}", reader="eva", session="s9")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (label("d1", Label.NON_CTC), r"corrected in the same session after \d s"),
        (label("d1", None), r"taken back in the same session after \d s"),
        (label("d1", Label.NON_CTC, why=" wrong key "), "wrong key"),
        (label("d1", Label.NON_CTC, session="s2", why="looked again"), "looked again"),
        (label("d1", None, session="s2", after_s=3.4), "taken back on the same page after 3 s, as the browser says"),
        (label("d1", session="s2", reason="and whole"), ""),  # another comment changes nothing
        (label("d1", session="s2", why="never needed"), ""),
        (label("d1", Label.NON_CTC, reader="bob", session="s2"), ""),  # another person's own word
    ],
)
def test_a_change_is_kept_with_its_reason(desk: Store, change: Decision, why: str) -> None:
    assert desk.decide([change]) == ("d1",)
    assert re.fullmatch(why, whys(desk)["d1"])
    assert desk.audit(1).why.tolist() == [whys(desk)["d1"]]
    assert verify(desk).ok


@pytest.mark.parametrize(
    "change",
    [
        label("d1", Label.NON_CTC, session="s2"),
        label("d1", None, session="s2", why="  "),
        label("d1", None, session="s2", after_s=601.0),
        label("d1", None, session="s2", after_s=-1.0),
        label("d1", None, session="s2", after_s=float("nan")),
        label("d1", Label.UNSURE, session=""),
        label("d1", Label.UNSURE, session="s2", reason="a comment is no reason"),
    ],
)
def test_without_a_reason_an_earlier_decision_stays(desk: Store, change: Decision) -> None:
    head = desk.journal.head
    message = rf"C1/{CELL}: ann has said ctc of it, and that was on .* UTC. Changing it needs a reason. Nothing was"
    with pytest.raises(DecisionRefused, match=message):
        desk.decide([label("good", cell=OTHER), change])
    assert desk.journal.head == head


def test_a_sitting_ends(desk: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "SITTING", timedelta(0))
    with pytest.raises(DecisionRefused, match="needs a reason"):
        desk.decide([label("d1", Label.NON_CTC)])


def test_saying_the_same_again_makes_no_decision_younger(desk: Store) -> None:
    desk.decide([label("d1", session="s2", reason="another comment")])
    with pytest.raises(DecisionRefused, match="needs a reason"):
        desk.decide([label("d2", Label.NON_CTC, session="s2")])
    with pytest.raises(DecisionRefused, match="needs a reason"):
        desk.decide([label("d3", session="s3"), label("d4", None, session="s3")])


def test_what_stands_in_a_signed_report_is_changed_with_a_reason_only(desk: Store) -> None:
    desk.decide([review("r0")])
    assert desk.signed_off(["C1"], "ann") == frozenset()
    sign(desk)
    assert (desk.signed_off(["C1"], "ann"), desk.signed_off(["C1"], "bob")) == ({CELL, "event:0"}, frozenset())
    for late in (label("d1", Label.NON_CTC), review("r1", None), label("d1", None, after_s=2.0)):
        with pytest.raises(DecisionRefused, match=r"it stands in a signed report\. Changing it needs a reason"):
            desk.decide([late])
    desk.decide([label("d2", Label.NON_CTC, why="the pathologist called"), label("d3"), label("d4", cell=OTHER)])
    assert (whys(desk)["d2"], whys(desk)["d3"][:9], desk.signed_off(["C1"], "ann")) == (
        "the pathologist called",
        "corrected",
        {"event:0"},
    )
    desk.decide([label("d5", None, cell=OTHER)])  # decided after the signature


def test_in_one_batch_the_seconds_are_those_of_the_page(desk: Store) -> None:
    desk.decide([label("d1", cell=OTHER), label("d2", Label.UNSURE, cell=OTHER, after_s=42.2)])
    assert whys(desk)["d2"] == "corrected on the same page after 42 s, as the browser says"


def test_a_withdrawn_decision_is_none_to_be_changed(desk: Store) -> None:
    desk.decide([label("d1", None)])
    desk.decide([label("d2", Label.NON_CTC, session="s2")])
    assert whys(desk)["d2"] == ""


def test_an_adjudication_is_changed_for_the_reason_that_it_has(desk: Store) -> None:
    desk.decide([label("b1", Label.NON_CTC, reader="bob")])
    for number, value in enumerate((Label.CTC, Label.NON_CTC, None)):
        desk.adjudicate(CELL, value, reader="eva", session=f"s{number}", reason=f"reason {number}", id_=f"j{number}")
    assert {id_: why for id_, why in whys(desk).items() if id_.startswith("j")} == {
        "j0": "",
        "j1": "reason 1",
        "j2": "reason 2",
    }


def test_the_reason_survives_a_lost_database(desk: Store, filled: Path) -> None:
    desk.decide([label("d1", Label.NON_CTC, session="s2", why="looked again")])
    desk.close()
    (filled / "store.duckdb").unlink()
    with Store.open(filled) as store:
        assert store.audit(1)[["id", "why"]].to_numpy().tolist() == [["d1", "looked again"]]
        assert store.audit(text="LOOKED").id.tolist() == ["d1"]


def test_time_is_read_from_the_journal(desk: Store) -> None:
    """Not from the client: a batch of the same session an hour later is asked about."""
    with desk._database.read() as cur:
        later = datetime.now(UTC).replace(tzinfo=None) + timedelta(hours=1)
        sent = {"d1": label("d1", None)}
        earlier = changes.Earlier("ctc", "s1", later - timedelta(hours=1), 1)
        draft = next(entry for entry in desk.journal.entries() if entry.id == "d0")
        one = changes.Draft("d1", "label", "ann", "s1", draft.subject, None, "ctc")
        with pytest.raises(DecisionRefused, match="needs a reason"):
            changes.explained(cur, [(one, earlier)], sent, later)


def test_no_entry_of_any_kind_changes_something_without_a_reason(desk: Store) -> None:
    """Whatever writes to the journal: what takes an earlier value's place says why, or is not written."""
    head = desk.journal.head
    for old, new, reason, why in (("a", "b", " ", ""), ("a", None, "", "\n"), (["a"], [], "", "")):
        with pytest.raises(DecisionRefused, match=r"x \(run\): changing this needs a reason\. Nothing was saved"):
            desk.journal.append([Draft("1", "run", "ann", "s", "x", new, old, reason, why=why)])
    assert desk.journal.head == head
    desk.add_model("m1", "classifier", desk.folder / "m1", {}, "ann")
    desk.add_model("m2", "classifier", desk.folder / "m2", {}, "ann")
    desk.activate_model("m1", "ann", "s")
    with pytest.raises(DecisionRefused, match=r"m2 \(activate\): changing this needs a reason"):
        desk.activate_model("m2", "ann", "s")
    active = desk.active_model("classifier")
    assert active is not None and active.model_id == "m1"


def test_a_second_signature_names_the_version_that_it_replaces(desk: Store) -> None:
    sign(desk)
    signature = Signature(2, "Eva", "again", "2026-11-23T00:00:00+00:00", "0" * 64, *desk.journal.head)
    desk.add_report("C1", signature, b"%PDF", "{}", reader="eva", session="s9")
    first, second = (entry for entry in desk.journal.entries() if entry.kind == "report")
    assert (first.old, second.old) == (None, {"version": 1, "sha256": first.new["sha256"]})
