"""How many cells to ask for in each cluster.

Published: the more the lower the F1 (`inverse_f1_counts`). Ours needs no shares, but an F1 that a lucky or unlucky
handful of cells cannot throw far (`shrunken_f1`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import floor

PRIOR = 20
"""Validation cells that the F1 of all clusters together counts for in the F1 of one."""


# ---- published ------------------------------------------------------------------------------------------------------


def inverse_f1_counts(cluster_f1: Mapping[int, float], available: Mapping[int, int], n: int) -> dict[int, int]:
    """Cells to take from each cluster of `available`, ascending: n c_i, with c_i = (1 - F1_i) / sum_j (1 - F1_j).

    Each number is rounded half to even; the remainder, which can be negative, goes to the cluster with the lowest F1
    (of several, the lowest id). A cluster without an F1 counts as 0; where all are 1, shares are equal. A cluster that
    has too few cells gives what it has and the rest comes from the lowest F1 that still has cells.

    Args:
        cluster_f1: F1 on validation predictions, 0..1; clusters that are not in `available` are ignored.
        available: cells of each cluster that may be asked for; 0 is allowed, and keeps the cluster's share alive.
        n: cells to take; fewer where `available` holds fewer.
    """
    f1 = {cluster: cluster_f1.get(cluster, 0.0) for cluster in sorted(available)}
    weakest_first = sorted(f1, key=lambda cluster: (f1[cluster], cluster))
    counts = _settle_remainder(_rounded_shares(f1, n), n, weakest_first)
    return overflow(counts, available, weakest_first)


def _rounded_shares(f1: Mapping[int, float], n: int) -> dict[int, int]:
    missing = {cluster: 1 - value for cluster, value in f1.items()}
    total = sum(missing.values())
    if total == 0:
        return {cluster: round(n / len(f1)) for cluster in f1}
    return {cluster: round(value / total * n) for cluster, value in missing.items()}


def _settle_remainder(counts: Mapping[int, int], n: int, weakest_first: list[int]) -> dict[int, int]:
    """Give the remainder to the weakest; what it cannot give back, the next ones do."""
    settled, remainder = dict(counts), n - sum(counts.values())
    for cluster in weakest_first:
        change = max(remainder, -settled[cluster])
        settled[cluster] += change
        remainder -= change
    return settled


def overflow(counts: Mapping[int, int], available: Mapping[int, int], order: list[int]) -> dict[int, int]:
    """`counts` cut to what is available; the rest goes to the first clusters of `order` that have cells left."""
    settled = {cluster: min(number, available[cluster]) for cluster, number in counts.items()}
    rest = sum(counts.values()) - sum(settled.values())
    for cluster in order:
        more = min(rest, available[cluster] - settled[cluster])
        settled[cluster] += more
        rest -= more
    return settled


# ---- ours -----------------------------------------------------------------------------------------------------------


def shrunken_f1(
    cluster_f1: Mapping[int, float], cluster_n: Mapping[int, int], clusters: Iterable[int], prior: int = PRIOR
) -> dict[int, float]:
    """F1 of each of `clusters`, drawn towards the mean as if `prior` more cells had been seen with that mean.

    The mean counts every validation cell once; without a single one it is one half. A cluster without validation cells
    has the mean.
    """
    number = {cluster: cluster_n.get(cluster, 0) for cluster in cluster_f1}
    n = sum(number.values())
    mean = sum(f1 * number[cluster] for cluster, f1 in cluster_f1.items()) / n if n else 0.5
    return {
        cluster: (cluster_f1.get(cluster, 0.0) * number.get(cluster, 0) + mean * prior)
        / (number.get(cluster, 0) + prior)
        for cluster in clusters
    }


def largest_remainders(weights: Mapping[int, float], n: int) -> dict[int, int]:
    """`n` split in proportion to `weights`: whole parts first, then one each by the largest remainder, ties by id."""
    total = sum(weights.values())
    exact = {key: n * (weight / total if total else 1 / len(weights)) for key, weight in weights.items()}
    counts = {key: floor(value) for key, value in exact.items()}
    by_remainder = sorted(exact, key=lambda key: (counts[key] - exact[key], key))
    for key in by_remainder[: n - sum(counts.values())]:
        counts[key] += 1
    return counts
