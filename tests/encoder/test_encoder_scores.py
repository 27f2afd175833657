import numpy as np
import pytest
from sklearn import metrics

from ctc_core.encoder import scores


@pytest.fixture(scope="module")
def judged():
    rng = np.random.default_rng(3)
    truth = rng.random(200) < 0.3
    return truth, truth * 0.8 + rng.normal(size=200)


def test_f1_and_average_precision_are_sklearns(judged):
    truth, value = judged
    assert scores.f1(truth, value > 0.5) == pytest.approx(metrics.f1_score(truth, value > 0.5))
    assert scores.average_precision(truth, value) == pytest.approx(metrics.average_precision_score(truth, value))


def test_f1_counts_by_hand():
    truth = np.array([1, 1, 1, 0, 0], bool)
    assert scores.f1(truth, np.array([1, 1, 0, 1, 0], bool)) == pytest.approx(2 * 2 / (2 * 2 + 1 + 1))
    assert scores.f1(truth, np.zeros(5, bool)) == 0


def test_average_precision_by_hand():
    # cells in falling order are right, wrong, right: precision 1 at recall 1/2, 2/3 at recall 1
    assert scores.average_precision(np.array([1, 0, 1], bool), np.array([3.0, 2.0, 1.0])) == pytest.approx(5 / 6)


def test_f1_at_another_share_is_f1_of_so_many_copies(judged):
    truth, value = judged
    found = value > 0.5
    positives, negatives = int(truth.sum()), int((~truth).sum())
    rows = np.concatenate(
        [np.repeat(np.flatnonzero(truth), negatives), np.repeat(np.flatnonzero(~truth), 3 * positives)]
    )
    assert scores.f1_at(0.25, truth, found) == pytest.approx(metrics.f1_score(truth[rows], found[rows]))
    assert scores.f1_at(positives / 200, truth, found) == pytest.approx(scores.f1(truth, found))


def test_interval_is_students():
    # t(.975, 3 degrees) = 3.182446; sd of 1..4 = 1.290994
    half = 3.182446 * 0.1290994 / 2
    expected = {"mean": 0.25, "low": 0.25 - half, "high": 0.25 + half, "n": 4}
    assert scores.interval([0.1, 0.2, 0.3, 0.4]) == pytest.approx(expected, abs=1e-6)


def test_differences_are_taken_seed_by_seed():
    runs = [
        {"ours": {"20": 0.5}, "classical": {"20": 0.4}, "random weights": {"20": 0.0}},
        {"ours": {"20": 0.9}, "classical": {"20": 0.8}, "random weights": {"20": 0.2}},
    ]
    found = scores.differences(runs)
    assert list(found) == ["classical", "random weights"]
    assert found["classical"]["20"] == pytest.approx({"mean": 0.1, "low": 0.1, "high": 0.1, "n": 2})
    assert found["random weights"]["20"]["mean"] == pytest.approx(0.6)
    assert scores.means(runs)["ours"]["20"]["mean"] == pytest.approx(0.7)


def test_a_draw_has_both_classes_and_is_the_same_for_a_seed():
    positive = np.arange(200) < 3
    rows = scores.draw(positive, 20, seed=4)
    assert len(set(rows)) == 20
    assert positive[rows].sum() >= 2
    np.testing.assert_array_equal(rows, scores.draw(positive, 20, seed=4))


def test_the_classifier_is_the_methods():
    from sklearn.decomposition import PCA
    from sklearn.svm import SVC

    rng = np.random.default_rng(1)
    x, y, x_test = rng.normal(size=(90, 40)), np.arange(90) % 3 == 0, rng.normal(size=(30, 40))
    pca = PCA(32, svd_solver="full").fit(x)
    model = SVC(C=1, gamma="scale", class_weight="balanced").fit(pca.transform(x), y)
    expected = model.decision_function(pca.transform(x_test))
    np.testing.assert_allclose(scores.decide(x, y, x_test), expected, atol=1e-6)


def test_standardised_by_the_first():
    x, x_test = scores.standardised(np.array([[0.0, 5], [2, 5]]), np.array([[3.0, 5]]))
    np.testing.assert_allclose(x, [[-1, 0], [1, 0]], atol=1e-5)
    np.testing.assert_allclose(x_test, [[2, 0]], atol=1e-5)
