"""One draw: shares by area, cells unlike anything labelled, expected errors against a simulation with known rates."""

import numpy as np
import pytest

from ctc_core.errors import NotEnoughLabels
from ctc_core.reliability import (
    Area,
    Evidence,
    Novelty,
    Rates,
    alarm,
    draw_reliability,
    expected_errors,
    fit_novelty,
    rates,
    remoteness,
)
from ctc_core.reliability.expected import _interval
from ctc_core.reliability.novelty import LIMIT
from ctc_core.reliability.patients import ASSUMED_CONCENTRATION, by_patient, concentration


def normal(seed: int, n: int, shift: float = 0.0) -> np.ndarray:
    return (np.random.default_rng(seed).normal(size=(n, 32)) + shift).astype(np.float32)


def unlike(novelty: Novelty, features: np.ndarray) -> np.ndarray:
    return remoteness(novelty, features) > LIMIT


LABELLED = fit_novelty(normal(0, 1000), np.repeat(np.array([f"p{i}" for i in range(10)]), 100))


# ---- cells unlike anything labelled ---------------------------------------------------------------------------------


def test_ordinary_cells_are_seldom_flagged_and_others_nearly_always() -> None:
    assert 0.003 < unlike(LABELLED, normal(1, 4000)).mean() < 0.02
    assert unlike(LABELLED, normal(2, 100, shift=3)).mean() > 0.99


def test_remoteness_is_the_share_of_labelled_cells_that_are_no_further() -> None:
    found = remoteness(LABELLED, np.array([[0.0] * 32, [9.0] * 32], np.float32))
    assert found[1] == 1 and found[0] == pytest.approx(0, abs=0.01)
    assert remoteness(LABELLED, np.empty((0, 32), np.float32)).tolist() == []


def test_own_patients_cells_do_not_make_a_cell_look_near() -> None:
    """Each patient is a tight group: measured within patients, every new patient would look strange."""
    rng = np.random.default_rng(3)
    centres = rng.normal(size=(11, 1, 32)) * 2
    groups = (centres + 0.05 * rng.normal(size=(11, 50, 32))).astype(np.float32)
    fitted = fit_novelty(groups[:10].reshape(-1, 32), np.repeat(np.array([str(i) for i in range(10)]), 50))
    assert unlike(fitted, groups[10]).mean() < 0.5
    assert np.quantile(fitted.reference, 0.01) > 3


def test_one_patient_is_measured_against_its_other_cells() -> None:
    fitted = fit_novelty(normal(0, 200), np.full(200, "only"))
    assert unlike(fitted, normal(1, 2000)).mean() < 0.05
    assert fitted.concentration == ASSUMED_CONCENTRATION
    with pytest.raises(NotEnoughLabels, match="5 labelled cells are too few"):
        fit_novelty(normal(0, 5), np.full(5, "only"))


def test_alarm_needs_more_than_patients_differ_by() -> None:
    alike = fit_novelty(normal(0, 1000), np.repeat(np.array([f"p{i}" for i in range(10)]), 100))
    assert np.isinf(alike.concentration) or alike.concentration > 50
    ordinary = np.linspace(0, 1, 300, endpoint=False)
    many, strange = np.where(np.arange(300) < 30, 0.995, 0.5), np.where(np.arange(300) < 4, 1.0, 0.5)
    assert [alarm(alike, remote) for remote in (ordinary, many, strange, np.empty(0))] == [False, True, True, False]


def test_concentration_of_patients() -> None:
    rng = np.random.default_rng(0)
    n = np.full(400, 200)
    shares = rng.beta(2, 8, 400)
    assert concentration(rng.binomial(n, shares), n) == pytest.approx(10, rel=0.25)
    assert concentration(rng.binomial(n, 0.2), n) > 200
    assert concentration(np.array([1, 9]), np.array([10, 10])) == ASSUMED_CONCENTRATION
    k, total = by_patient(np.array([True, False, True, True]), np.array(["b", "a", "b", "c"]))
    assert (k.tolist(), total.tolist()) == ([0, 2, 1], [1, 2, 1])


# ---- expected errors ------------------------------------------------------------------------------------------------


def labelled(recall: list[float], false_positive: list[float], seed: int, n: int = 4000) -> Evidence:
    """Half CTCs, 40 patients that do not differ."""
    rng = np.random.default_rng(seed)
    clusters, labels = rng.integers(0, len(recall), n), rng.integers(0, 2, n)
    called = rng.random(n) < np.where(labels == 1, np.array(recall)[clusters], np.array(false_positive)[clusters])
    patients = np.array([str(i % 40) for i in range(n)])
    return Evidence(tuple(str(i) for i in range(n)), patients, clusters, labels, called)


RECALL, FALSE = [0.95, 0.7, 0.85], [0.001, 0.05, 0.01]


def test_intervals_hold_although_ctcs_are_rare_in_the_draw() -> None:
    """The truth is drawn with the same rates but 2 % CTCs instead of 50 %; 40 draws, 95 % intervals."""
    given = rates(labelled(RECALL, FALSE, 0), (0, 1, 2))
    rng = np.random.default_rng(1)
    inside, predicted, realised = [], np.zeros((2, 3)), np.zeros((2, 3))
    for draw in range(40):
        total = np.array([400, 100, 200])
        ctcs = rng.binomial(total, 0.02)
        found, wrong = rng.binomial(ctcs, RECALL), rng.binomial(total - ctcs, FALSE)
        errors = expected_errors(given, found + wrong, total, seed=draw)
        missed = ctcs - found
        inside.append(errors.wrong.low <= wrong.sum() <= errors.wrong.high)
        inside.append(errors.missed.low <= missed.sum() <= errors.missed.high)
        predicted += [errors.wrong_by_cluster, errors.missed_by_cluster]
        realised += [wrong, missed]
    assert np.mean(inside) > 0.9
    np.testing.assert_allclose(predicted.sum(axis=1), realised.sum(axis=1), rtol=0.5)


def test_precision_among_labels_would_be_far_off() -> None:
    """900 of 10,000 called at a false positive rate of 9 %: all are wrong, though of labelled calls 91 % are right."""
    rare = (np.array([900.0]), np.array([9100.0]))
    certain = Rates((0,), (np.array([9000.0]), np.array([1000.0])), rare, np.ones(1))
    errors = expected_errors(certain, np.array([900]), np.array([10_000]))
    assert errors.wrong.estimate > 850 and errors.missed.estimate < 5


def test_where_false_calls_are_uncertain_most_calls_are_not_taken_for_ctcs() -> None:
    """A tenth of a draw is called; patients have about 8 % false calls, some far more. CTCs are rarer than that."""
    uncertain = Rates((0,), (np.array([9.0]), np.array([1.0])), (np.array([0.8]), np.array([9.2])), np.ones(1))
    errors = expected_errors(uncertain, np.array([30]), np.array([300]))
    assert errors.wrong.estimate > 17 and errors.wrong.low <= 2 and errors.wrong.high == 30


def test_nothing_called_nothing_wrong_and_no_cells_no_errors() -> None:
    given = rates(labelled(RECALL, FALSE, 0), (0, 1, 2))
    errors = expected_errors(given, np.array([0, 0, 0]), np.array([500, 0, 50]))
    assert (errors.wrong.estimate, errors.wrong.high) == (0, 0)
    assert 0 < errors.missed.estimate < 2 and errors.missed_by_cluster[1] == 0
    again = expected_errors(given, np.array([0, 0, 0]), np.array([500, 0, 50]))
    assert again.missed == errors.missed


def test_an_interval_holds_its_own_estimate() -> None:
    """A rare large number: 1 % of the draws have 200, so the mean is 2 and the quantiles are 0."""
    found = _interval(np.repeat([0.0, 200.0], [990, 10]))
    assert (found.estimate, found.low, found.high) == (2.0, 0.0, 2.0)
    found = _interval(np.repeat([0.0, 1.0], [990, 10]))
    assert (found.estimate, found.low, found.high) == (0.01, 0.0, 1.0)
    found = _interval(np.repeat([0.0, 9.0], [10, 990]))
    assert (found.estimate, found.low, found.high) == (pytest.approx(8.91), 8.0, 9.0)
    found = _interval(np.arange(1000.0))
    assert (found.estimate, found.low, found.high) == (499.5, 24.0, 974.0)


def test_a_cluster_without_labels_has_everyones_rates_and_wide_intervals() -> None:
    given = rates(labelled(RECALL, FALSE, 0), (0, 1, 2, 3))
    mean = given.recall[0] / (given.recall[0] + given.recall[1])
    assert mean[3] == pytest.approx(np.mean(RECALL), abs=0.05)
    assert given.recall[0][3] + given.recall[1][3] == pytest.approx(2)


def test_patients_who_differ_are_worth_less() -> None:
    alike = labelled([0.8], [0.02], 0)
    rng = np.random.default_rng(5)
    own = rng.beta(4, 1, 40)[alike.patients.astype(int)]
    differing = Evidence(alike.cell_ids, alike.patients, alike.clusters, alike.labels, rng.random(4000) < own)
    worth = [float(sum(rates(e, (0,)).recall)[0]) for e in (alike, differing)]
    assert worth[1] < 10 < 100 < worth[0]


# ---- the draw -------------------------------------------------------------------------------------------------------


def test_shares_by_area() -> None:
    features = np.concatenate([normal(1, 9) * 0.1, np.full((1, 32), 9, np.float32)])
    clusters = np.array([0, 0, 0, 1, 1, 2, -1, -1, 0, 0])
    probabilities = np.array([0.9, 0.5, 0.4, 0.6, 0.1, 0.8, 0.7, 0.2, 0.1, 0.95], np.float32)
    found = draw_reliability(
        remoteness(LABELLED, features),
        probabilities,
        clusters,
        threshold=0.5,
        areas={-1: Area.WEAK, 0: Area.STRONG, 1: Area.WEAK},
        rates=rates(labelled(RECALL, FALSE, 0), (-1, 0, 1, 2)),
        novelty=LABELLED,
    )
    assert (found.cells.n, found.cells.strong, found.cells.weak, found.cells.unknown) == (10, 4, 4, 2)
    assert (found.candidates.n, found.candidates.strong, found.candidates.weak) == (6, 2, 2)
    assert found.candidates.share(Area.UNKNOWN) == pytest.approx(2 / 6)
    assert found.unlike.tolist() == [False] * 9 + [True]
    assert found.unlike_candidates == 1


def test_a_draw_without_cells() -> None:
    found = draw_reliability(
        np.empty(0),
        np.empty(0, np.float32),
        np.empty(0, np.int64),
        threshold=0.5,
        areas={},
        rates=rates(labelled(RECALL, FALSE, 0), (-1, 0)),
        novelty=LABELLED,
    )
    assert (found.cells.share(Area.WEAK), found.alarm, found.errors.wrong.high) == (None, False, 0)


def test_a_cluster_of_ctcs_is_expected_to_hold_them() -> None:
    """Eight of ten CTCs, but one of five other cells lie in cluster 1; two cells of each class are added, evenly."""
    clusters = np.array([1] * 8 + [0] * 2 + [1] + [0] * 4)
    ctc = np.arange(15) < 10
    names = tuple(f"c{i}" for i in range(15))
    evidence = Evidence(names, np.full(15, "p"), clusters, ctc.astype(np.int64), ctc)
    even = (np.array([6, 9]) + 1) / 17
    expected = (np.array([2, 8]) + 2 * even) / 12 / ((np.array([4, 1]) + 2 * even) / 7)
    assert rates(evidence, (0, 1)).likelihood_ratio == pytest.approx(expected)
