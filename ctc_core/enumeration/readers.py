"""How often readers err, and on which images: estimated from cells that several people read, not assumed to be never.

An image that the classifier finds hard is hard for people, too: CTCs of low P(CTC) are missed more often, and other
images are taken for CTCs the more they resemble one. So both rates follow the classifier's probability,

    logit rate = level + slope * logit P(CTC)

with Gaussian coefficients that readings narrow. One false positive rate for all images would call the few CTCs of a
patient with hardly any far too certain, since it is there that most of the false ones are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ctc_core.enumeration.recalibration import Belief, chances, logits, update
from ctc_core.types import Label

Array = NDArray[np.floating[Any]]

DECISIVE = {Label.CTC.value: 1, Label.NON_CTC.value: 0, Label.ARTIFACT.value: 0}
"""1 = CTC; unsure says nothing."""

TYPICAL = (np.log(9.0), -np.log(9.0))
"""logit P(CTC) of an ordinary CTC (P = .9) and of another image (P = .1)."""


@dataclass(frozen=True, eq=False)
class ReaderErrors:
    """What is believed of the readers' rates, and how many readings that rests on."""

    missed: Belief
    """(level, slope) of the share of CTCs that are not called so."""
    false_positive: Belief
    """(level, slope) of the share of other images that are called CTC."""
    n_ctc: float = 0.0
    n_other: float = 0.0

    def rates(self, logit: Array) -> tuple[Array, Array]:
        """(n,) sensitivities and false positive rates of images with (n,) logit P(CTC), at the mean coefficients."""
        sensitivity, false = rates((self.missed.mean[None], self.false_positive.mean[None]), logit)
        return sensitivity[0], false[0]

    @property
    def typical(self) -> tuple[float, float]:
        """(sensitivity for an ordinary CTC, false positive rate of an ordinary other image): see `TYPICAL`."""
        sensitivity, false = self.rates(np.array(TYPICAL))
        return float(sensitivity[0]), float(false[1])

    def sample(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """Coefficients (s, 2) of both rates."""
        return self.missed.sample(n, rng), self.false_positive.sample(n, rng)


def rates(coefficients: tuple[Array, Array], logit: Array) -> tuple[Array, Array]:
    """(s, n) sensitivities and (s, n) false positive rates with (s, 2) coefficients, of (n,) logit P(CTC)."""
    x = _design(logit)
    missed, false_positive = (chances(one, x) for one in coefficients)
    return 1 - missed, false_positive


def _design(logit: Array) -> Array:
    return np.column_stack([np.ones_like(logit), logit])


def _belief(level: float, level_sd: float, slope: float, slope_sd: float) -> Belief:
    return Belief(np.array([level, slope]), np.diag(np.square([level_sd, slope_sd])))


ASSUMED = ReaderErrors(_belief(-2.0, 0.9, -0.5, 0.25), _belief(-3.6, 1.2, 0.5, 0.25))
"""Before anything was read twice. Sensitivity .957 for an ordinary CTC: two readers who each err in 4.5 % of a gallery
that is half CTCs agree with kappa (1 - 2 x .045)^2 = .83, as Ignatiadis et al. 2014 found. False positive rate .009 for
an ordinary other image. Odds of an error follow the square root of the classifier's odds. (Assumed, within a factor of
about three.)"""


def reader_errors(
    readings: pd.DataFrame, consensus: Mapping[str, str | None], prior: ReaderErrors = ASSUMED
) -> ReaderErrors:
    """Error rates of the readers together, from cells with two or more readings.

    Args:
        readings: cell_id, reader, label, probability: each reader's own label of a cell, and its P(CTC) (NaN: unknown).
        consensus: label of each cell after adjudication; None while readers disagree.
        prior: what is believed before.

    In a disagreement that nobody has settled, either side may be right: it counts as half of each. An error that all
    readers of a cell share is not seen, so rates are a little too good.
    """
    read = readings[readings.label.isin(list(DECISIVE))]
    read = read[read.groupby("cell_id").reader.transform("nunique") > 1]
    truth = read.cell_id.map(lambda cell: DECISIVE.get(str(consensus.get(cell)), 0.5)).to_numpy(float)
    called = read.label.map(DECISIVE).to_numpy(float) == 1
    x = _design(logits(read.probability))
    return ReaderErrors(
        update(prior.missed, x, ~called, weight=truth),
        update(prior.false_positive, x, called, weight=1 - truth),
        float(truth.sum()),
        float((1 - truth).sum()),
    )
