"""Cluster-margin (Citovsky et al. 2021): unsure cells, in turn from many small groups."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ctc_core.relabel.evidence import Evidence, Selection
from ctc_core.relabel.strategies.choice import Rows, selection, smallest
from ctc_core.relabel.strategies.uncertainty import margin_of

CANDIDATES = 10
"""Unsure cells looked at for each that is taken; the authors' k_m / k_t."""
MOST = 3000
"""Most candidates: what hierarchical clustering does in a second."""


def cluster_margin(evidence: Evidence, n: int, seed: int) -> Selection:
    """Group the least sure cells by likeness (average linkage), then take from each group in turn, small ones first.

    The authors group the whole pool once; here the candidates are grouped, into as many groups as cells are wanted.
    """
    wanted = min(max(CANDIDATES * n, 1), max(MOST, n))
    candidates = smallest(margin_of(evidence.pool_probability), wanted, seed)
    rows = candidates[different(evidence.pool[candidates], n)]

    def why(row: int) -> str:
        return f"The classifier is unsure here (P = {evidence.pool_probability[row]:.2f}), and it stands for a group."

    return selection(evidence, rows, why, "Cells that the classifier is unsure of, from many different groups.")


def different(features: NDArray[np.floating], n: int) -> Rows:
    """`n` positions among (m, d) candidates, the most wanted of which come first: the first of each of `n` groups.

    Where there are fewer groups, their second candidates follow, and so on; small groups come first.
    """
    groups = _groups(features, n)
    sizes = np.bincount(groups, minlength=1)
    turn = np.empty(len(groups), np.int64)
    for group in np.unique(groups):
        turn[groups == group] = np.arange(sizes[group])
    return np.lexsort((groups, sizes[groups], turn))[:n]


def _groups(features: NDArray[np.floating], n: int) -> Rows:
    from scipy.cluster.hierarchy import fcluster, linkage

    if len(features) < 2:
        return np.zeros(len(features), np.int64)
    return np.asarray(fcluster(linkage(features, "average"), max(n, 1), "maxclust"), np.int64)
