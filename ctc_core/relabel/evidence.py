"""What a query strategy may know, and what it answers. Pure values; nothing here touches the store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BACKGROUND = -1


@dataclass(frozen=True)
class Evidence:
    """The pool to choose from, the labels there are, and how well the classifier does where.

    Everything about performance comes from validation folds of the training labels, never from test patients.
    """

    pool: NDArray[np.float32]
    """(n, d) features (PCA) of the cells that may be asked for."""
    pool_probability: NDArray[np.float32]
    """(n,) P(CTC) by the present classifier."""
    pool_cluster: NDArray[np.int64]
    """(n,) cluster; -1 is background."""
    train: NDArray[np.float32]
    """(m, d) features of the labelled training cells."""
    train_label: NDArray[np.int64]
    """(m,) 1 CTC, 0 anything else."""
    train_cluster: NDArray[np.int64]
    """(m,)"""
    cluster_f1: Mapping[int, float]
    """F1 of class CTC on validation predictions by cluster; a cluster without any validation cell is absent."""
    cluster_n: Mapping[int, int]
    """Validation cells behind each F1."""
    wrong_class: Mapping[int, int]
    """Class (1 CTC, 0 other) that the classifier most often predicts wrongly in a cluster; absent: no error there."""


@dataclass(frozen=True)
class Selection:
    """Which cells to ask for, first the most wanted, and why."""

    rows: NDArray[np.int64]
    """(k,) positions in the pool, no position twice; fewer than asked for when the pool is dry."""
    reasons: tuple[str, ...]
    """(k,) one plain sentence per cell."""
    summary: str
    """One plain sentence about the whole choice."""
    cluster: int | None = None
    """The one cluster that was chosen, if one was."""
    predicted: int | None = None
    """The one predicted class that was chosen, if one was."""
