"""TypiClust (Hacohen et al. 2022): typical cells of groups that have no label yet."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ctc_core.relabel.evidence import Evidence, Selection
from ctc_core.relabel.strategies.choice import Rows, selection

GROUPS = 500
"""Most groups; the authors' number."""
NEIGHBOURS = 20
"""Cells of its group that a cell's typicality is judged by; the authors' number."""
SMALLEST = 5
"""Groups of fewer cells are left out while there are others; the authors' number."""


def typiclust(evidence: Evidence, n: int, seed: int) -> Selection:
    """As many groups (k-means) as there are labels and wishes; of each the most typical cell, the emptiest first."""
    rows, labelled = typical_rows(evidence.pool, evidence.train, n, seed)
    none, some = "Typical of a group of cells of which none is labelled yet.", "Typical of a group with few labels."
    why = {row: some if number else none for row, number in zip(rows, labelled, strict=True)}
    return selection(evidence, rows, why.__getitem__, "Typical cells of groups that have few labels or none.")


def typical_rows(
    pool: NDArray[np.floating], train: NDArray[np.floating], n: int, seed: int
) -> tuple[list[int], list[int]]:
    """`n` positions among (m, d) pool cells, and how many labelled cells (k, d) there are in the group of each."""
    if not len(pool) or not n:
        return [], []
    group = _groups(np.concatenate([pool, train]), min(len(train) + n, GROUPS), seed)
    own, labels = group[: len(pool)], np.bincount(group[len(pool) :], minlength=GROUPS)
    queues = {int(k): _most_typical_first(pool, np.flatnonzero(own == k)) for k in np.unique(own)}
    rows = _turns(queues, labels, n)
    return rows, labels[own[rows]].tolist()


def _groups(features: NDArray[np.floating], k: int, seed: int) -> Rows:
    from sklearn.cluster import MiniBatchKMeans

    kmeans = MiniBatchKMeans(min(k, len(features)), random_state=seed, n_init=1, batch_size=4096)
    return np.asarray(kmeans.fit_predict(np.asarray(features, np.float32)), np.int64)


def _most_typical_first(features: NDArray[np.floating], rows: Rows) -> list[int]:
    """Rows, the most typical first."""
    order = np.argsort(-typicality(features[rows]), kind="stable")
    return [int(row) for row in rows[order]]


def typicality(features: NDArray[np.floating], neighbours: int = NEIGHBOURS) -> NDArray[np.float32]:
    """(n,) inverse mean distance of each of (n, d) cells to its nearest neighbours among them; one alone has 0."""
    from scipy.spatial import KDTree

    k = min(neighbours, len(features) - 1)
    if k < 1:
        return np.zeros(len(features), np.float32)
    distances = np.asarray(KDTree(features).query(features, k=k + 1)[0])
    return np.asarray(1 / np.maximum(distances[:, 1:].mean(axis=1), 1e-12), np.float32)


def _turns(queues: dict[int, list[int]], labels: Rows, n: int) -> list[int]:
    """Take turns: the group with the fewest labels next, of equals the largest; small groups only at the end."""
    sizes = {k: len(queue) for k, queue in queues.items()}
    taken = {k: int(labels[k]) for k in queues}
    chosen: list[int] = []
    for _ in range(min(n, sum(sizes.values()))):
        left = [k for k in queues if queues[k]]
        k = min(left, key=lambda k: (sizes[k] < SMALLEST, taken[k], -sizes[k], k))
        chosen.append(queues[k].pop(0))
        taken[k] += 1
    return chosen
