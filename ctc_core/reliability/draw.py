"""One draw against what is known: how much of it lies where the classifier is weak, and how many errors to expect."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ctc_core.reliability.expected import ExpectedErrors, Rates, expected_errors
from ctc_core.reliability.metrics import Area
from ctc_core.reliability.novelty import LIMIT, Novelty, alarm


@dataclass(frozen=True)
class Shares:
    """Cells by area; they add up to `n`."""

    n: int
    strong: int
    weak: int
    unknown: int

    def share(self, area: Area) -> float | None:
        """Share of the cells in an area, 0..1; None without cells."""
        return (
            {Area.STRONG: self.strong, Area.WEAK: self.weak, Area.UNKNOWN: self.unknown}[area] / self.n
            if self.n
            else None
        )


@dataclass(frozen=True)
class DrawReliability:
    """One draw, at one threshold."""

    candidates: Shares
    cells: Shares
    unlike: NDArray[np.bool_]
    """(n,) cells further out than 99 % of labelled cells: unlike anything labelled. They count as unknown, and error
    rates say nothing about them; about 1 % of an ordinary patient's cells."""
    unlike_candidates: int
    alarm: bool
    """More cells are unlike anything labelled than patients without an unknown kind of cell show."""
    errors: ExpectedErrors
    """Holds as far as the draw's cells are like labelled ones."""


def draw_reliability(
    remote: NDArray[np.float64],
    probabilities: NDArray[np.float32],
    clusters: NDArray[np.int64],
    *,
    threshold: float,
    areas: Mapping[int, Area],
    rates: Rates,
    novelty: Novelty,
    seed: int = 0,
) -> DrawReliability:
    """What to think of one draw.

    Args:
        remote: (n,) `novelty.remoteness` of its cells.
        probabilities: (n,) P(CTC).
        clusters: (n,) cluster of each cell on the map, -1 background.
        threshold: P(CTC) from which a cell is a candidate.
        areas: area of each cluster (`nested.Reliability.areas`); clusters that are not named are unknown.
        rates: error rates by cluster; all clusters of the map and background should be in it.
        novelty: the labelled cells.
    """
    called = probabilities >= threshold
    unlike = remote > LIMIT
    area = np.array([areas.get(cluster, Area.UNKNOWN) for cluster in clusters.tolist()], dtype=np.str_)
    area[unlike] = Area.UNKNOWN
    place = {cluster: i for i, cluster in enumerate(rates.clusters)}
    index = np.array([place[cluster] for cluster in clusters.tolist()], np.int64)
    total = np.bincount(index, minlength=len(place))
    return DrawReliability(
        candidates=_shares(area[called]),
        cells=_shares(area),
        unlike=unlike,
        unlike_candidates=int((unlike & called).sum()),
        alarm=alarm(novelty, remote),
        errors=expected_errors(rates, np.bincount(index[called], minlength=len(place)), total, seed=seed),
    )


def _shares(area: NDArray[np.str_]) -> Shares:
    counts = {kind: int((area == kind).sum()) for kind in Area}
    return Shares(len(area), counts[Area.STRONG], counts[Area.WEAK], counts[Area.UNKNOWN])
