"""Labels that rank never report, labels that report never rank."""

from dataclasses import replace

import numpy as np
import pytest

from ctc_core import classify
from ctc_core.errors import NotEnoughLabels, StoreError
from ctc_core.reliability import Area, Counts, Evidence, assess, cross_validate, pooled
from ctc_core.reliability.nested import patient_folds

IDS = (-1, 0, 1, 2)


def evidence(seed: int, name: str, wrong: dict[int, float], n: int = 400) -> Evidence:
    """Half CTCs; `wrong`: share of false calls by cluster."""
    rng = np.random.default_rng(seed)
    clusters = rng.choice(list(wrong), n)
    labels = rng.integers(0, 2, n)
    false = rng.random(n) < np.array([wrong[c] for c in clusters.tolist()])
    patients = np.array([f"{name}-{i % 8}" for i in range(n)])
    return Evidence(tuple(f"{name}-{i}" for i in range(n)), patients, clusters, labels, (labels == 1) ^ false)


VALIDATION = evidence(1, "train", {0: 0.02, 1: 0.4, -1: 0.15})
TEST = evidence(2, "test", {0: 0.4, 1: 0.02, -1: 0.15})
"""Where validation finds cluster 1 weak, test finds cluster 0 weak: whoever mixes them up is caught."""


def test_validation_ranks_and_test_reports() -> None:
    found = assess(VALIDATION, TEST, clusters=IDS)
    assert [figures.cluster for figures in found.ranking] == [1, -1, 0, 2]
    assert found.weakest == 1
    assert found.areas == {1: Area.WEAK, -1: Area.UNKNOWN, 0: Area.STRONG, 2: Area.UNKNOWN}
    assert [figures.cluster for figures in found.report] == [-1, 0, 1, 2]
    reported = {figures.cluster: figures.f1.estimate for figures in found.report if figures.f1}
    assert reported[0] < 0.7 < 0.95 < reported[1]
    assert (found.validation.counts.n, found.validation.n_patients, found.test.counts.n) == (400, 8, 400)


def test_of_equally_weak_clusters_the_one_with_more_errors_comes_first() -> None:
    """No CTC in either, so that one false call makes F1 0 as well as twelve do."""
    called = np.concatenate([np.arange(30) < 1, np.arange(30) < 12])
    ids = tuple(f"train-{i}" for i in range(60))
    quiet = Evidence(ids, np.full(60, "train"), np.repeat([0, 1], 30), np.zeros(60, np.int64), called)
    found = assess(quiet, TEST, clusters=(0, 1))
    assert ([figures.cluster for figures in found.ranking], found.weakest) == ([1, 0], 1)


def test_of_equally_weak_clusters_one_with_missed_ctcs_comes_first() -> None:
    """F1 is 0 in both: by three missed CTCs in cluster 1, by ten false calls and no CTC in cluster 0."""
    called, labels = np.arange(60) < 10, np.arange(60) >= 57
    ids = tuple(f"train-{i}" for i in range(60))
    found = Evidence(ids, np.full(60, "train"), np.repeat([0, 1], 30), labels.astype(np.int64), called)
    assert assess(found, TEST, clusters=(0, 1)).weakest == 1


def test_test_labels_never_rank() -> None:
    flipped = replace(TEST, labels=1 - TEST.labels)
    first, second = assess(VALIDATION, TEST, clusters=IDS), assess(VALIDATION, flipped, clusters=IDS)
    assert (second.ranking, second.areas, second.weakest) == (first.ranking, first.areas, first.weakest)
    assert second.report != first.report


def test_validation_labels_never_report() -> None:
    flipped = replace(VALIDATION, labels=1 - VALIDATION.labels)
    first, second = assess(VALIDATION, TEST, clusters=IDS), assess(flipped, TEST, clusters=IDS)
    assert (second.report, second.test) == (first.report, first.test)
    assert second.ranking != first.ranking


def test_a_patient_or_a_cell_in_both_is_refused() -> None:
    with pytest.raises(StoreError, match="test-3: in the labels that choose clusters and in those that report"):
        assess(replace(VALIDATION, patients=np.where(np.arange(400) == 7, "test-3", "train-0")), TEST, clusters=IDS)
    with pytest.raises(StoreError, match="test-12: in the labels"):
        assess(replace(VALIDATION, cell_ids=("test-12", *VALIDATION.cell_ids[1:])), TEST, clusters=IDS)


def test_error_rates_may_use_all_labels() -> None:
    both = pooled(VALIDATION, TEST)
    assert (len(both), both.cell_ids[400]) == (800, "test-0")
    np.testing.assert_array_equal(both.called[400:], TEST.called)
    with pytest.raises(StoreError, match="in the labels that choose"):
        pooled(TEST, TEST)


def test_nothing_is_weakest_without_enough_labels() -> None:
    few = evidence(3, "train", {0: 0.5}, n=19)
    found = assess(few, TEST, clusters=(0,))
    assert (found.weakest, found.areas) == (None, {0: Area.UNKNOWN})


def test_no_labels_at_all() -> None:
    nothing = Evidence((), np.array([], np.str_), np.array([], np.int64), np.array([], np.int64), np.array([], bool))
    found = assess(nothing, nothing, clusters=(-1,))
    assert (found.weakest, found.test.counts, found.test.f1) == (None, Counts(0, 0, 0, 0), None)


def test_folds_keep_patients_together() -> None:
    labels, patients = TEST.labels, TEST.patients
    folds = patient_folds(labels, patients)
    assert sorted(np.concatenate([held for _, held in folds]).tolist()) == list(range(400))
    for fit, held in folds:
        assert not set(patients[fit]) & set(patients[held])
        assert sorted([*fit, *held]) == list(range(400))


def test_cross_validation_never_sees_the_cells_patient(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(120) % 2
    vectors = (rng.normal(size=(120, 128)) + labels[:, None]).astype(np.float32)
    patients, ids = np.repeat(np.array(list("abcdef")), 20), [str(i) for i in range(120)]
    fitted_on: list[set[str]] = []
    original = classify.fit

    def watched(vectors, labels, cell_ids, *, encoder_id):
        fitted_on.append({patients[int(i)] for i in cell_ids})
        return original(vectors, labels, cell_ids, encoder_id=encoder_id)

    monkeypatch.setattr(classify, "fit", watched)
    probabilities = cross_validate(vectors, labels, ids, patients, encoder_id="e", folds=3)
    assert ((probabilities >= 0.5) == (labels == 1)).mean() > 0.9
    assert [len(seen) for seen in fitted_on] == [4, 4, 4]
    assert sorted(patient for seen in fitted_on for patient in set("abcdef") - seen) == list("abcdef")


def test_one_patient_cannot_be_validated() -> None:
    labels = np.arange(40) % 2
    with pytest.raises(NotEnoughLabels, match="Labels of 1 training patients, 20 CTC and 20 non-CTC"):
        cross_validate(np.zeros((40, 128), np.float32), labels, [], np.full(40, "a"), encoder_id="e")
