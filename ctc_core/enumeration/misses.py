"""CTCs that nobody is shown: below the threshold and not among CellSearch's events.

In each cluster of the map the classifier shows the share r of the CTCs, and CellSearch shows the share w of those that
it does not. With n1 CTCs among the cluster's candidates and n01 on CellSearch's events below the threshold,

    r ~ Beta(a + n1, b + n01 / w)    w ~ Beta(c + n11, d + n10)
    mean ~ Gamma(prior + n1 + n01) / (r + (1 - r) w)    unseen ~ Poisson(mean (1 - r) (1 - w))

a, b: from labelled cells of other patients (`reliability.Rates`); n11, n10: CTCs shown by both, by the classifier only,
in all clusters. So misses follow what was found: a draw without CTCs has hardly any to miss. A CTC without a cell (the
segmenter missed it) cannot be a candidate: r = 0. Without a map all cells are one cluster with r unknown, which is
capture-recapture of two observers (Bayesian form of Lincoln and Petersen's).

It takes CTCs missed by one observer to be as visible to the other as the rest; where dim CTCs escape both, too few are
expected.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ctc_core.enumeration.candidates import proposed
from ctc_core.reliability import Rates

Array = NDArray[np.float64]

SHOWN = (6.0, 1.0)
"""Beta distribution of the share of CTCs that CellSearch shows, before reading: mean .86, worth 7 CTCs (assumed)."""
PRIOR = 0.1
"""CTCs that a draw counts as having before any is found: a Gamma prior of the mean that is nearly 1 / mean, as counts
of patients spread over orders of magnitude (log-uniform)."""
LOST = 0.02
"""The same for CTCs without a cell: the segmenter finds all but a few in a hundred."""


@dataclass(frozen=True, eq=False)
class Misses:
    """How many CTCs the classifier shows in each of c clusters."""

    clusters: tuple[int, ...]
    """Empty: all cells are one."""
    recall: tuple[Array, Array]
    """Beta distributions, (c,) each, or (1,)."""
    prior: Array
    """(c,) CTCs that each counts as having before any is found."""


UNKNOWN = Misses((), (np.array([0.5]), np.array([0.5])), np.array([PRIOR]))
"""Only what CellSearch shows tells."""


def misses(rates: Rates, total: NDArray[np.int64]) -> Misses:
    """From error rates of clusters and the draw's cells in each, (c,): CTCs lie where labelled ones did."""
    weight = rates.likelihood_ratio * (total + 0.01)
    return Misses(rates.clusters, rates.recall, PRIOR * weight / weight.sum())


def unseen(
    known: Misses, table: pd.DataFrame, is_ctc: NDArray[np.bool_], rng: np.random.Generator
) -> NDArray[np.int64]:
    """(s,) samples of the number of CTCs that neither side shows and nobody has found among less certain cells.

    Args:
        table: of n images: cell_id, group, event_rid and, where `known` has clusters, cluster.
        is_ctc: (s, n) samples of which images are CTCs.
    """
    model, theirs = proposed(table), table.event_rid.notna().to_numpy(bool)
    of_cluster, without_cell = _clusters(known, table), table.cell_id.isna().to_numpy(bool)
    groups = (model & theirs, model & ~theirs, ~model & ~theirs, without_cell)
    both, ours, neither, lost = numbers(is_ctc, np.column_stack(groups)).T
    found, below = (numbers(is_ctc, of_cluster * rows[:, None]) for rows in (model, theirs & ~model))
    shown = rng.beta(SHOWN[0] + both, SHOWN[1] + ours)[:, None]
    a, b = known.recall
    recall = rng.beta(a + found, b + below / shown)
    mean = rng.gamma(known.prior + found + below) / (recall + (1 - recall) * shown)
    without = rng.gamma(LOST + lost) / shown[:, 0]
    left = rng.poisson((1 - shown[:, 0]) * ((mean * (1 - recall)).sum(axis=1) + without))
    return np.asarray(np.maximum(left - neither, 0))


def numbers(is_ctc: NDArray[np.bool_], groups: NDArray[np.generic]) -> NDArray[np.int64]:
    """(s, g) numbers of CTCs in groups of images: (n, g), 1 where an image belongs to one.

    A product of float32, which adds whole numbers below 2^24 without rounding, many times faster than sums of columns.
    """
    return np.asarray(np.rint(is_ctc.astype(np.float32) @ groups.astype(np.float32)), np.int64)


def _clusters(known: Misses, table: pd.DataFrame) -> Array:
    """(n, c) 1 where an image's cell lies in a cluster; 0 throughout without a cell or a known cluster."""
    has_cell = table.cell_id.notna().to_numpy(bool)
    if not known.clusters:
        return has_cell[:, None].astype(float)
    cluster = table.cluster.to_numpy(float)
    return np.asarray(has_cell[:, None] & (cluster[:, None] == np.array(known.clusters)), float)
