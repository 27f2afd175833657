"""Rounds: what may be asked, of whom, and what is kept; and that the journal alone brings all of it back."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from ctc_core.errors import StoreError
from ctc_core.store import Round, RoundDraft, Store, relabelling, verify
from ctc_core.types import Decision, Label, Role

MakeBundle = Callable[..., Path]
ENCODER = "encoder-0"
CELLS = tuple(f"T1-001-{100 + i:04d}-0050" for i in range(8))
FILLED = {
    "relabel_round",
    "queue_item",
    "adjudication",
    "noise_reject",
    "given_back",
    "label_event",
    "queued",
    "set_aside",
}
OUTCOME = {"before": {"model_id": "m0"}, "after": {"model_id": "m1"}, "seconds": 1.5}


@pytest.fixture
def desk(store: Store, make_bundle: MakeBundle) -> Iterator[Store]:
    """Cartridge T1 (8 cells) of a training patient, and one of 2 cells of every other role."""
    for role in Role:
        store.add_patient(role.name, role, "ann", "s1")
    store.add_bundle(make_bundle("T1", "TRAIN", cells=8))
    for role in (Role.TEST, Role.REVIEW, Role.ENCODER):
        store.add_bundle(make_bundle(role.name, role.name, cells=2))
    return store


def ask(*cells: str, **more: object) -> RoundDraft:
    return RoundDraft(**({"encoder_id": ENCODER, "strategy": "random", "cell_ids": cells} | more))


def start(store: Store, reader: str, *cells: str, **more: object) -> Round:
    return store.open_round(ask(*cells, **more), reader=reader, session="s1")


def say(store: Store, reader: str, cell_id: str, label: Label | None) -> None:
    id_, cartridge = f"{reader}-{store.journal.head[0]}", cell_id.split("-")[0]
    store.decide([Decision(id_, cartridge, cell_id, None, label, reader, "s1")])


def finish(store: Store, found: Round, model: str | None = "m1") -> None:
    store.finish_round(found.round_id, model_after=model, outcome=OUTCOME, reader=found.reader, session="s1")


def open_two(desk: Store) -> tuple[Round, Round]:
    """A round of two cells as it was opened, and as it should be."""
    draft = ask(
        CELLS[3],
        CELLS[1],
        strategy="real-world",
        reasons=("it is unlike", "it is near"),
        clusters=(np.int64(4), -1),
        probabilities=(np.float32(0.75), float("nan")),
        map_id="map-1",
        cluster=4,
        predicted=1,
        summary="Cluster 4 is the weakest.",
        parameters={"seed": 3, "share": 0.25},
        model_before="m0",
        minutes=5,
    )
    opened = desk.open_round(draft, reader="ann", session="s1")
    expected = Round(
        round_id=opened.round_id,
        run_id=opened.round_id,
        number=1,
        encoder_id=ENCODER,
        map_id="map-1",
        strategy="real-world",
        cluster=4,
        predicted=1,
        summary="Cluster 4 is the weakest.",
        parameters={"seed": 3, "share": 0.25},
        reader="ann",
        model_before="m0",
        model_after=None,
        state="open",
        opened=opened.opened,
        finished=None,
        minutes=5.0,
        items=2,
        labelled=0,
        minutes_used=None,
    )
    return opened, expected


def test_a_round_and_its_queue(desk: Store) -> None:
    opened, expected = open_two(desk)
    assert (opened, desk.open_round_of("ann"), desk.rounds()) == (expected, expected, (expected,))
    assert (desk.open_round_of("bob"), desk.outcome(opened.round_id)) == (None, {})
    say(desk, "ann", CELLS[3], Label.CTC)
    queue = desk.queue(opened.round_id)
    assert queue[["position", "cell_id", "crop_index", "y", "reason"]].to_numpy().tolist() == [
        [0, CELLS[3], 3, 103.0, "it is unlike"],
        [1, CELLS[1], 1, 101.0, "it is near"],
    ]
    assert queue[["cluster", "blind"]].to_numpy().tolist() == [[4, False], [-1, False]]
    assert queue[["predicted", "probability", "label", "reader", "comment"]].astype(object).iloc[0].tolist() == [
        *(1, 0.75, "ctc", "ann", "")
    ]
    assert queue[["predicted", "probability", "label", "reader", "comment"]].isna().iloc[1].all()


def test_a_round_is_finished(desk: Store) -> None:
    opened, expected = open_two(desk)
    say(desk, "ann", CELLS[3], Label.CTC)
    finish(desk, opened)
    finish(desk, opened)  # the same again is harmless
    closed = desk.round(opened.round_id)
    assert closed == replace(
        expected, state="finished", model_after="m1", finished=closed.finished, labelled=1, minutes_used=0.0
    )
    assert closed.finished is not None and closed.finished >= opened.opened
    assert (desk.open_round_of("ann"), desk.outcome(opened.round_id)) == (None, OUTCOME)
    kinds = desk.audit(3)[["kind", "reader", "subject"]].to_numpy().tolist()
    assert [kinds[0], kinds[2]] == [["finish-round", "ann", opened.round_id], ["round", "ann", opened.round_id]]
    assert verify(desk).ok


def test_what_counts_as_labelled_in_a_round(desk: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    first = start(desk, "ann", *CELLS[:4])
    for cell_id, label in (
        (CELLS[0], Label.CTC),
        (CELLS[1], Label.UNSURE),
        (CELLS[1], None),
        (CELLS[2], Label.NON_CTC),
    ):
        say(desk, "ann", cell_id, label)
    say(desk, "bob", CELLS[3], Label.CTC)  # somebody else's
    say(desk, "ann", CELLS[7], Label.CTC)  # not of the round
    finish(desk, first)
    say(desk, "ann", CELLS[0], None)
    say(desk, "ann", CELLS[1], Label.CTC)
    assert desk.round(first.round_id).labelled == 2
    with desk._database.write() as cur:
        cur.execute("UPDATE label_event SET time = time + INTERVAL 90 SECOND WHERE cell_id = ?", [CELLS[2]])
    used = desk.round(first.round_id).minutes_used
    assert used is not None and 1.5 <= used < 1.7


def test_rounds_of_a_run_are_numbered(desk: Store) -> None:
    first = start(desk, "ann", CELLS[0])
    desk.abandon_round(first.round_id, reader="ann", session="s1", reason="lunch")
    second = start(desk, "ann", CELLS[0], run_id=first.run_id)
    other = start(desk, "bob", CELLS[1])
    third = start(desk, "eva", CELLS[2], run_id=first.run_id)
    assert [(one.run_id, one.number) for one in desk.rounds()] == [
        *((first.run_id, 1), (first.run_id, 2), (other.round_id, 1), (first.run_id, 3))
    ]
    assert [one.round_id for one in desk.rounds()] == [one.round_id for one in (first, second, other, third)]


@pytest.mark.parametrize(
    ("reader", "draft", "message"),
    [
        ("eva", ask("T1-001-0999-0050"), "T1-001-0999-0050: no such cell in the store. No round was opened"),
        ("eva", ask("TEST-001-0100-0050"), "TEST-001-0100-0050: its patient is no training patient but test"),
        ("eva", ask("REVIEW-001-0100-0050"), "its patient is no training patient but review"),
        ("eva", ask("ENCODER-001-0100-0050"), "its patient is no training patient but encoder"),
        ("eva", ask(CELLS[5], CELLS[0]), f"{CELLS[0]}: it is labelled already"),
        ("eva", ask(CELLS[4]), f"{CELLS[4]}: it stands in an open round of bob"),
        ("eva", ask(CELLS[0], CELLS[4]), f"{CELLS[0]} \\(and 1 more\\): it is labelled already"),
        ("eva", ask(CELLS[5], blind=(True,)), "nobody has read it yet"),
        ("ann", ask(CELLS[0], blind=(True,)), "the same person has read it already"),
        ("bob", ask(CELLS[5]), "bob has round 1 open still"),
        ("eva", ask(), "at least one cell"),
        ("eva", ask(CELLS[5], CELLS[5]), "no cell twice"),
        ("eva", ask(CELLS[5], reasons=("a", "b")), "as many reasons as cells"),
    ],
)
def test_what_must_not_be_asked(desk: Store, reader: str, draft: RoundDraft, message: str) -> None:
    say(desk, "ann", CELLS[0], Label.UNSURE)
    start(desk, "bob", CELLS[4])
    head = desk.journal.head
    with pytest.raises(StoreError, match=message):
        desk.open_round(draft, reader=reader, session="s1")
    assert (desk.journal.head, len(desk.rounds())) == (head, 1)


def test_a_blind_second_reading_tells_nothing_of_the_first(desk: Store) -> None:
    say(desk, "ann", CELLS[0], Label.CTC)
    second = start(desk, "bob", CELLS[0], CELLS[1], blind=(True, False))
    queue = desk.queue(second.round_id)
    assert (queue.blind.tolist(), queue.label.isna().tolist()) == ([True, False], [True, True])
    assert "ann" not in queue.to_csv()
    say(desk, "bob", CELLS[0], Label.NON_CTC)
    assert desk.queue(second.round_id).label.iloc[0] == "non-ctc"
    assert desk.readings()[["reader", "label"]].to_numpy().tolist() == [["ann", "ctc"], ["bob", "non-ctc"]]
    assert desk.conflicts().cell_id.tolist() == [CELLS[0]]


def test_who_may_close_a_round(desk: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    first = start(desk, "ann", CELLS[0])
    by_bob = {"reader": "bob", "session": "s2"}
    with pytest.raises(StoreError, match=r"Round 1 is ann.s\. Only ann can finish it"):
        desk.finish_round(first.round_id, model_after="m1", outcome={}, **by_bob)
    with pytest.raises(StoreError, match="Others can abandon it only 8 hours after"):
        desk.abandon_round(first.round_id, reason="mine now", **by_bob)
    monkeypatch.setattr(relabelling, "ABANDONED_AFTER", timedelta(0))
    desk.abandon_round(first.round_id, reason="left open", **by_bob)
    desk.abandon_round(first.round_id, reason="left open", **by_bob)
    assert (desk.round(first.round_id).state, desk.audit(1).reason[0]) == ("abandoned", "left open")
    with pytest.raises(StoreError, match="Round 1 of ann is abandoned already"):
        finish(desk, first)
    second = start(desk, "ann", CELLS[0])  # free again
    finish(desk, second, model=None)
    with pytest.raises(StoreError, match="is finished already"):
        finish(desk, second, model="another")
    with pytest.raises(StoreError, match="no such round"):
        desk.round("nothing")
    assert verify(desk).ok


def test_experts_who_begin_at_once_never_meet_the_same_cell(desk: Store) -> None:
    """Eight experts choose from the same pool until each has two cells; with eight cells, four of them can."""
    barrier, refused = threading.Barrier(8), []

    def begin(reader: str, seed: int) -> None:
        rng = np.random.default_rng(seed)
        barrier.wait()
        for _ in range(200):
            pool = desk.relabel_pool(ENCODER).cell_ids
            if len(pool) < 2:
                return
            try:
                start(desk, reader, *rng.choice(pool, 2, replace=False).tolist())
            except StoreError as error:
                refused.append(str(error))
            else:
                return

    threads = [threading.Thread(target=begin, args=(f"reader{i}", i)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    queued = [cell_id for one in desk.rounds() for cell_id in desk.queue(one.round_id).cell_id]
    assert (len(desk.rounds()), sorted(queued)) == (4, sorted(CELLS))
    assert all("it stands in an open round" in message for message in refused)
    assert verify(desk).ok


def whole(store: Store) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table and view."""
    with store._database.read() as cur:
        names = cur.execute("SELECT table_name FROM information_schema.tables").fetchall()
        return {
            name: sorted(cur.execute(f"SELECT * FROM {name}").fetchall(), key=repr)
            for (name,) in names
            if not name.startswith("duckdb")
        }


def test_all_of_it_comes_back_from_the_journal(desk: Store) -> None:
    first = start(desk, "ann", *CELLS[:3], clusters=(1, 2, 3), reasons=("a", "b", "c"), probabilities=(0.1, 0.5, 1.0))
    for cell_id in CELLS[:3]:
        say(desk, "ann", cell_id, Label.CTC)
    finish(desk, first)
    second = start(desk, "bob", CELLS[0], CELLS[5], blind=(True, False), run_id=first.run_id)
    say(desk, "bob", CELLS[0], Label.ARTIFACT)
    desk.adjudicate(CELLS[0], Label.CTC, reader="eva", session="s3", reason="seen together")
    desk.abandon_round(second.round_id, reader="bob", session="s1", reason="called away")
    start(desk, "bob", CELLS[5])
    desk.add_model("noise-1", "noise", desk.folder / "models" / "noise-1", {"encoder_id": ENCODER}, "ann")
    desk.activate_model("noise-1", "ann", "s1")
    desk.save_rejects("noise-1", CELLS[6:], np.array([0.75, 0.9]))
    desk.give_back([CELLS[6]], reader="ann", session="s1", reason="a cell")
    before, folder = whole(desk), desk.folder
    pool = desk.relabel_pool(ENCODER).cell_ids
    assert all(before[name] for name in FILLED)
    desk.close()
    (folder / "store.duckdb").unlink()
    with Store.open(folder) as again:
        assert (whole(again), again.problems) == (before, ())
        assert (again.relabel_pool(ENCODER).cell_ids, pool) == ((CELLS[3], CELLS[4], CELLS[6]),) * 2
        assert verify(again).ok


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        (
            "DELETE FROM queue_item WHERE position = 1",
            f"Queued cell {{}} {CELLS[1]} is in the journal and not in the store.",
        ),
        (
            "UPDATE queue_item SET blind = true WHERE position = 1",
            f"Queued cell {{}} {CELLS[1]}: blind is True in the store, False in the journal.",
        ),
        (
            "UPDATE relabel_round SET state = 'abandoned'",
            "Round {}: state is 'abandoned' in the store, 'finished' in the journal.",
        ),
        ("UPDATE relabel_round SET minutes = 3", "Round {}: minutes is 3.0 in the store, None in the journal."),
        ("DELETE FROM relabel_round", "Round {} is in the journal and not in the store."),
        ("DELETE FROM given_back", f"Cell given back {CELLS[6]} is in the journal and not in the store."),
        (
            "UPDATE given_back SET reader = 'eva'",
            f"Cell given back {CELLS[6]}: reader is 'eva' in the store, 'ann' in the journal.",
        ),
        (
            "UPDATE noise_reject SET probability = 0.5 WHERE probability < 0.8",
            f"Rejected as noise: {CELLS[6]} noise-1: probability is 0.5 in the store, 0.75 in its bundles.",
        ),
        ("DELETE FROM adjudication", "Decision j1 is in the journal and not in the store."),
    ],
)
def test_verify_names_what_differs(desk: Store, statement: str, problem: str) -> None:
    first = start(desk, "ann", *CELLS[:2])
    say(desk, "ann", CELLS[0], Label.CTC)
    say(desk, "bob", CELLS[0], Label.NON_CTC)
    desk.adjudicate(CELLS[0], Label.CTC, reader="eva", session="s1", reason="so", id_="j1")
    finish(desk, first)
    desk.add_model("noise-1", "noise", desk.folder / "models" / "noise-1", {}, "ann")
    desk.activate_model("noise-1", "ann", "s1")
    desk.save_rejects("noise-1", CELLS[6:], np.array([0.75, 0.9]))
    desk.give_back([CELLS[6]], reader="ann", session="s1", reason="a cell")
    assert verify(desk).ok
    with desk._database.write() as cur:
        cur.execute(statement)
    assert verify(desk).problems == (problem.format(first.round_id),)
