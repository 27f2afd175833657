"""Rounds where something is missing: no classifier, no map, too few labels, one patient."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ctc_core import fitting, rounds
from ctc_core.errors import UserError
from ctc_core.jobs import Jobs
from ctc_core.rounds.evidence import Known, Unread, gather
from ctc_core.store import Store
from ctc_core.types import Label, Role
from tests.mapped_store import add_cartridge, kinds, label_many, vectors
from tests.small_store import ENCODER


@pytest.fixture
def cold(tmp_path: Path) -> Iterator[Store]:
    """Two training patients without a label, and a test patient with some."""
    with Store.open(tmp_path / "data") as store:
        for seed, (name, role) in enumerate({"T1": Role.TRAIN, "T2": Role.TRAIN, "E1": Role.TEST}.items()):
            add_cartridge(store, tmp_path, name, role, seed)
        label_many(store, "E1", 45)
        yield store


def truth(store: Store) -> dict[str, Label]:
    return {
        cell_id: Label.CTC if kind == 0 else Label.NON_CTC
        for name in ("T1", "T2")
        for cell_id, kind in zip(store.cells(name).cell_id, kinds(), strict=True)
    }


def test_the_first_rounds_before_there_is_a_classifier(cold: Store) -> None:
    jobs = Jobs(cold.folder)
    opened = rounds.start_round(cold, strategy="margin", n=4, seed=0, reader="anna", session="s")
    assert (opened.strategy, opened.parameters["asked"], opened.model_before) == ("typiclust", "margin", None)
    assert opened.parameters["notes"] == [
        "There is no classifier yet: nothing is known of where it is weak.",
        "There is no map yet: all cells count as one cluster. Build the map on the Reliability page.",
        "Too few labels to say in which cluster the classifier is weak.",
        "'Closest to the limit' needs a classifier, so 'Typical cells of unlabelled groups (TypiClust)' is used.",
    ]
    queue = cold.queue(opened.round_id)
    assert queue.probability.isna().all() and set(queue.cluster) == {0}
    rounds.simulated_expert(cold, opened.round_id, truth(cold))
    assert rounds.finish_here(cold, jobs, opened.round_id, "anna").state == "imported"
    outcome = cold.outcome(opened.round_id)
    assert (outcome["before"], outcome["after"], outcome["flips"]) == (None, None, [])
    assert "a classifier needs at least 5 of each" in outcome["why"]
    assert outcome["notes"] == ["There was no map: all cells count as one cluster."]
    assert (cold.round(opened.round_id).model_after, cold.models()) == (None, ())

    second = rounds.start_round(
        cold, strategy="typiclust", n=40, seed=1, reader="anna", session="s", run_id=opened.run_id
    )
    assert (second.run_id, second.number) == (opened.run_id, 2)
    rounds.simulated_expert(cold, second.round_id, truth(cold))
    rounds.finish_here(cold, jobs, second.round_id, "anna")
    outcome = cold.outcome(second.round_id)
    assert (outcome["before"], outcome["after"]["total"]["n"], outcome["flips"]) == (None, 45, [])
    assert [row["cluster"] for row in outcome["after"]["clusters"]] == [0]
    rounds.activate(cold, outcome["after"]["model_id"], reader="anna", session="s", reason="the first one")
    fitting.score_unscored(cold)
    assert len(cold.predictions("E1", outcome["after"]["model_id"])) == 90


def test_without_a_labelled_test_cell_nothing_is_claimed(tmp_path: Path) -> None:
    with Store.open(tmp_path / "data") as store:
        add_cartridge(store, tmp_path, "T1", Role.TRAIN, 0)
        label_many(store, "T1", 60)
        fitting.fit(store, store.folder / "models", ENCODER, reader="a", session="s")
        opened = rounds.start_round(store, strategy="real-world", n=5, seed=0, reader="a", session="s")
        assert (
            "All labels are of one patient, so that figures of clusters are better than they should be."
            in opened.parameters["notes"]
        )
        rounds.finish_here(store, Jobs(store.folder), opened.round_id, "a")
        outcome = store.outcome(opened.round_id)
        assert outcome["after"]["model_id"] == outcome["before"]["model_id"]  # nothing was labelled
        assert (outcome["after"]["total"], outcome["after"]["clusters"]) == (None, [])


def test_a_store_without_training_cells(tmp_path: Path) -> None:
    with (
        Store.open(tmp_path / "data") as store,
        pytest.raises(UserError, match=r"^There are no cells of training patients"),
    ):
        rounds.start_round(store, strategy="random", n=5, seed=0, reader="a", session="s")


def test_an_unknown_strategy(cold: Store) -> None:
    with pytest.raises(UserError, match=r"^best: no strategy of this name"):
        rounds.propose(cold, strategy="best", n=5, seed=0, reader="a")


def test_evidence_of_an_empty_pool() -> None:
    none = Unread((), np.zeros((0, 128), np.float32), np.zeros(0, np.int64))
    labels = (kinds() == 0).astype(np.int64)
    ids = tuple(f"c{i:03d}" for i in range(90))
    patients = np.array(["p", "q"])[np.arange(90) // 3 % 2]
    known = Known(ids, vectors(1), labels, patients, kinds().astype(np.int64))
    evidence, notes = gather(none, known, None)
    assert (evidence.pool.shape[0], notes) == (0, ())
    assert evidence.cluster_f1 == {0: 1.0, 1: 1.0, 2: 1.0}
    assert (evidence.cluster_n, evidence.wrong_class) == ({0: 30, 1: 30, 2: 30}, {})
