"""Shares of clusters: the published rule with its corners, and ours with floor and shrinkage."""

import pytest

from ctc_core.relabel.allocation import inverse_f1_counts, largest_remainders, shrunken_f1

MANY = {0: 1000, 1: 1000, 2: 1000}


@pytest.mark.parametrize(
    ("f1", "expected"),
    [
        ({0: 0.9, 1: 0.5, 2: 0.9}, {0: 14, 1: 72, 2: 14}),  # 14.29, 71.43 and 14.29: the remainder goes to cluster 1
        ({0: 0.75, 1: 0.75, 2: 0.5}, {0: 25, 1: 25, 2: 50}),
        ({0: 1.0, 1: 1.0, 2: 1.0}, {0: 34, 1: 33, 2: 33}),  # equal shares, the remainder to the lowest id
        ({0: 1.0, 1: 0.5, 2: 1.0}, {0: 0, 1: 100, 2: 0}),
        ({0: 0.5, 1: 0.5}, {0: 25, 1: 25, 2: 50}),  # no label of cluster 2: F1 counts as 0
        ({0: 0.5, 1: 0.5, 2: 0.0, 7: 0.0}, {0: 25, 1: 25, 2: 50}),  # cluster 7 is not there
        ({}, {0: 34, 1: 33, 2: 33}),
    ],
)
def test_inverse_f1(f1: dict[int, float], expected: dict[int, int]) -> None:
    assert inverse_f1_counts(f1, MANY, 100) == expected


def test_halves_are_rounded_to_even_and_the_remainder_can_be_negative() -> None:
    f1 = {0: 0.5, 1: 0.5, 2: 0.5, 3: 0.5}
    many = dict.fromkeys(f1, 100)
    assert inverse_f1_counts(f1, many, 10) == {0: 4, 1: 2, 2: 2, 3: 2}  # 2.5 each, rounded to 2
    assert inverse_f1_counts(f1, many, 14) == {0: 2, 1: 4, 2: 4, 3: 4}  # 3.5 each, rounded to 4


def test_what_the_weakest_cannot_give_back_the_next_ones_do() -> None:
    f1 = dict.fromkeys(range(60), 0.5)
    counts = inverse_f1_counts(f1, dict.fromkeys(f1, 100), 100)  # 1.67 each, rounded to 2: 20 too many
    assert list(counts.values()) == [0] * 10 + [2] * 50


def test_a_dry_cluster_overflows_to_the_lowest_f1_that_has_cells() -> None:
    f1 = {0: 0.9, 1: 0.2, 2: 0.5}
    assert inverse_f1_counts(f1, {0: 1000, 1: 10, 2: 20}, 100) == {0: 70, 1: 10, 2: 20}
    assert inverse_f1_counts(f1, {0: 1000, 1: 10, 2: 1000}, 100) == {0: 7, 1: 10, 2: 83}
    assert inverse_f1_counts(f1, {0: 5, 1: 0, 2: 5}, 100) == {0: 5, 1: 0, 2: 5}
    assert inverse_f1_counts(f1, {0: 1000, 1: 1000, 2: 0}, 0) == {0: 0, 1: 0, 2: 0}


def test_negative_ids_are_clusters_too() -> None:
    assert inverse_f1_counts({-1: 0.5, 0: 0.5}, {0: 50, -1: 50}, 10) == {-1: 5, 0: 5}


# ---- ours -----------------------------------------------------------------------------------------------------------


def test_few_cells_do_not_throw_an_estimate_far() -> None:
    found = shrunken_f1({0: 0.8, 1: 0.0}, {0: 180, 1: 20}, [0, 1, 2])
    mean = 0.72
    assert found == {
        0: pytest.approx((0.8 * 180 + mean * 20) / 200),
        1: pytest.approx(mean / 2),
        2: pytest.approx(mean),
    }
    assert shrunken_f1({}, {}, [4]) == {4: 0.5}


def test_largest_remainders() -> None:
    assert largest_remainders({0: 1, 1: 1, 2: 1}, 4) == {0: 2, 1: 1, 2: 1}
    assert largest_remainders({0: 5, 1: 3, 2: 2}, 7) == {0: 4, 1: 2, 2: 1}
    assert largest_remainders({0: 0, 1: 0}, 3) == {0: 2, 1: 1}
