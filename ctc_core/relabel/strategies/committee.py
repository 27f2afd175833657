"""Disagreement of an ensemble: query by bagging (Abe, Mamitsuka 1998)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ctc_core.relabel import svm
from ctc_core.relabel.evidence import Evidence, Selection
from ctc_core.relabel.strategies.choice import selection
from ctc_core.relabel.strategies.uncertainty import margin_of

MEMBERS = 10
"""Classifiers that vote."""


def committee(evidence: Evidence, n: int, seed: int) -> Selection:
    """Cells on which classifiers fitted to resampled labels are most divided; of equals the least sure."""
    votes = _votes(evidence, seed)
    divided = np.minimum(votes, MEMBERS - votes)
    order = np.random.default_rng(seed).permutation(len(votes))
    rows = order[np.lexsort((margin_of(evidence.pool_probability[order]), -divided[order]))][:n]

    def why(row: int) -> str:
        return f"{votes[row]} of {MEMBERS} classifiers fitted to other draws of the same labels call this cell a CTC."

    return selection(evidence, rows, why, "Cells on which classifiers fitted to other draws of the labels disagree.")


def _votes(evidence: Evidence, seed: int) -> NDArray[np.int64]:
    """(n,) members that call each cell of the pool a CTC; without labels none does."""
    rng, m = np.random.default_rng([seed, 10]), len(evidence.train)
    votes = np.zeros(len(evidence.pool), np.int64)
    for _ in range(MEMBERS if m else 0):
        rows = rng.integers(0, m, m)
        votes += svm.fit(evidence.train[rows], evidence.train_label[rows]).call(evidence.pool)
    return votes
