"""Validation figures of clusters, and the noise filter."""

import numpy as np
import pytest

from ctc_core import classify
from ctc_core.errors import NotEnoughLabels
from ctc_core.relabel import svm
from ctc_core.relabel.noise import fit_noise, rejects
from ctc_core.relabel.validation import Validation, fold_splits, monte_carlo_splits, pooled, validate


def test_pooled_figures() -> None:
    labels = np.array([1, 1, 0, 0, 0, 0, 0, 1, 1])
    called = np.array([1, 0, 1, 1, 0, 0, 0, 0, 0])
    clusters = np.array([0, 0, 0, 1, 1, 2, 2, 3, 3])
    cells = np.array([0, 1, 2, 3, 4, 5, 5, 6, 7])  # the only cell of cluster 2 was predicted twice
    assert pooled(labels, called, clusters, cells) == Validation(
        {0: 0.5, 1: 0.0, 2: 1.0, 3: 0.0}, {0: 3, 1: 2, 2: 1, 3: 2}, {0: 0, 1: 1, 3: 0}
    )  # in cluster 0 one of each class is wrong: of equals non-CTC


def test_splits() -> None:
    splits = monte_carlo_splits(45, 7)
    assert [(len(fit), len(held)) for fit, held in splits] == [(40, 5)] * 7
    assert all(sorted([*fit, *held]) == list(range(45)) for fit, held in splits)
    labels = np.repeat([0, 1], [40, 10])
    folds = fold_splits(labels, folds=5, seed=1)
    assert sorted(row for _, held in folds for row in held) == list(range(50))
    assert [int(labels[held].sum()) for _, held in folds] == [2] * 5


def test_validation_never_sees_what_it_predicts() -> None:
    rng = np.random.default_rng(0)
    features, labels = rng.normal(size=(80, 5)), rng.integers(0, 2, 80)
    found = validate(features, labels, np.zeros(80, np.int64), fold_splits(labels))
    assert found.cluster_n == {0: 80} and found.cluster_f1[0] < 0.75  # labels are noise
    assert validate(features, labels, np.zeros(80, np.int64), []) == Validation({}, {}, {})


def test_one_class_is_always_that_class() -> None:
    model = svm.fit(np.zeros((3, 2)), np.ones(3, np.int64))
    assert model.call(np.zeros((2, 2))).tolist() == [1, 1]
    assert model.probability(np.zeros((2, 2))).tolist() == [1.0, 1.0]


def noisy_and_clean(n: int) -> tuple[np.ndarray, np.ndarray, list[str]]:
    rng = np.random.default_rng(1)
    is_artifact = np.arange(n) % 2 == 0
    vectors = rng.normal(size=(n, 128)) + 3 * is_artifact[:, None] * np.eye(128)[0]
    return vectors.astype(np.float32), is_artifact, [f"cell-{i:04}" for i in range(n)]


def test_noise_filter_rejects_what_looks_like_an_artifact(tmp_path) -> None:
    vectors, is_artifact, ids = noisy_and_clean(240)
    found = fit_noise(vectors[:160], is_artifact[:160], ids[:160], encoder_id="e")
    assert (rejects(found, vectors[160:]) == is_artifact[160:]).mean() > 0.85
    assert (found.n_ctc, found.n_other) == (80, 80)
    loaded = classify.load(classify.save(found, tmp_path / "noise"))
    np.testing.assert_array_equal(rejects(loaded, vectors), rejects(found, vectors))


def test_noise_filter_is_balanced_and_does_not_depend_on_the_order() -> None:
    vectors, is_artifact, ids = noisy_and_clean(120)
    is_artifact[60:] = False
    found = fit_noise(vectors, is_artifact, ids, encoder_id="e")
    back = fit_noise(vectors[::-1], is_artifact[::-1], ids[::-1], encoder_id="e")
    assert (found.n_ctc, found.n_other, found.id) == (30, 30, back.id)


def test_too_few_artifacts_reject_nothing() -> None:
    vectors, is_artifact, ids = noisy_and_clean(30)
    with pytest.raises(NotEnoughLabels, match=r"15 cells labelled artifact and 15 clean ones: .* at least 20 of each"):
        fit_noise(vectors, is_artifact, ids, encoder_id="e")
    assert not rejects(None, vectors).any()
