"""What a label tells about the cells around it: how much less is open about them once it is known.

The classifier's kernel says how alike two cells are. Taken as the covariance of a Gaussian process, it says how far the
answer for one cell settles that for another, beside all labels there are; cells are taken one after the other, each the
one that settles most (Cohn 1996; Seo et al. 2000). Labels themselves are not needed for that, so that many cells can be
chosen before any is read.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ctc_core.relabel.strategies.choice import squared_distances

DOUBT = 0.1
"""Variance of one reading, where the cell's own is 1: a label may be wrong, and a second one beside it tells more."""
ALIKE = 0.5
"""Correlation from which the label of one cell is said to tell about another."""

Matrix = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Known:
    """Labelled cells, ready to be told apart from what is still open."""

    points: NDArray[np.floating]
    """(m, d)"""
    gamma: float
    """Of the kernel exp(-gamma distance^2)."""
    root: Matrix
    """(m, m) lower Cholesky factor of the covariance of their readings."""


def known(points: NDArray[np.floating], everything: NDArray[np.floating]) -> Known:
    """Prepare (m, d) labelled cells; the kernel's width is the classifier's (`gamma="scale"`) on (n, d) cells."""
    variance = float(everything.var()) if everything.size else 0.0
    gamma = 1 / (everything.shape[1] * variance) if variance else 1.0
    covariance = _kernel(points, points, gamma) + DOUBT * np.eye(len(points))
    return Known(points, gamma, np.asarray(np.linalg.cholesky(covariance) if len(points) else covariance, np.float64))


def _kernel(left: NDArray[np.floating], right: NDArray[np.floating], gamma: float) -> Matrix:
    return np.exp(-gamma * squared_distances(left, right).astype(np.float64))


def open_covariance(points: NDArray[np.floating], labelled: Known) -> Matrix:
    """(n, n) covariance of (n, d) cells that the labels leave open."""
    from scipy.linalg import solve_triangular

    covariance = _kernel(points, points, labelled.gamma)
    if len(labelled.points):
        told = solve_triangular(labelled.root, _kernel(labelled.points, points, labelled.gamma), lower=True)
        covariance -= told.T @ told
    return covariance


@dataclass(frozen=True)
class Chosen:
    """One cell, and what was open when it was chosen."""

    row: int
    alike: int
    """Other cells whose answer its label tells about (`ALIKE`)."""
    open: float
    """Its own variance that labels and cells chosen before left, 0..1; 1: nothing like it is known."""


def most_telling(covariance: Matrix, weights: NDArray[np.floating], n: int) -> list[Chosen]:
    """`n` of (m,) cells, one after the other the one whose label leaves the least open; of equals the first.

    Args:
        covariance: (m, m) `open_covariance`.
        weights: (m,) how much it matters that a cell is settled.
    """
    open_, weights = covariance.copy(), np.asarray(weights, np.float64)
    gain = (open_**2) @ weights
    free, chosen = np.ones(len(open_), bool), list[Chosen]()
    for _ in range(min(n, len(open_))):
        spread = np.diag(open_) + DOUBT
        i = int(np.where(free, gain / spread, -np.inf).argmax())
        free[i] = False
        chosen.append(Chosen(i, _alike(open_, i), float(open_[i, i])))
        column, part = open_[i].copy(), open_[i] / spread[i]
        gain += part**2 * float(weights @ column**2) - 2 * part * (open_ @ (weights * column))
        open_ -= np.outer(part, column)
    return chosen


def _alike(covariance: Matrix, i: int) -> int:
    scale = np.sqrt(np.maximum(np.diag(covariance) * covariance[i, i], 1e-12))
    return int((covariance[i] / scale >= ALIKE).sum()) - 1
