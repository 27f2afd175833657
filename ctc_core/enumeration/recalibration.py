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
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]

COLUMNS = ("agreed", "model", "cellsearch", "alone", "slope", "assigned")
"""Intercepts of images shown by both, by the classifier, by CellSearch on a cell below the threshold, by CellSearch
where no cell was found; slope; effect of the CellSearch operator's call."""

LARGEST_LOGIT = 6.0
"""Probabilities nearer to 0 or 1 than a quarter of a percent say no more than that."""
MIN_PATIENTS = 3
"""Reviewed patients from which differences between patients are estimated."""
MEAN_WORTH = 0.1
"""Patients that the assumed mean counts as, once there are reviews: little, since a lab's images may be three times as
far from it as its patients are from each other."""
SPREAD_WORTH = float(len(COLUMNS))
"""Patients that the assumed spread within a lab counts as: as many as coefficients, for fewer say little."""
ANY_LEVEL = 2.0
"""Standard deviation by which the level of a new patient, all intercepts together, differs from those reviewed beyond
how those differ: numbers of CTCs spread over orders of magnitude, and the next patient need not be like the last ones.
A level believed too firmly pulls patients with hardly any CTCs up to the usual, and takes readers' false calls for
CTCs."""
ROUNDS = 15
"""Steps of expectation maximisation; more change nothing that matters."""


@dataclass(frozen=True, eq=False)
class Belief:
    """Gaussian distribution of k coefficients: for images those of `COLUMNS`."""

    mean: Array
    """(k,)"""
    covariance: Array
    """(k, k)"""
    patients: int = 0
    """Reviewed patients that it was learned from."""

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """(n, k) coefficients."""
        return rng.multivariate_normal(self.mean, self.covariance, n, method="cholesky")

    def log_density(self, coefficients: Array) -> Array:
        """(s,) logarithm of the density of (s, k) coefficients, up to a constant of k."""
        lower = np.linalg.cholesky(self.covariance)
        z = np.linalg.solve(lower, (coefficients - self.mean).T)
        return np.asarray(-(z**2).sum(axis=0) / 2 - np.log(np.diag(lower)).sum())


COMMON, OWN = 1.5, 0.7
"""Standard deviation between patients of all intercepts together, and of each beside the others (assumed): a patient
with more CTCs has more of them in every group, and numbers of CTCs spread over two orders of magnitude."""


def _spread(share: float = 1.0) -> Array:
    """share: of the standard deviations beside that of all intercepts together."""
    covariance = np.diag(np.square(share * np.array([OWN, OWN, OWN, OWN, 0.4, 1.5])))
    covariance[:4, :4] += COMMON**2
    return covariance


UNTAUGHT = Belief(np.array([-1.0, -1.5, -2.0, -4.0, 0.7, 4.0]), _spread(), patients=0)
"""Before any review: rough values for Table 2's patients, wide enough that reading decides (assumed)."""


WITHIN_LAB = _spread(0.5)
"""Between patients of one lab, who share classifier, stains and operator, before any is reviewed (assumed): half as far
apart as those of any two labs. Slopes believed to differ more than they do make CTCs of hopeless images."""


def logits(probability: pd.Series, missing: float = 0.5) -> Array:
    """(n,) logit P(CTC), at most `LARGEST_LOGIT` from 0; `missing` stands for what was not scored."""
    p = np.clip(probability.astype(float).fillna(missing).to_numpy(float), 1e-9, 1 - 1e-9)
    return np.asarray(np.clip(np.log(p / (1 - p)), -LARGEST_LOGIT, LARGEST_LOGIT))


def design(table: pd.DataFrame) -> Array:
    """(n, 6) float64, one row per image of `candidate_table`."""
    group = np.where(table.cell_id.isna(), "alone", table.group.to_numpy(object).astype(str))
    intercepts = [group == name for name in COLUMNS[:4]]
    assigned = table.assigned.map(lambda value: value is True)
    return np.stack([*intercepts, logits(table.probability), assigned.to_numpy()], axis=1).astype(float)


def chances(coefficients: Array, x: Array) -> Array:
    """(s, n) probability that a reader calls each of n images a CTC, for each of s sets of coefficients (s, k)."""
    odds = coefficients @ x.T
    with np.errstate(over="ignore"):  # 1 / (1 + inf) is 0, as it should be
        np.exp(np.negative(odds, out=odds), out=odds)  # in place: a draw's samples are many
    odds += 1
    return np.asarray(np.divide(1, odds, out=odds))


def called_chance(q: Array, sensitivity: Array | float, false_positive: Array | float) -> Array:
    """Probability that a reader says CTC of an image that is one with probability q."""
    return np.asarray(false_positive + (sensitivity - false_positive) * q)


def update(
    prior: Belief,
    x: Array,
    said: NDArray[np.bool_],
    *,
    sensitivity: Array | float = 1.0,
    false_positive: Array | float = 0.0,
    weight: Array | None = None,
    steps: int = 30,
) -> Belief:
    """What is believed after decisions `said` (n,) about images with design (n, k): Fisher scoring, Laplace's spread.

    sensitivity, false_positive: of the reader, (n,) or one number. weight: (n,) what each counts for; None: 1.
    """
    precision, counts = np.linalg.inv(prior.covariance), np.ones(len(x)) if weight is None else weight
    mean, hessian = prior.mean, precision
    for _ in range(steps):
        q = chances(mean[None], x)[0]
        called = np.clip(called_chance(q, sensitivity, false_positive), 1e-9, 1 - 1e-9)
        slope = (sensitivity - false_positive) * q * (1 - q)
        spread = called * (1 - called)
        gradient = x.T @ (counts * slope * (said - called) / spread) - precision @ (mean - prior.mean)
        hessian = precision + (x * (counts * slope**2 / spread)[:, None]).T @ x
        step = np.linalg.solve(hessian, gradient)
        # A step may overshoot where the curve is flat; a unit of logit at a time cannot.
        mean = mean + step * min(1.0, 1.0 / max(float(np.abs(step).max()), 1e-12))
        if np.abs(step).max() < 1e-6:
            break
    return Belief(mean, np.linalg.inv(hessian), prior.patients)


@dataclass(frozen=True, eq=False)
class Review:
    """The decisions of one reviewed patient."""

    x: Array
    """(n, 6) design."""
    said: NDArray[np.bool_]
    """(n,) called a CTC."""
    sensitivity: Array
    """(n,) of the reader, for each image."""
    false_positive: Array

    def update(self, prior: Belief) -> Belief:
        """What is believed of this patient."""
        return update(prior, self.x, self.said, sensitivity=self.sensitivity, false_positive=self.false_positive)

    def part(self, rows: slice) -> Review:
        """Some of the decisions."""
        return Review(self.x[rows], self.said[rows], self.sensitivity[rows], self.false_positive[rows])

    def predict(self, prior: Belief, others: Review) -> Array:
        """(m,) probability that the reader calls `others` CTCs, given these decisions; their doubt is in it."""
        belief = self.update(prior)
        mean = np.clip(chances(belief.mean[None], others.x)[0], 1e-6, 1 - 1e-6)
        variance = np.einsum("ij,jk,ik->i", others.x, belief.covariance, others.x)
        logit = np.log(mean / (1 - mean)) / np.sqrt(1 + np.pi * variance / 8)  # MacKay 1992
        q = 1 / (1 + np.exp(-logit))
        return np.clip(called_chance(q, others.sensitivity, others.false_positive), 1e-6, 1 - 1e-6)


def learn(reviews: Sequence[Review], start: Belief = UNTAUGHT) -> Belief:
    """What to believe of a new patient after reviews.

    Mean and covariance of the coefficients over patients by expectation maximisation (Laplace's approximation in each
    patient); the mean of `start` counts as `MEAN_WORTH` patients and `WITHIN_LAB` as `SPREAD_WORTH` (a normal inverse
    Wishart prior). The level stays open (`ANY_LEVEL`). Below `MIN_PATIENTS` `start` is kept as it is.
    """
    read = [review for review in reviews if len(review.said)]
    if len(read) < MIN_PATIENTS:
        return start
    belief, n = start, len(read)
    for _ in range(ROUNDS):
        found = [review.update(belief) for review in read]
        mean = (sum(one.mean for one in found) + MEAN_WORTH * start.mean) / (n + MEAN_WORTH)
        apart = [np.outer(one.mean - mean, one.mean - mean) + one.covariance for one in found]
        belief = Belief(mean, (sum(apart) + SPREAD_WORTH * WITHIN_LAB) / (n + SPREAD_WORTH), n)
    covariance = belief.covariance * (1 + 1 / n)
    covariance[:4, :4] += ANY_LEVEL**2
    return Belief(belief.mean, covariance, n)
