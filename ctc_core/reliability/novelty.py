"""Cells unlike anything labelled: their distance to labelled cells against the distances among labelled cells.

Distances are taken among the principal components that the classifier sees. Each labelled cell is measured against
labelled cells of *other* patients, as a new patient's cells are: within one patient, cells are more alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ctc_core.errors import NotEnoughLabels
from ctc_core.reliability.patients import by_patient, concentration

NEIGHBOURS = 5
LIMIT = 0.99
"""A cell is unlike anything labelled when it lies further out than this share of labelled cells does."""
ALARM = 0.01
"""A draw is flagged when what is found in it would be found in fewer than this share of ordinary patients."""
BEYOND = 3
"""Fewest cells further out than every labelled cell that flag a draw."""


@dataclass(frozen=True)
class Novelty:
    """Labelled cells and how far they lie from each other."""

    features: NDArray[np.float32]
    """(n, 32) principal components of labelled cells."""
    reference: NDArray[np.float64]
    """(n,) distances of labelled cells to those of other patients, ascending."""
    concentration: float
    """How alike patients are in their share of far cells (`patients.concentration`)."""
    neighbours: int = NEIGHBOURS


def fit_novelty(features: NDArray[np.float32], patients: NDArray[np.str_], neighbours: int = NEIGHBOURS) -> Novelty:
    """Measure (n, 32) labelled cells of (n,) patients; with one patient only, each cell against all other cells.

    Raises:
        NotEnoughLabels: no more cells than `neighbours`.
    """
    if len(features) <= neighbours:
        message = (
            f"{len(features)} labelled cells are too few to say what is unlike them: at least {neighbours + 1} are "
            "needed. Label more cells."
        )
        raise NotEnoughLabels(message)
    groups = patients if len(set(patients)) > 1 else np.arange(len(features)).astype(np.str_)
    distances = np.empty(len(features))
    for group in np.unique(groups):
        own = groups == group
        distances[own] = _distance(features[own], features[~own], neighbours)
    far = distances > np.quantile(distances, LIMIT)
    alike = concentration(*by_patient(far, patients))
    return Novelty(features, np.sort(distances), alike, neighbours)


def _distance(features: NDArray[np.float32], labelled: NDArray[np.float32], neighbours: int) -> NDArray[np.float64]:
    """Mean distance to the nearest labelled cells, (n,)."""
    from sklearn.neighbors import NearestNeighbors

    if len(features) == 0:
        return np.empty(0)
    index = NearestNeighbors(n_neighbors=min(neighbours, len(labelled)), algorithm="brute").fit(labelled)
    found: NDArray[np.float64] = index.kneighbors(features)[0].mean(axis=1).astype(np.float64)
    return found


def remoteness(novelty: Novelty, features: NDArray[np.float32]) -> NDArray[np.float64]:
    """Share of labelled cells that lie no further from labelled cells than each of (n, 32) new ones: (n,) in 0..1."""
    distances = _distance(features, novelty.features, novelty.neighbours)
    return np.asarray(np.searchsorted(novelty.reference, distances, side="right") / len(novelty.reference))


def alarm(novelty: Novelty, remote: NDArray[np.float64]) -> bool:
    """Whether a draw, (n,) `remoteness` of its cells, holds more far cells than ordinary patients do.

    Either more cells beyond `LIMIT` (patients' shares are Beta distributed around 1 % as the labelled patients' are, so
    their number is beta-binomial), or at least `BEYOND` cells further out than every labelled cell, where one in
    (number of labelled cells + 1) would be expected. The first notices many cells, the second a few strange ones.
    """
    from scipy.stats import binom

    far, beyond, n = int((remote > LIMIT).sum()), int((remote == 1).sum()), len(remote)
    rare = binom.sf(beyond - 1, n, 1 / (len(novelty.reference) + 1)) if beyond >= BEYOND else 1.0
    return bool(min(_tail(novelty, far, n), rare) < ALARM / 2)


def _tail(novelty: Novelty, far: int, n: int) -> float:
    """Probability of at least `far` of `n` cells beyond `LIMIT` in an ordinary patient."""
    from scipy.stats import betabinom, binom

    share = 1 - LIMIT
    if np.isinf(novelty.concentration):
        return float(binom.sf(far - 1, n, share))
    return float(betabinom.sf(far - 1, n, share * novelty.concentration, LIMIT * novelty.concentration))
