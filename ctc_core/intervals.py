"""Figures with their 95 % intervals. Cells count as independent: where patients differ much, they are too narrow."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

Z95 = 1.959963984540054
"""Standard normal quantile of a two-sided 95 % interval."""


@dataclass(frozen=True)
class Interval:
    """A figure with its 95 % interval."""

    estimate: float
    low: float
    high: float


@dataclass(frozen=True)
class Proportion:
    """k of n with its 95 % Wilson interval."""

    k: int
    n: int
    estimate: float
    low: float
    high: float


def wilson(k: int, n: int) -> Proportion | None:
    """Score interval of a proportion (Wilson 1927); None for n = 0, where nothing can be said."""
    if n == 0:
        return None
    p, z2 = k / n, Z95 * Z95
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = Z95 / (1 + z2 / n) * sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    return Proportion(k, n, p, max(0.0, centre - half), min(1.0, centre + half))


def f1_interval(tp: int, false: int) -> Interval:
    """F1 = 2 TP / (2 TP + FP + FN) with `false` = FP + FN.

    F1 = 2 J / (1 + J) rises with J = TP / (TP + FP + FN) (Hand et al. 2021), a proportion of the cells that are CTCs or
    were called so, given their number. The limits are those of J's Wilson interval. A bootstrap would do for large
    numbers, but is [1, 1] wherever all cells are right, however few they are. Without a single such cell F1 is 1 by
    convention, and nothing is known: the interval is [0, 1].
    """
    jaccard = wilson(tp, tp + false)
    if jaccard is None:
        return Interval(1.0, 0.0, 1.0)
    return Interval(*(2 * j / (1 + j) for j in (jaccard.estimate, jaccard.low, jaccard.high)))


def mean_interval(first: Proportion, second: Proportion) -> Interval:
    """Mean of two independent proportions; limits recovered from their own (MOVER, Zou and Donner 2008)."""
    estimate = (first.estimate + second.estimate) / 2
    below = sqrt((first.estimate - first.low) ** 2 + (second.estimate - second.low) ** 2) / 2
    above = sqrt((first.high - first.estimate) ** 2 + (second.high - second.estimate) ** 2) / 2
    return Interval(estimate, max(0.0, estimate - below), min(1.0, estimate + above))
