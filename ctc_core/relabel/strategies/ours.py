"""Our strategy: the cells whose labels tell the most about others, above all where the classifier errs.

To an expert: "The desk asks for the cells whose labels tell the most about the cells that look like them. Cells that
the classifier is unsure of, and cells of areas where it errs often, count more."
"""

from __future__ import annotations

from math import sqrt

import numpy as np
from numpy.typing import NDArray

from ctc_core.relabel.allocation import largest_remainders, overflow, shrunken_f1
from ctc_core.relabel.evidence import Evidence, Selection
from ctc_core.relabel.strategies.choice import Rows, cluster_name
from ctc_core.relabel.strategies.telling import Chosen, known, most_telling, open_covariance

SURE = 0.5
"""What a cell counts that the classifier is sure of, where one at the limit counts 1: it may be sure and wrong."""
LEAST_ERRORS = 0.05
"""Share of errors that every cluster is thought to hold: none is starved by a lucky F1 of 1."""
LOOKED_AT = 2000
"""Most cells that are compared with each other, 32 MB; of a larger pool a sample in which small clusters are denser."""
UNSURE = 0.3
"""Distance of P(CTC) from one half up to which a reason calls the classifier unsure."""
LONELY = 0.5
"""Variance left open from which a reason says that hardly any labelled cell is like this one."""


def ours(evidence: Evidence, n: int, seed: int) -> Selection:
    """The `n` cells that tell the most (`telling`), the first the most; a cell counts by doubt, area and crowd.

    Where nothing is labelled these are the typical cells of large groups.
    """
    rows, stands_for = _sample(evidence.pool_cluster, max(LOOKED_AT, n), seed)
    labelled = known(evidence.train, np.concatenate([evidence.pool, evidence.train]))
    covariance = open_covariance(evidence.pool[rows], labelled)
    found = most_telling(covariance, _weights(evidence, rows) * stands_for, n)
    chosen = rows[[one.row for one in found]]
    reasons = tuple(_reason(evidence, one, int(row)) for one, row in zip(found, chosen, strict=True))
    return Selection(chosen, reasons, "Cells that tell most about others, above all unsure ones where errors are many.")


def _sample(clusters: NDArray[np.int64], most: int, seed: int) -> tuple[Rows, NDArray[np.float64]]:
    """Up to `most` positions in random order, and how many cells of its cluster each stands for."""
    order = np.random.default_rng(seed).permutation(len(clusters))
    available = {int(c): int(n) for c, n in zip(*np.unique(clusters, return_counts=True), strict=True)}
    counts = dict(available)
    if len(clusters) > most:
        wanted = largest_remainders({c: sqrt(n) for c, n in available.items()}, most)
        counts = overflow(wanted, available, sorted(available, key=lambda c: -available[c]))
    turn = np.empty(len(order), np.int64)  # a cell's place within its cluster, in the random order
    for cluster, number in available.items():
        turn[clusters[order] == cluster] = np.arange(number)
    rows = order[turn < np.array([counts[int(c)] for c in clusters[order]], np.int64)]
    return rows, np.array([available[int(c)] / counts[int(c)] for c in clusters[rows]], np.float64)


def _weights(evidence: Evidence, rows: Rows) -> NDArray[np.float64]:
    """What it is worth to settle each of (n,) cells: by the variance of its class, and by the errors of its cluster.

    Errors are 1 - F1, with an F1 that a lucky or unlucky handful of validation cells cannot throw far.
    """
    p = evidence.pool_probability[rows].astype(np.float64)
    clusters = evidence.pool_cluster[rows].tolist()
    f1 = shrunken_f1(evidence.cluster_f1, evidence.cluster_n, sorted(set(clusters)))
    errors = np.array([max(1 - f1[cluster], LEAST_ERRORS) for cluster in clusters], np.float64)
    return (SURE + (1 - SURE) * 4 * p * (1 - p)) * errors


def _reason(evidence: Evidence, chosen: Chosen, row: int) -> str:
    probability, where = float(evidence.pool_probability[row]), cluster_name(int(evidence.pool_cluster[row]))
    about = f"its label tells about {chosen.alike} cells like it" if chosen.alike else "no other cell is much like it"
    if abs(probability - 0.5) <= UNSURE:
        return f"The classifier is unsure here (P = {probability:.2f}, {where}), and {about}."
    if chosen.open >= LONELY:
        return f"Hardly any labelled cell is like this one of {where}, and {about}."
    return f"To check what the classifier is sure of (P = {probability:.2f}, {where}); {about}."
