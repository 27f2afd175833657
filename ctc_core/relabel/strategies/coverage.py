"""What the labelled cells do not cover yet; the classifier's calls hardly matter."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ctc_core.relabel.evidence import Evidence, Selection
from ctc_core.relabel.strategies.choice import (
    Rows,
    farthest_first,
    nearest_squared,
    selection,
    squared_distances,
)

GRAPH = 4000
"""Most cells that ProbCover compares with each other: a random sample of larger pools, 64 MB."""
PURITY = 0.95
"""Share of balls that hold one class only: ProbCover's alpha (Yehuda et al. 2022)."""


def core_set(evidence: Evidence, n: int, seed: int) -> Selection:
    """k-center greedy (Sener, Savarese 2018): again and again the cell farthest from all that are labelled or taken."""
    rows = farthest_first(evidence.pool, nearest_squared(evidence.pool, evidence.train), n, seed)
    why = "No cell that is labelled or asked for before it looks like this one."
    return selection(evidence, rows, lambda _: why, "Cells that are as unlike all labelled ones as possible.")


def probcover(evidence: Evidence, n: int, seed: int) -> Selection:
    """ProbCover (Yehuda et al. 2022): the cell with the most uncovered cells around it, again and again.

    A cell is covered within a radius of a labelled or chosen one. The radius is the largest of which 95 % of the balls
    hold cells of one class only; classes are the classifier's calls, where the authors used k-means. Once all are
    covered, the rest is chosen in random order.
    """
    sample = np.random.default_rng(seed).permutation(len(evidence.pool))[:GRAPH]
    points = evidence.pool[sample]
    distances = squared_distances(points, points)
    np.fill_diagonal(distances, 0)
    radius = pure_radius(distances, evidence.pool_probability[sample] >= 0.5)
    covered = nearest_squared(points, evidence.train) <= radius
    chosen, gains = _greedy_cover(distances <= radius, covered, n)
    gain_of = dict(zip(sample[chosen].tolist(), gains, strict=True))

    def why(row: int) -> str:
        return f"Stands for {gain_of[row]} cells that are like no labelled one." if gain_of[row] else _COVERED

    return selection(evidence, sample[chosen], why, "Cells that stand for many that are like no labelled cell.")


_COVERED = "Chosen at random: every cell is like a labelled one already."


def pure_radius(distances: NDArray[np.float32], called: NDArray[np.bool_]) -> float:
    """Squared radius at which `PURITY` of the balls around (n,) cells hold one class only; zero without cells.

    A ball is pure up to the nearest cell of the other class, so this is a quantile of those distances.
    """
    if not len(called):
        return 0.0
    if called.all() or not called.any():
        return float(np.median(distances))
    reach = np.where(called[:, None] != called, distances, np.inf).min(axis=1)
    return float(np.nextafter(np.quantile(reach, 1 - PURITY), -np.inf, dtype=np.float32))


def _greedy_cover(near: NDArray[np.bool_], covered: NDArray[np.bool_], n: int) -> tuple[Rows, list[int]]:
    """Positions chosen, and how many uncovered cells each of them covered."""
    covered, free = covered.copy(), np.ones(len(near), bool)
    degree = near[:, ~covered].sum(axis=1)
    chosen, gains = [], []
    for _ in range(min(n, len(near))):
        i = int(np.where(free, degree, -1).argmax())
        chosen.append(i)
        gains.append(int(degree[i]))
        free[i] = False
        fresh = near[i] & ~covered
        covered |= fresh
        degree = degree - near[:, fresh].sum(axis=1)
    return np.array(chosen, np.int64), gains
