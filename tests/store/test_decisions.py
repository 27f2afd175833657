import json
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ctc_core.errors import DecisionRefused, JournalError, StoreError
from ctc_core.store import Entry, Store, projection, verify
from ctc_core.types import Decision, Label

CELL, OTHER = "C1-001-0100-0050", "C1-001-0101-0050"


def label(id_: str, value: Label | None = Label.CTC, cell: str = CELL, **changes: object) -> Decision:
    fields = {"cartridge_id": "C1", "cell_id": cell, "event_rid": None, "reader": "ann", "session": "s1"}
    return Decision(id=id_, label=value, **(fields | changes))


def review(id_: str, value: Label | None = Label.CTC, rid: str = "0", **changes: object) -> Decision:
    return label(id_, value, **({"cell_id": None, "event_rid": rid} | changes))


@pytest.fixture
def desk(filled: Path) -> Iterator[Store]:
    """A store with cartridge C1: cells at y = 100, 101, 102 and events 0, 1."""
    with Store.open(filled) as store:
        yield store


def lines(store: Store) -> list[dict[str, object]]:
    return [json.loads(line) for path in store.journal.files for line in path.read_text().splitlines()]


def test_a_decision_is_in_journal_and_store(desk: Store) -> None:
    before, head = datetime.now(UTC).replace(tzinfo=None), desk.journal.head[0]
    assert desk.decide([label("d1"), label("d2", Label.NON_CTC, reason="no nucleus")]) == ("d1", "d2")
    rows = desk.label_history(CELL).to_dict("records")
    times, previous = [row.pop("time") for row in rows], [row.pop("previous") for row in rows]
    assert rows == [
        {"id": "d1", "seq": head + 1, "label": "ctc", "reader": "ann", "reason": "", "session": "s1"},
        {"id": "d2", "seq": head + 2, "label": "non-ctc", "reader": "ann", "reason": "no nucleus", "session": "s1"},
    ]
    assert (previous[0] != previous[0], previous[1]) == (True, "ctc")  # NaN: there was none
    assert all(before <= time <= before + timedelta(minutes=1) for time in times)
    (current,) = desk.current_labels("C1").to_dict("records")
    assert current.pop("time") == times[1]
    assert current == {"cell_id": CELL, "label": "non-ctc", "reader": "ann", "reason": "no nucleus"}
    written = [(line["id"], line["kind"], line["subject"], line["old"], line["new"]) for line in lines(desk)[-2:]]
    assert written == [("d1", "label", f"C1/{CELL}", None, "ctc"), ("d2", "label", f"C1/{CELL}", "ctc", "non-ctc")]
    assert {(line["reader"], line["role"], line["session"]) for line in lines(desk)[-2:]} == {
        ("ann", "single-user", "s1")
    }


def test_events_without_a_cell_are_reviewed(desk: Store) -> None:
    desk.decide([review("r1"), review("r2", Label.ARTIFACT, "1"), review("r3", Label.UNSURE)])
    assert desk.current_reviews("C1").drop(columns="time").to_dict("records") == [
        {"rid": "0", "label": "unsure", "reader": "ann", "reason": ""},
        {"rid": "1", "label": "artifact", "reader": "ann", "reason": ""},
    ]
    assert [(line["kind"], line["subject"], line["old"]) for line in lines(desk)[-3:]] == [
        ("review", "C1/0", None),
        ("review", "C1/1", None),
        ("review", "C1/0", "ctc"),
    ]
    assert desk.current_labels("C1").empty
    assert desk.cartridges()["decided"].tolist() == [2]


def test_a_withdrawn_decision_is_not_current_and_not_forgotten(desk: Store) -> None:
    desk.decide([label("d1"), label("d2", cell=OTHER), label("d3", None)])
    assert desk.current_labels("C1")["cell_id"].tolist() == [OTHER]
    history = desk.label_history(CELL)
    assert history["label"].isna().tolist() == [False, True]
    assert history["previous"].tolist()[1] == "ctc"
    desk.decide([label("d4", Label.NON_CTC)])
    assert desk.current_labels("C1")["label"].tolist() == ["non-ctc", "ctc"]


def test_the_same_decision_twice_is_one_line(desk: Store) -> None:
    desk.decide([label("d1")])
    before = (lines(desk), desk.revision())
    assert desk.decide([label("d1")]) == ("d1",)
    assert (lines(desk), desk.revision()) == before
    assert desk.decide([label("d1"), label("d2", cell=OTHER), label("d2", cell=OTHER)]) == ("d1", "d2")
    assert [line["id"] for line in lines(desk)[-2:]] == ["d1", "d2"]


def test_nothing_to_decide(desk: Store) -> None:
    assert desk.decide([]) == ()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (label("x", cell="C1-001-0999-0050"), "C1/C1-001-0999-0050: no such cell"),
        (label("x", cartridge_id="C2"), f"C2/{CELL}: no such cell"),
        (review("x", rid="7"), "C1/7: no such event"),
        (review("x", rid="bad"), "C1/bad: no such event"),
        (label("x", event_rid="0"), "needs an id, a reader, and either a cell or an event"),
        (label("x", cell_id=None), "needs an id, a reader, and either a cell or an event"),
        (label(""), "needs an id, a reader"),
        (label("x", reader=""), "needs an id, a reader"),
        (label("x", reason="\ud800"), "no valid text"),
        (label("first", Label.UNSURE), "'first': this id was already used"),
        (label("first", cell=OTHER), "'first': this id was already used"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_all_that_came_along(desk: Store, wrong: Decision, message: str) -> None:
    desk.decide([label("first")])
    before = (lines(desk), desk.decisions(), desk.revision())
    with pytest.raises(StoreError, match=message):
        desk.decide([label("good", cell=OTHER), wrong])
    assert (lines(desk), desk.decisions(), desk.revision()) == before


def test_one_id_for_two_decisions_at_once_is_refused(desk: Store) -> None:
    with pytest.raises(StoreError, match="'d1': this id was already used"):
        desk.decide([label("d1"), label("d1", Label.UNSURE)])
    assert desk.decisions() == []


def test_what_the_journal_has_and_the_store_has_not_is_caught_up(
    desk: Store, filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(projection, "project", crash)
        for id_ in ("d1", "d2"):
            with pytest.raises(KeyboardInterrupt):
                desk.decide([label(id_, cell=CELL if id_ == "d1" else OTHER)])
    assert [line["id"] for line in lines(desk)[-1:]] == ["d1"]
    assert desk.decisions() == []
    assert desk.decide([label("d1")]) == ("d1",)
    assert [row[0] for row in desk.decisions()] == ["d1"]
    with monkeypatch.context() as patch:
        patch.setattr(projection, "project", crash)
        with pytest.raises(KeyboardInterrupt):
            desk.decide([label("d2", cell=OTHER)])
    desk.close()
    with Store.open(filled) as store:
        assert [row[0] for row in store.decisions()] == ["d1", "d2"]
        assert store.decide([label("d2", cell=OTHER)]) == ("d2",)
        assert [row[0] for row in store.decisions()] == ["d1", "d2"]
        assert verify(store).ok


def test_an_interruption_after_the_commit_is_harmless(desk: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    real = desk._apply

    def interrupted(entries: Sequence[Entry]) -> None:
        real(entries)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(desk, "_apply", interrupted)
        with pytest.raises(KeyboardInterrupt):
            desk.decide([label("d1")])
    assert desk.decide([label("d1"), label("d2", cell=OTHER)]) == ("d1", "d2")
    assert [row[0] for row in desk.decisions()] == ["d1", "d2"]
    assert verify(desk).ok


def test_nothing_is_acknowledged_that_the_journal_refused(desk: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fdatasync", full)
        with pytest.raises(JournalError):
            desk.decide([label("d1")])
    assert desk.decisions() == []
    assert desk.decide([label("d1")]) == ("d1",)
    assert verify(desk).ok


def test_a_page_rerun_in_the_middle_leaves_no_half_transaction(desk: Store) -> None:
    class Rerun(BaseException):
        pass

    def stopped() -> None:
        with desk._database.write() as cur:
            cur.execute("DELETE FROM cell")
            raise Rerun

    with pytest.raises(Rerun):
        stopped()
    assert len(desk.cells("C1")) == 3
    assert desk.decide([label("d1")]) == ("d1",)


def test_eight_threads_decide_at_once(desk: Store) -> None:
    acknowledged: list[str] = []

    def read_on(thread: int) -> None:
        for number in range(6):
            id_ = f"{thread}-{number}"
            acknowledged.extend(desk.decide([label(id_, cell=CELL, reader=f"reader{thread}")]))
            desk.decide([label(f"shared-{number}", cell=OTHER)])
            desk.current_labels("C1")

    threads = [threading.Thread(target=read_on, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(acknowledged) == sorted(f"{thread}-{number}" for thread in range(8) for number in range(6))
    assert len(desk.decisions()) == 8 * 6 + 6
    assert desk.label_history(CELL)["seq"].is_monotonic_increasing
    history = desk.label_history(CELL)
    firsts = history.drop_duplicates("reader").index  # of each reader; what others said is nobody's previous word
    assert sorted(history.index[history["previous"].isna()]) == sorted(firsts)
    assert verify(desk).ok


def test_every_write_changes_the_revision(desk: Store) -> None:
    before = desk.revision()
    desk.decide([label("d1")])
    after = desk.revision()
    desk.current_labels("C1")
    assert (after > before, desk.revision()) == (True, after)


def test_what_the_maker_was_not_shown_is_not_overwritten(desk: Store) -> None:
    """The same person in two tabs: the second one still shows the cell as undecided."""
    desk.decide([label("d1", seen="")])
    with pytest.raises(DecisionRefused, match=r"ann has said ctc of it elsewhere.*Nothing was overwritten"):
        desk.decide([label("d2", Label.NON_CTC, seen="")])
    assert desk.decide([label("d1", seen="")]) == ("d1",)  # sent again, not decided again
    assert desk.decide([label("d3", Label.NON_CTC, reader="bob", seen="")]) == ("d3",)  # another person's own word
    desk.decide([label("d4", Label.NON_CTC, seen="ctc"), label("d5", None, seen="non-ctc"), label("d6", seen="")])
    with pytest.raises(DecisionRefused, match="ann has said ctc"):
        desk.decide([label("d7", None, seen="unsure")])
    assert [row[0] for row in desk.decisions()] == ["d1", "d3", "d4", "d5", "d6"]
