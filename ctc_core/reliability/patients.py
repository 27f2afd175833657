"""How much patients differ: a share that is 5 % over all patients is 1 % in one and 20 % in another."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MIN_PATIENTS = 5
"""Fewer patients cannot tell how much patients differ."""
ASSUMED_CONCENTRATION = 20.0
"""Taken then: other patients' cells, however many, say as much about a new patient as 20 of its own."""


def concentration(k: NDArray[np.int64], n: NDArray[np.int64]) -> float:
    """a + b of the Beta distribution that patients' shares k / n come from; infinite where they do not differ.

    From the intra-class correlation r by analysis of variance (Ridout et al. 1999): a + b = 1 / r - 1.

    Args:
        k, n: (p,) cells of interest and all cells of each patient; patients without cells do not count.
    """
    k, n = k[n > 0].astype(float), n[n > 0].astype(float)
    patients, total = len(n), n.sum()
    if patients < MIN_PATIENTS or total <= patients:
        return ASSUMED_CONCENTRATION
    shares, mean = k / n, k.sum() / total
    between = float((n * (shares - mean) ** 2).sum() / (patients - 1))
    within = float((n * shares * (1 - shares)).sum() / (total - patients))
    size = float((total - (n**2).sum() / total) / (patients - 1))
    if between <= within:
        return float("inf")
    correlation = (between - within) / (between + (size - 1) * within)
    return max(1 / correlation - 1, 1.0)


def by_patient(chosen: NDArray[np.bool_], patients: NDArray[np.str_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(chosen cells, all cells) of each patient, ascending by name, (p,) each."""
    _, index = np.unique(patients, return_inverse=True)
    return np.bincount(index, chosen).astype(np.int64), np.bincount(index)
