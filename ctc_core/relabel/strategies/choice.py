"""What strategies share: random order, words for clusters, distances in pieces."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from ctc_core.relabel.evidence import BACKGROUND, Evidence, Selection

Rows = NDArray[np.int64]
CLASS = {1: "CTC", 0: "non-CTC"}


def cluster_name(cluster: int) -> str:
    """As a sentence needs it."""
    return "the area outside all clusters" if cluster == BACKGROUND else f"cluster {cluster}"


def smallest(values: NDArray[np.floating], n: int, seed: int) -> Rows:
    """Positions of the `n` smallest values, the smallest first; ties in random order."""
    order = np.random.default_rng(seed).permutation(len(values))
    return order[np.argsort(values[order], kind="stable")][:n]


def selection(evidence: Evidence, rows: Sequence[int] | Rows, why: Callable[[int], str], summary: str) -> Selection:
    """A selection of positions in the pool, each with its own reason."""
    chosen = np.asarray(rows, np.int64)
    return Selection(chosen, tuple(why(row) for row in chosen.tolist()), summary)


def squared_distances(left: NDArray[np.floating], right: NDArray[np.floating]) -> NDArray[np.float32]:
    """Squared Euclidean distances, (n, m), of (n, d) and (m, d)."""
    left, right = np.asarray(left, np.float32), np.asarray(right, np.float32)
    both = (left**2).sum(axis=1)[:, None] + (right**2).sum(axis=1) - 2 * left @ right.T
    return np.asarray(np.maximum(both, 0), np.float32)


def nearest_squared(points: NDArray[np.floating], others: NDArray[np.floating]) -> NDArray[np.float32]:
    """Squared distance of each of (n, d) points to the nearest of (m, d) others; infinite where there are none."""
    nearest = np.full(len(points), np.inf, np.float32)
    for start in range(0, len(others), _PIECE):
        np.minimum(nearest, squared_distances(points, others[start : start + _PIECE]).min(axis=1), out=nearest)
    return nearest


_PIECE = 256
"""Cells compared with the pool at a time: 50 MB for a pool of 50,000."""


def farthest_first(points: NDArray[np.floating], nearest: NDArray[np.float32], n: int, seed: int) -> Rows:
    """`n` of (m, d) points, one after the other the farthest from all before (k-center greedy; Sener, Savarese 2018).

    nearest: (m,) squared distance to the nearest point that was there before; infinite where there was none, and then
        the first is the one nearest to the mean.
    """
    order = np.random.default_rng(seed).permutation(len(points))  # of equals, a random one
    points, nearest = np.asarray(points, np.float32)[order], nearest[order].copy()
    chosen: list[int] = []
    for _ in range(min(n, len(points))):
        lonely = np.isinf(nearest).all()
        i = int(squared_distances(points, points.mean(axis=0)[None]).argmin() if lonely else nearest.argmax())
        chosen.append(i)
        np.minimum(nearest, squared_distances(points, points[i][None])[:, 0], out=nearest)
        nearest[chosen] = -1
    return order[chosen]
