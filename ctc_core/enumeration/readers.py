"""How often readers err: estimated from cells that several people read, not assumed to be never."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ctc_core.types import Label

DECISIVE = {Label.CTC.value: 1, Label.NON_CTC.value: 0, Label.ARTIFACT.value: 0}
"""1 = CTC; unsure says nothing."""


@dataclass(frozen=True)
class ReaderErrors:
    """Beta distributions (a, b) of the readers' rates, and how many readings they rest on."""

    sensitivity: tuple[float, float]
    """Share of CTCs that are called so."""
    false_positive: tuple[float, float]
    """Share of other images that are called CTC."""
    n_ctc: float = 0.0
    n_other: float = 0.0

    @property
    def typical(self) -> tuple[float, float]:
        """(sensitivity, false positive rate): means."""
        (a, b), (c, d) = self.sensitivity, self.false_positive
        return a / (a + b), c / (c + d)

    def sample(self, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """(n,) sensitivities and (n,) false positive rates."""
        return rng.beta(*self.sensitivity, n), rng.beta(*self.false_positive, n)


ASSUMED = ReaderErrors((19.1, 0.9), (0.3, 29.7))
"""Before anything was read twice. Sensitivity .955, worth 20 readings: two readers who each err in 4.5 % of a gallery
that is half CTCs agree with kappa (1 - 2 x .045)^2 = .83, as Ignatiadis et al. 2014 found. False positive rate .01,
worth 30 readings (assumed): most other images are plainly no CTC."""


def reader_errors(
    readings: pd.DataFrame, consensus: Mapping[str, str | None], prior: ReaderErrors = ASSUMED
) -> ReaderErrors:
    """Error rates of the readers together, from cells with two or more readings.

    Args:
        readings: cell_id, reader, label: each reader's own label of a cell.
        consensus: label of each cell after adjudication; None while readers disagree.
        prior: what is believed before; it counts as so many readings as its parameters add up to.

    In a disagreement that nobody has settled, either side may be right: it counts as half of each. An error that all
    readers of a cell share is not seen, so rates are a little too good.
    """
    read = readings[readings.label.isin(list(DECISIVE))]
    read = read[read.groupby("cell_id").reader.transform("nunique") > 1]
    truth = read.cell_id.map(lambda cell: DECISIVE.get(str(consensus.get(cell)), 0.5)).to_numpy(float)
    called = read.label.map(DECISIVE).to_numpy(float)
    hits, misses = float((truth * called).sum()), float((truth * (1 - called)).sum())
    false, right = float(((1 - truth) * called).sum()), float(((1 - truth) * (1 - called)).sum())
    (a, b), (c, d) = prior.sensitivity, prior.false_positive
    return ReaderErrors((a + hits, b + misses), (c + false, d + right), hits + misses, false + right)
