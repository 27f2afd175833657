"""What a count rests on is that of one moment, learned from other draws, and never older than what was decided."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ctc_core.count_knowledge import Situation, learned, situation
from ctc_core.count_memory import kept
from ctc_core.counting import count_cartridge
from ctc_core.enumeration.counts import Knowledge, Samples, sample
from ctc_core.enumeration.readers import ASSUMED
from ctc_core.enumeration.recalibration import MIN_PATIENTS, UNTAUGHT, Belief, Review
from ctc_core.matched import candidates
from ctc_core.store import RoundDraft, Store
from ctc_core.store.accounts import Person
from ctc_core.types import Decision, Label, Role
from tests.small_store import CARTRIDGE, ENCODER, MODEL, build_small_store, write_small_bundle

OTHERS = [f"OTHER-{number}" for number in range(MIN_PATIENTS + 1)]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(build_small_store(tmp_path / "data")) as opened:
        yield opened


@pytest.fixture
def lab(store: Store, tmp_path: Path) -> Store:
    """Further patients, scored; nothing is read."""
    for seed, name in enumerate(OTHERS):
        store.add_patient(name, Role.REVIEW, "tests", "tests")
        bundle = write_small_bundle(tmp_path / name, n_cells=12, seed=seed, cartridge_id=name, pseudonym=name)
        store.add_bundle(bundle)
        store.save_predictions(MODEL, list(store.cells(name).cell_id), np.linspace(0.99, 0.2, 12))
    return store


def say(store: Store, cartridge_id: str, cell_id: str, label: Label | None, reader: str = "ann") -> None:
    store.decide([Decision(uuid.uuid4().hex, cartridge_id, cell_id, None, label, reader, "s", why="looked again")])


def read(store: Store, cartridge_id: str, ctcs: int) -> None:
    """All images at the usual threshold; the first so many are CTCs."""
    rows = candidates(store, cartridge_id, 0.5)[["cell_id", "event_rid"]].itertuples(index=False)
    store.decide(
        [
            Decision(uuid.uuid4().hex, cartridge_id, cell, None if cell else rid, label, "ann", "s")
            for k, (cell, rid) in enumerate(rows)
            for label in [Label.CTC if k < ctcs else Label.NON_CTC]
        ]
    )


# ---- from other draws


def test_other_error_rates_teach_another_belief(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    taught: list[int] = []

    def teach(reviews: list[Review]) -> Belief:
        taught.append(len(reviews))
        return UNTAUGHT

    monkeypatch.setattr("ctc_core.count_knowledge.learn", teach)
    other = Belief(ASSUMED.missed.mean + 0.5, ASSUMED.missed.covariance)
    for errors in (ASSUMED, ASSUMED, replace(ASSUMED, false_positive=other), replace(ASSUMED, missed=other)):
        learned(store, CARTRIDGE, errors)
    assert len(taught) == 3


def test_a_decision_makes_one_draw_be_looked_at_again(lab: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctc_core.count_memory.MOST", 8)  # fewer than the tables of all these draws
    for name in OTHERS:
        read(lab, name, ctcs=3)
    before = learned(lab, CARTRIDGE, ASSUMED)
    assert before.patients == len(OTHERS)
    looked: list[str] = []

    def noted(store: Store, cartridge_id: str, threshold: float) -> pd.DataFrame:
        looked.append(cartridge_id)
        return candidates(store, cartridge_id, threshold)

    monkeypatch.setattr("ctc_core.count_knowledge.candidates", noted)
    likeliest = str(lab.cells(OTHERS[1]).cell_id[0])
    say(lab, OTHERS[1], likeliest, Label.NON_CTC)
    after = learned(lab, CARTRIDGE, ASSUMED)
    assert looked == [OTHERS[1]]
    folder = lab.folder
    lab.close()
    with Store.open(folder) as anew:
        expected = learned(anew, CARTRIDGE, ASSUMED)
    np.testing.assert_array_equal(after.mean, expected.mean)
    assert after.patients == expected.patients and not np.array_equal(after.mean, before.mean)


def test_a_draw_that_is_hardly_read_teaches_nothing(lab: Store) -> None:
    for name in OTHERS[1:]:
        read(lab, name, ctcs=3)
    say(lab, OTHERS[0], str(lab.cells(OTHERS[0]).cell_id[0]), Label.CTC)
    assert learned(lab, CARTRIDGE, ASSUMED).patients == len(OTHERS) - 1


# ---- of one moment


def test_samples_are_of_the_table_they_are_shown_with(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two readers ask in the same revision; one has read the table before a decision, the other after it."""
    asked, decided = [store.revision()], False
    shown = set(candidates(store, CARTRIDGE, 0.5).cell_id)
    below = next(str(cell) for cell in store.cells(CARTRIDGE).cell_id if cell not in shown)

    def overtaken(store: Store, cartridge_id: str, threshold: float) -> Situation:
        nonlocal decided
        found = situation(store, cartridge_id, threshold)
        if not decided:
            decided = True
            say(store, CARTRIDGE, below, Label.CTC)  # one image more
            now = store.revision()
            monkeypatch.setitem(vars(store), "revision", lambda: asked.pop() if asked else now)
            assert count_cartridge(store, CARTRIDGE, 0.5).count.confirmed == 1
            monkeypatch.delitem(vars(store), "revision")
        return found

    monkeypatch.setattr("ctc_core.counting.situation", overtaken)
    report = count_cartridge(store, CARTRIDGE, 0.5)
    assert report.count.confirmed == 0 and set(report.worth) == set(report.next_ids)
    assert count_cartridge(store, CARTRIDGE, 0.5).count.confirmed == 1


def test_a_decision_taken_back_meanwhile_does_not_stop_the_count(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    first = str(candidates(store, CARTRIDGE, 0.5).cell_id[0])
    say(store, CARTRIDGE, first, Label.CTC)

    def taken_back(table: pd.DataFrame, known: Knowledge) -> Samples:
        say(store, CARTRIDGE, first, None)
        return sample(table, known)

    monkeypatch.setattr("ctc_core.counting.sample", taken_back)
    assert count_cartridge(store, CARTRIDGE, 0.5).count.confirmed == 1
    monkeypatch.undo()
    assert count_cartridge(store, CARTRIDGE, 0.5).count.confirmed == 0


def test_nothing_is_kept_for_others_while_a_second_reading_begins(store: Store, tmp_path: Path) -> None:
    """A page asks for everybody's value and the same person opens a blind round before it is made."""
    store.add_patient("trained", Role.TRAIN, "tests", "tests")
    store.add_bundle(write_small_bundle(tmp_path / "t", n_cells=4, cartridge_id="T", pseudonym="trained"))
    first = str(store.cells("T").cell_id[0])
    say(store, "T", first, Label.CTC)
    store.answer(lambda: Person("carl"))

    def begins() -> str:
        asked = RoundDraft(encoder_id=ENCODER, strategy="random", cell_ids=(first,), blind=(True,))
        store.open_round(asked, reader="carl", session="s")
        return "what carl may know"

    assert kept(store, "value", "key", begins) == "what carl may know"
    store.answer(lambda: Person("ann"))
    assert kept(store, "value", "key", lambda: "everything") == "everything"
