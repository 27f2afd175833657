"""Figures of clusters against counts by hand, scikit-learn and exact coverage; areas at their limits."""

from math import comb

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score, precision_score, recall_score

from ctc_core.intervals import Interval, Proportion, f1_interval, mean_interval, wilson
from ctc_core.reliability import Area, AreaRules, ClusterMetrics, Counts, area, cluster_metrics, count


def test_wilson_against_a_published_value() -> None:
    """Newcombe 1998, table I: 81 of 263 gives .2553 to .3662."""
    found = wilson(81, 263)
    assert found is not None
    assert (round(found.low, 4), round(found.high, 4)) == (0.2553, 0.3662)
    assert wilson(0, 0) is None


def test_f1_interval_by_hand() -> None:
    """8 true, 4 false: J = 8/12, F1 = 2J/(1+J) = 0.8; limits through Wilson's of 8 in 12."""
    proportion = wilson(8, 12)
    assert proportion is not None
    limits = [2 * j / (1 + j) for j in (proportion.low, proportion.high)]
    assert f1_interval(8, 4) == Interval(pytest.approx(0.8), *map(pytest.approx, limits))


def test_f1_interval_without_an_error_is_not_certain() -> None:
    few, many = f1_interval(5, 0), f1_interval(500, 0)
    assert few.estimate == few.high == many.estimate == 1
    assert few.low < 0.75 < 0.99 < many.low
    assert f1_interval(0, 0) == Interval(1, 0, 1)


@pytest.mark.parametrize(("n", "jaccard"), [(20, 0.5), (20, 0.9), (60, 0.8), (200, 0.95)])
def test_f1_interval_holds_what_it_promises(n: int, jaccard: float) -> None:
    """Exact coverage over the binomial distribution of TP among n cells that are CTCs or called so."""
    true = 2 * jaccard / (1 + jaccard)
    covered = sum(
        comb(n, k) * jaccard**k * (1 - jaccard) ** (n - k)
        for k in range(n + 1)
        if f1_interval(k, n - k).low <= true <= f1_interval(k, n - k).high
    )
    assert 0.92 < covered < 0.99


def test_mean_interval_of_equals_is_narrower_by_root_two() -> None:
    one = Proportion(50, 100, 0.5, 0.4, 0.6)
    half = 0.1 / 2**0.5
    assert mean_interval(one, one) == Interval(0.5, pytest.approx(0.5 - half), pytest.approx(0.5 + half))


def test_figures_are_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 300)
    called = np.where(rng.random(300) < 0.8, labels, 1 - labels).astype(bool)
    found = ClusterMetrics.of(count(labels, called), None)
    assert found.f1 and found.precision and found.recall and found.balanced_accuracy
    ours = [found.f1, found.precision, found.recall, found.balanced_accuracy]
    scores = (f1_score, precision_score, recall_score, balanced_accuracy_score)
    assert [figure.estimate for figure in ours] == [pytest.approx(score(labels, called)) for score in scores]
    assert all(figure.low < figure.estimate < figure.high for figure in ours)


def test_a_cluster_without_positives() -> None:
    silent, noisy = ClusterMetrics.of(Counts(0, 0, 0, 30), 0), ClusterMetrics.of(Counts(0, 1, 0, 29), 1)
    assert (silent.f1, silent.precision, silent.recall) == (Interval(1, 0, 1), None, None)
    assert noisy.f1 is not None and noisy.f1.estimate == 0 and noisy.recall is None
    assert noisy.balanced_accuracy is not None and noisy.balanced_accuracy.estimate == pytest.approx(29 / 30)


def test_clusters_in_the_order_asked_and_one_without_a_label() -> None:
    labels, called = np.array([1, 1, 0, 0, 1]), np.array([1, 0, 1, 0, 1], bool)
    clusters, patients = np.array([2, 2, 2, -1, -1]), np.array(["a", "a", "b", "a", "a"])
    found = cluster_metrics(labels, called, clusters, ids=[2, 7, -1], patients=patients)
    assert [(f.cluster, f.counts, f.n_patients) for f in found] == [
        (2, Counts(1, 1, 1, 0), 2),
        (7, Counts(0, 0, 0, 0), 0),
        (-1, Counts(1, 0, 0, 1), 1),
    ]
    empty = found[1]
    assert (empty.f1, empty.precision, empty.recall, empty.balanced_accuracy, empty.enough) == (None,) * 4 + (False,)


def test_all_labels_in_background() -> None:
    labels = np.array([0, 1] * 15)
    found = cluster_metrics(labels, labels == 1, np.full(30, -1), ids=[-1, 0, 1])
    assert [(f.cluster, f.counts.n, f.enough) for f in found] == [(-1, 30, True), (0, 0, False), (1, 0, False)]


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        (Counts(9, 1, 0, 9), Area.UNKNOWN),  # 19 labels
        (Counts(95, 2, 3, 100), Area.STRONG),
        (Counts(9, 1, 1, 9), Area.UNKNOWN),  # F1 = .9, but it may be below .8
        (Counts(7, 3, 3, 7), Area.WEAK),  # F1 = .7
        (Counts(0, 0, 0, 200), Area.STRONG),
        (Counts(0, 0, 0, 20), Area.UNKNOWN),
        (Counts(0, 3, 0, 17), Area.WEAK),  # 15 % of others are called CTC
        (Counts(0, 0, 0, 0), Area.UNKNOWN),
    ],
)
def test_areas(counts: Counts, expected: Area) -> None:
    assert area(ClusterMetrics.of(counts, 0)) is expected


def test_rules_are_settings() -> None:
    good = ClusterMetrics.of(Counts(95, 2, 3, 100), 0)
    assert area(good, AreaRules(f1=0.95)) is Area.UNKNOWN
    assert area(good, AreaRules(f1=0.99)) is Area.WEAK
