"""Kappa against other implementations, published examples and hand counts."""

import math

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import cohen_kappa_score

from ctc_core.agreement import Agreement, against_consensus, by_cluster, cohen, fleiss, overall, pairs
from ctc_core.intervals import wilson

WIKIPEDIA = np.array([
    [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
    [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
])  # fmt: skip
"""The worked example of the encyclopedia's article on Fleiss' kappa: 14 raters, 10 subjects, 5 categories; .210."""

FLEISS_1971 = np.array([
    [0, 0, 0, 6, 0], [0, 3, 0, 0, 3], [0, 1, 4, 0, 1], [0, 0, 0, 0, 6], [0, 3, 0, 3, 0], [2, 0, 4, 0, 0],
    [0, 0, 4, 0, 2], [2, 0, 3, 1, 0], [2, 0, 0, 4, 0], [0, 0, 0, 0, 6], [1, 0, 0, 5, 0], [1, 1, 0, 4, 0],
    [0, 3, 3, 0, 0], [1, 0, 0, 5, 0], [0, 2, 0, 3, 1], [0, 0, 5, 0, 1], [3, 0, 0, 1, 2], [5, 1, 0, 0, 0],
    [0, 2, 0, 4, 0], [1, 0, 2, 0, 3], [0, 0, 0, 0, 6], [0, 1, 0, 5, 0], [0, 2, 0, 1, 3], [2, 0, 0, 4, 0],
    [1, 0, 0, 4, 1], [0, 5, 0, 1, 0], [4, 0, 0, 0, 2], [0, 2, 0, 4, 0], [1, 0, 5, 0, 0], [0, 0, 0, 0, 6],
])  # fmt: skip
"""Table 1 of Fleiss (1971): 30 patients, 6 psychiatrists, 5 diagnoses; .430."""


def readings(*rows: tuple[str, str, str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["cell_id", "reader", "label"])


def two(first: str, second: str, names: tuple[str, str] = ("ann", "bob"), prefix: str = "c") -> pd.DataFrame:
    """One letter per cell: c CTC, n non-CTC, a artifact, u unsure, - not read."""
    words = {"c": "ctc", "n": "non-ctc", "a": "artifact", "u": "unsure"}
    return readings(
        *[
            (f"{prefix}{i}", name, words[letter])
            for name, letters in zip(names, (first, second), strict=True)
            for i, letter in enumerate(letters)
            if letter != "-"
        ]
    )


@pytest.mark.parametrize(
    ("table", "kappa", "observed"), [(WIKIPEDIA, 0.210, 0.378), (FLEISS_1971, 0.430, 0.556)], ids=["wikipedia", "1971"]
)
def test_fleiss_published_examples(table: np.ndarray, kappa: float, observed: float) -> None:
    found = fleiss(table)
    assert (found.n, found.readers) == (len(table), table[0].sum())
    assert found.kappa is not None and round(found.kappa.estimate, 3) == kappa
    assert found.observed == pytest.approx(observed, abs=6e-4)
    assert found.kappa.low < kappa < found.kappa.high


@pytest.mark.parametrize("seed", range(5))
def test_cohen_is_that_of_scikit_learn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    first = rng.choice(["ctc", "non-ctc", "artifact"], 60, p=[0.3, 0.5, 0.2])
    second = np.where(rng.random(60) < 0.7, first, rng.permutation(first))
    found = cohen(list(first), list(second))
    assert found.kappa is not None
    assert found.kappa.estimate == pytest.approx(cohen_kappa_score(first, second), abs=1e-12)


def test_the_interval_is_the_score_interval_of_the_observed_agreement() -> None:
    found = overall(two("ccccnnnnnn", "cccnnnnnnc"))  # 8 of 10 agree; 4 CTCs each: .4 * .4 + .6 * .6 = .52 by chance
    score = wilson(8, 10)
    assert found.kappa is not None and score is not None
    assert (found.n, found.readers, found.observed) == (10, 2, 0.8)
    assert found.expected == pytest.approx(0.52)
    expected = [(share - 0.52) / 0.48 for share in (0.8, score.low, score.high)]
    assert [found.kappa.estimate, found.kappa.low, found.kappa.high] == pytest.approx(expected)


def test_full_agreement_of_few_readings_is_not_certain() -> None:
    found = overall(two("ccnn", "ccnn")).kappa
    assert found is not None
    assert (found.estimate, found.high, found.low < 0.1) == (1.0, 1.0, True)


def test_other_labels_count_alike_and_unsure_is_no_opinion() -> None:
    found = overall(two("cnacucn", "canuncn"))
    assert (found.n, found.observed) == (5, 1.0)


def test_where_nothing_can_be_said() -> None:
    assert overall(readings()) == Agreement(0, 0, None, None, None)
    assert overall(two("cc--", "--cc")).n == 0
    alike = overall(two("nnn", "nnn"))
    assert (alike.n, alike.observed, alike.kappa) == (3, 1.0, None)
    assert cohen([], []) == Agreement(0, 2, None, None, None)
    assert (pairs(readings()), by_cluster(readings(), {}), against_consensus(readings(), {})) == ({}, {}, {})


def test_three_readers_each_pair_and_all() -> None:
    table = pd.concat(
        [two("ccnn--", "cnnn--"), two("-----c", "------", ("eva", "x")), two("--nncn", "------", ("eva", "x"))]
    )
    table = table.drop_duplicates(["cell_id", "reader"])
    found = pairs(table)
    assert {pair: agreement.n for pair, agreement in found.items()} == {
        ("ann", "bob"): 4,
        ("ann", "eva"): 2,
        ("bob", "eva"): 2,
    }
    assert found["ann", "bob"].observed == 0.75
    every = overall(table)  # agreeing pairs per cell: 1, 0, 1, 1; 3 of 10 readings are CTC
    assert (every.n, every.readers, every.observed) == (4, 3, 0.75)
    assert every.expected == pytest.approx(0.3**2 + 0.7**2)


def test_by_cluster() -> None:
    table = two("ccnnnnc", "ccnncc-")
    found = by_cluster(table, {"c0": 1, "c1": 1, "c2": 1, "c3": 1, "c4": -1, "c5": -1})
    assert {cluster: (one.n, one.observed) for cluster, one in found.items()} == {-1: (2, 0.0), 1: (4, 1.0)}


def test_a_reader_against_the_consensus() -> None:
    table = two("ccnn", "ncnn")
    found = against_consensus(table, {"c0": "ctc", "c1": "ctc", "c2": "non-ctc", "c3": "unsure"})
    assert {reader: (one.n, one.observed) for reader, one in found.items()} == {"ann": (3, 1.0), "bob": (3, 2 / 3)}
    assert found["ann"].kappa is not None and math.isclose(found["ann"].kappa.estimate, 1.0)
