"""How likely each image of a draw is a CTC: the classifier's probability corrected by what has been read.

Among labelled cells CTCs are far more frequent than in a draw, and draws differ, so P(CTC) of the classifier is not
the share of CTCs among a draw's images. A logistic regression on readers' decisions says what it is,

    logit q = a[group] + slope * logit p + d * assigned

with an intercept for each group of images and a slope (Platt 1999; one for the whole draw). Coefficients are Gaussian:
their mean and spread over patients come from earlier reviews of this lab, and every decision in this draw narrows them
(maximum a posteriori with Laplace's approximation). What follows is a posterior given everything read so far, so it
holds whenever one stops, on condition that the patient is one of those that the prior describes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray[np.float64]

COLUMNS = ("agreed", "model", "cellsearch", "alone", "slope", "assigned")
"""Intercepts of images shown by both, by the classifier, by CellSearch on a cell below the threshold, by CellSearch
where no cell was found; slope; effect of the CellSearch operator's call."""

LARGEST_LOGIT = 6.0
"""Probabilities nearer to 0 or 1 than a quarter of a percent say no more than that."""
MIN_PATIENTS = 3
"""Reviewed patients from which differences between patients are estimated."""
WORTH = 1.0
"""Patients that the assumptions before any review count as, once there are reviews."""
ROUNDS = 12
"""Steps of expectation maximisation; more change nothing that matters."""


@dataclass(frozen=True, eq=False)
class Belief:
    """Gaussian distribution of the coefficients `COLUMNS`."""

    mean: Array
    """(6,)"""
    covariance: Array
    """(6, 6)"""
    patients: int = 0
    """Reviewed patients that it was learned from."""

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """(n, 6) coefficients."""
        return rng.multivariate_normal(self.mean, self.covariance, n, method="cholesky")


UNTAUGHT = Belief(
    np.array([-1.0, -1.5, -2.0, -4.0, 0.7, 4.0]), np.diag(np.square([1.5, 1.5, 1.5, 1.5, 0.4, 1.5])), patients=0
)
"""Before any review: rough values for Table 2's patients, wide enough that reading decides (assumed)."""


def design(table: pd.DataFrame) -> Array:
    """(n, 6) float64, one row per image of `candidate_table`."""
    group = np.where(table.cell_id.isna(), "alone", table.group.to_numpy(object).astype(str))
    intercepts = [group == name for name in COLUMNS[:4]]
    p = np.clip(table.probability.fillna(0.5).to_numpy(float), 1e-9, 1 - 1e-9)
    logit = np.clip(np.log(p / (1 - p)), -LARGEST_LOGIT, LARGEST_LOGIT)
    assigned = table.assigned.map(lambda value: value is True)
    return np.stack([*intercepts, logit, assigned.to_numpy()], axis=1).astype(float)


def chances(coefficients: Array, x: Array) -> Array:
    """(s, n) probability that a reader calls each of n images a CTC, for each of s sets of coefficients (s, 6)."""
    return np.asarray(1 / (1 + np.exp(-(coefficients @ x.T))))


def update(prior: Belief, x: Array, is_ctc: NDArray[np.bool_], *, steps: int = 30) -> Belief:
    """What is believed after decisions about images with design (n, 6)."""
    precision = np.linalg.inv(prior.covariance)
    mean, hessian = prior.mean, precision
    for _ in range(steps):
        q = chances(mean[None], x)[0]
        gradient = x.T @ (is_ctc - q) - precision @ (mean - prior.mean)
        hessian = precision + (x * (q * (1 - q))[:, None]).T @ x
        step = np.linalg.solve(hessian, gradient)
        # Newton's step may overshoot where the curve is flat; half a unit of logit at a time cannot.
        mean = mean + step * min(1.0, 1.0 / max(float(np.abs(step).max()), 1e-12))
        if np.abs(step).max() < 1e-6:
            break
    return Belief(mean, np.linalg.inv(hessian), prior.patients)


def learn(reviews: Sequence[tuple[Array, NDArray[np.bool_]]], start: Belief = UNTAUGHT) -> Belief:
    """What to believe of a new patient after reviews: design (n, 6) and decisions (n,) of each reviewed patient.

    Mean and covariance of the coefficients over patients by expectation maximisation (Laplace's approximation in each
    patient), with `start` counting as `WORTH` patients. Below `MIN_PATIENTS` it is kept as it is.
    """
    read = [(x, is_ctc) for x, is_ctc in reviews if len(is_ctc)]
    if len(read) < MIN_PATIENTS:
        return start
    belief, n = start, len(read)
    for _ in range(ROUNDS):
        found = [update(belief, x, is_ctc) for x, is_ctc in read]
        mean = (sum(one.mean for one in found) + WORTH * start.mean) / (n + WORTH)
        apart = [np.outer(one.mean - mean, one.mean - mean) + one.covariance for one in found]
        belief = Belief(mean, (sum(apart) + WORTH * start.covariance) / (n + WORTH), n)
    return Belief(belief.mean, belief.covariance * (1 + 1 / n), n)
