"""How good a classifier is in each cluster: precision, recall, F1 of CTC and balanced accuracy, with n and interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from ctc_core.intervals import Interval, Proportion, f1_interval, mean_interval, wilson

MIN_LABELS = 20
"""With fewer labelled cells a cluster's figures are not shown: "not enough labels"."""


@dataclass(frozen=True)
class Counts:
    """Labelled cells by truth and call; CTC is positive."""

    tp: int
    fp: int
    fn: int
    tn: int

    @property
    def n(self) -> int:
        """All labelled cells."""
        return self.tp + self.fp + self.fn + self.tn

    @property
    def n_ctc(self) -> int:
        """Cells labelled CTC."""
        return self.tp + self.fn


@dataclass(frozen=True)
class ClusterMetrics:
    """Performance in one cluster, or in all (`cluster` None). A figure is None where no cell can tell it."""

    cluster: int | None
    counts: Counts
    n_patients: int
    """Patients that the labelled cells come from."""
    balanced_accuracy: Interval | None
    """Mean of the shares right of CTCs and of others; of one class where only that is there."""
    precision: Proportion | None
    recall: Proportion | None
    f1: Interval | None
    """Without a CTC: 1 where no cell was called one, else 0."""

    @classmethod
    def of(cls, counts: Counts, cluster: int | None, n_patients: int = 0) -> ClusterMetrics:
        """Figures from counts."""
        recall = wilson(counts.tp, counts.n_ctc)
        return cls(
            cluster,
            counts,
            n_patients,
            _balanced(recall, wilson(counts.tn, counts.tn + counts.fp)),
            wilson(counts.tp, counts.tp + counts.fp),
            recall,
            f1_interval(counts.tp, counts.fp + counts.fn) if counts.n else None,
        )

    @property
    def enough(self) -> bool:
        """False: show "not enough labels" in place of the figures."""
        return self.counts.n >= MIN_LABELS


def count(labels: NDArray[np.int64], called: NDArray[np.bool_]) -> Counts:
    """Counts of (n,) labels, 1 = CTC, against (n,) calls."""
    ctc = labels == 1
    return Counts(
        int((ctc & called).sum()), int((~ctc & called).sum()), int((ctc & ~called).sum()), int((~ctc & ~called).sum())
    )


def _balanced(recall: Proportion | None, specificity: Proportion | None) -> Interval | None:
    if recall and specificity:
        return mean_interval(recall, specificity)
    only = recall or specificity
    return Interval(only.estimate, only.low, only.high) if only else None


def cluster_metrics(
    labels: NDArray[np.int64],
    called: NDArray[np.bool_],
    clusters: NDArray[np.int64],
    *,
    ids: Sequence[int],
    patients: NDArray[np.str_] | None = None,
) -> tuple[ClusterMetrics, ...]:
    """Figures of each cluster of `ids`, in that order; of one without a label, too.

    Args:
        labels: (n,) 1 = CTC, 0 = anything else.
        called: (n,) the classifier says CTC.
        clusters: (n,) cluster id of each labelled cell.
        ids: clusters to report, e.g. all of a map with the background.
        patients: (n,) whose cell it is.
    """
    found = []
    for cluster in ids:
        inside = clusters == cluster
        n_patients = len(set(patients[inside])) if patients is not None else 0
        found.append(ClusterMetrics.of(count(labels[inside], called[inside]), cluster, n_patients))
    return tuple(found)


# ---- areas ----------------------------------------------------------------------------------------------------------


class Area(StrEnum):
    """What is known of the classifier in a cluster."""

    STRONG = "strong"
    WEAK = "weak"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class AreaRules:
    """Where a cluster counts as strong or weak."""

    f1: float = 0.8
    """Strong: F1's whole interval lies at or above this; weak: the estimate lies below."""
    false_positive_rate: float = 0.05
    """In a cluster without a labelled CTC, where F1 says nothing of the size of its errors: strong where the whole
    interval of the share of cells called CTC lies at or below this; weak where the estimate lies above."""


DEFAULT_RULES = AreaRules()


def area(figures: ClusterMetrics, rules: AreaRules = DEFAULT_RULES) -> Area:
    """Strong has to be proven, weak is taken from the estimate, and between the two more labels are needed: unknown.

    Fewer labels than `MIN_LABELS` are unknown, too.
    """
    if not figures.enough or figures.f1 is None:
        return Area.UNKNOWN
    counts = figures.counts
    if counts.n_ctc:
        strong, weak = figures.f1.low >= rules.f1, figures.f1.estimate < rules.f1
    else:
        rate = wilson(counts.fp, counts.n)
        assert rate is not None
        strong, weak = rate.high <= rules.false_positive_rate, rate.estimate > rules.false_positive_rate
    return Area.STRONG if strong else Area.WEAK if weak else Area.UNKNOWN
