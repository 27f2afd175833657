"""How many wrong and how many missed CTCs to expect in a draw, from error rates of each cluster.

Error rates come from labelled cells, in which CTCs are far more frequent than in a draw. The share of candidates that
are wrong (1 - precision) and the share of other cells that are CTCs depend on that frequency and cannot be carried
over. The rates within each true class (missed share of CTCs, share of others that are called CTC) do not, so these are
used, and the frequency in the draw follows from how many of its cells were called. All four are estimated together:

    n cells, of which m are called; frequency p of CTCs, recall r, false positive rate f
    a ~ Binomial(m, p r / (p r + (1 - p) f))                     CTCs among the called      (wrong = m - a)
    b ~ Binomial(n - m, p (1 - r) / (p (1 - r) + (1 - p)(1 - f))) CTCs among the others      (missed = b)
    p ~ Beta(v + a + b, w + n - a - b)
    r ~ Beta(r's labels + a, ... + b),   f ~ Beta(f's labels + m - a, ... + n - m - b)

Gibbs sampling of a diagnostic test's accuracy without a gold standard (Joseph, Gyorkos, Coupal 1995), one model per
cluster. Two things widen the labels' Beta distributions as they should: a cluster with few labels is drawn towards all
clusters' rates (worth s = `SHRINKAGE` cells), and since patients differ, other patients' labels are worth no more than
the `concentration` of patients' rates.

The prior of the frequency, half a CTC among `RARITY` other cells, holds for the draw, not for each of its clusters: v
and w share it out as CTCs and other cells are expected to lie, by Bayes' rule from the share called in the draw and
from how much more often labelled CTCs than other labelled cells lie in a cluster. Like the rates, that ratio does not
depend on how many CTCs were labelled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ctc_core.intervals import Interval
from ctc_core.reliability.nested import Evidence
from ctc_core.reliability.patients import by_patient, concentration

SHRINKAGE = 2.0
"""Cells that the rate of all clusters together is worth in each of them."""
RARITY = 10.0
"""Other cells for half a CTC before anything is called: a mean of 5 %, above any patient of the paper (143 of 14,700
crops). A flat prior takes many false calls for CTCs where patients' false positive rates differ much."""
CHAINS, BURN_IN, KEPT, APART = 100, 60, 8, 5
"""Independent chains; steps before the first kept one; kept steps of each chain, and steps between two of them."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Rates:
    """Beta distributions of each cluster's rates, (c,) each, for a patient that was not labelled."""

    clusters: tuple[int, ...]
    recall: tuple[Array, Array]
    false_positive: tuple[Array, Array]
    likelihood_ratio: Array
    """(c,) share of the CTCs that lie in each cluster, over that of the other cells."""


@dataclass(frozen=True)
class ExpectedErrors:
    """Numbers of cells; the estimate is the mean. At least 95 % of the draws have a number within the interval, ends
    included, which are whole numbers."""

    wrong: Interval
    """Candidates that are no CTC."""
    missed: Interval
    """CTCs that are no candidate."""
    wrong_by_cluster: Array
    """(c,) means, in the order of `Rates.clusters`."""
    missed_by_cluster: Array


def rates(evidence: Evidence, clusters: Sequence[int]) -> Rates:
    """Error rates of `clusters` from labelled cells that the classifier did not see (`nested.pooled` has the most)."""
    ctc = evidence.labels == 1
    recall = _beta(evidence, ctc, evidence.called, clusters)
    false_positive = _beta(evidence, ~ctc, evidence.called, clusters)
    return Rates(tuple(clusters), recall, false_positive, _likelihood_ratio(evidence, ctc, clusters))


def _likelihood_ratio(evidence: Evidence, ctc: NDArray[np.bool_], clusters: Sequence[int]) -> Array:
    """P(cluster | CTC) / P(cluster | other), drawn towards 1 by `SHRINKAGE` cells of each class."""
    inside = evidence.clusters == np.array(clusters)[:, None]
    share = (inside.sum(axis=1) + 1) / (inside.sum() + len(clusters))
    of_class = ((inside & one).sum(axis=1) + SHRINKAGE * share for one in (ctc, ~ctc))
    ctcs, others = (found / found.sum() for found in of_class)
    return np.asarray(ctcs / others)


def _beta(
    evidence: Evidence, of: NDArray[np.bool_], called: NDArray[np.bool_], clusters: Sequence[int]
) -> tuple[Array, Array]:
    """Beta parameters of the share called among the cells `of` one class, in each cluster."""
    n = np.array([(of & (evidence.clusters == cluster)).sum() for cluster in clusters], float)
    k = np.array([(of & called & (evidence.clusters == cluster)).sum() for cluster in clusters], float)
    share = (k.sum() + 0.5) / (n.sum() + 1)
    a, b = k + SHRINKAGE * share, n - k + SHRINKAGE * (1 - share)
    worth = concentration(*by_patient(called[of], evidence.patients[of]))
    scale = np.minimum(1, worth / (a + b))
    return a * scale, b * scale


def expected_errors(
    given: Rates, called: NDArray[np.int64], total: NDArray[np.int64], *, seed: int = 0
) -> ExpectedErrors:
    """Expected errors of one draw with `called` of `total` cells called CTC in each cluster, (c,) each."""
    wrong, missed = _sample(given, called, total, np.random.default_rng(seed))
    return ExpectedErrors(
        _interval(wrong.sum(axis=1)), _interval(missed.sum(axis=1)), wrong.mean(axis=0), missed.mean(axis=0)
    )


def _sample(
    given: Rates, called: NDArray[np.int64], total: NDArray[np.int64], rng: np.random.Generator
) -> tuple[Array, Array]:
    """Draws of (wrong, missed) from the posterior, (CHAINS * KEPT, c) each."""
    shape = (CHAINS, len(total))
    recall, false_positive = rng.beta(*given.recall, shape), rng.beta(*given.false_positive, shape)
    ctc_prior, other_prior = _frequency_prior(given, called, total)
    frequency = np.broadcast_to((called + ctc_prior) / (total + ctc_prior + other_prior), shape)
    kept = []
    for step in range(BURN_IN + APART * KEPT):
        found = rng.binomial(called, _share(frequency * recall, (1 - frequency) * false_positive))
        missed = rng.binomial(total - called, _share(frequency * (1 - recall), (1 - frequency) * (1 - false_positive)))
        wrong, ctcs = called - found, found + missed
        frequency = rng.beta(ctc_prior + ctcs, other_prior + total - ctcs)
        recall = rng.beta(given.recall[0] + found, given.recall[1] + missed)
        false_positive = rng.beta(given.false_positive[0] + wrong, given.false_positive[1] + total - called - missed)
        if step >= BURN_IN and (step - BURN_IN) % APART == APART - 1:
            kept.append((wrong, missed))
    return np.concatenate([w for w, _ in kept]).astype(float), np.concatenate([m for _, m in kept]).astype(float)


def _frequency_prior(given: Rates, called: NDArray[np.int64], total: NDArray[np.int64]) -> tuple[Array, Array]:
    """Half a CTC and `RARITY` other cells, shared out among the clusters, (c,) each."""
    odds = (called.sum() + 0.5) / ((total - called).sum() + 0.5) * given.likelihood_ratio
    cells = total + 0.01  # a cluster without a cell needs a prior, too
    ctcs, others = cells * odds / (1 + odds), cells / (1 + odds)
    return 0.5 * ctcs / ctcs.sum(), RARITY * others / others.sum()


def _share(part: Array, rest: Array) -> Array:
    return np.clip(part / np.maximum(part + rest, 1e-300), 0, 1)


def _interval(samples: Array) -> Interval:
    """Mean and central 95 % of the whole numbers in (k,) samples, widened to the whole numbers beside the mean.

    A few large numbers among many zeros have a mean above their 97.5 % quantile; without it the interval would exclude
    its own estimate.
    """
    mean = float(samples.mean())
    low = np.quantile(samples, 0.025, method="inverted_cdf")
    high = np.quantile(samples, 0.975, method="inverted_cdf")
    return Interval(mean, min(float(low), np.floor(mean)), max(float(high), np.ceil(mean)))
