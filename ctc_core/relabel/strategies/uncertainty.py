"""Where the classifier is unsure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ctc_core.relabel.evidence import Evidence, Selection
from ctc_core.relabel.strategies.choice import selection, smallest


def margin_of(probability: NDArray[np.floating]) -> NDArray[np.float64]:
    """Distance of (n,) P(CTC) from one half, 0..0.5."""
    return np.abs(np.asarray(probability, np.float64) - 0.5)


def margin(evidence: Evidence, n: int, seed: int) -> Selection:
    """Cells whose P(CTC) is nearest to one half."""
    rows = smallest(margin_of(evidence.pool_probability), n, seed)
    return selection(evidence, rows, lambda row: _why(evidence, row), "The cells whose P(CTC) is nearest to one half.")


def entropy_of(probability: NDArray[np.floating]) -> NDArray[np.float64]:
    """Entropy of (n,) P(CTC) in bits, 0..1."""
    p = np.asarray(probability, np.float64)
    both = np.stack([p, 1 - p])
    return -np.asarray((both * np.log2(np.where(both > 0, both, 1))).sum(axis=0), np.float64)


def entropy(evidence: Evidence, n: int, seed: int) -> Selection:
    """Cells whose predicted class has the highest entropy. With two classes the order is that of `margin`."""
    rows = smallest(-entropy_of(evidence.pool_probability), n, seed)
    return selection(evidence, rows, lambda row: _why(evidence, row), "The cells whose class carries the most doubt.")


def _why(evidence: Evidence, row: int) -> str:
    return f"The classifier is unsure here (P = {evidence.pool_probability[row]:.2f})."
