"""What a strategy may know, made from labelled and unlabelled cells. Pure: the store and experiments both come here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ctc_core.classify import MIN_PER_CLASS, Classifier
from ctc_core.latent import Reduction
from ctc_core.relabel.evidence import Evidence
from ctc_core.relabel.validation import Validation, fold_splits, validate
from ctc_core.reliability.nested import patient_folds

UNKNOWN = 0.5
"""P(CTC) where there is no classifier yet."""


@dataclass(frozen=True, eq=False)
class Unread:
    """Cells that may be asked for, row by row."""

    cell_ids: tuple[str, ...]
    vectors: NDArray[np.float32]
    """(n, 128)"""
    clusters: NDArray[np.int64]
    """(n,) -1 is the background."""

    def rows(self, chosen: NDArray[np.int64]) -> Unread:
        """Some of the cells, in the order of `chosen`."""
        return Unread(tuple(self.cell_ids[i] for i in chosen), self.vectors[chosen], self.clusters[chosen])


@dataclass(frozen=True, eq=False)
class Known:
    """Labelled cells of training patients, row by row."""

    cell_ids: tuple[str, ...]
    vectors: NDArray[np.float32]
    """(m, 128)"""
    labels: NDArray[np.int64]
    """(m,) 1 = CTC, 0 = anything else."""
    patients: NDArray[np.str_]
    clusters: NDArray[np.int64]


Judged = tuple[Validation, tuple[str, ...]]
Judges = Callable[[NDArray[np.float32], Known], Judged]


def gather(
    pool: Unread, train: Known, classifier: Classifier | None, judge: Judges | None = None
) -> tuple[Evidence, tuple[str, ...]]:
    """Evidence for a strategy, and what is missing in it as sentences. `judge`: `validated`, or who remembers it.

    Features are the classifier's principal components; without a classifier those of the pool itself, and P(CTC) is
    `UNKNOWN` everywhere.
    """
    reduction = _reduction(pool, classifier)
    features = reduction.transform(train.vectors)
    validation, notes = (judge or validated)(features, train)
    probability = np.full(len(pool.cell_ids), UNKNOWN, np.float32)
    if classifier is not None:
        probability = classifier.probabilities(pool.vectors)
    evidence = Evidence(
        pool=reduction.transform(pool.vectors),
        pool_probability=probability,
        pool_cluster=pool.clusters,
        train=features,
        train_label=train.labels,
        train_cluster=train.clusters,
        cluster_f1=validation.cluster_f1,
        cluster_n=validation.cluster_n,
        wrong_class=validation.wrong_class,
    )
    return evidence, notes


def _reduction(pool: Unread, classifier: Classifier | None) -> Reduction:
    if classifier is not None:
        return Reduction.of(classifier)
    if len(pool.cell_ids) < 2:
        return Reduction(np.zeros(pool.vectors.shape[1]), np.eye(pool.vectors.shape[1]))
    return Reduction.fit(pool.vectors)


def validated(features: NDArray[np.float32], train: Known) -> Judged:
    """How the classifier does in each cluster on training patients it was not fitted on; test patients never choose."""
    if np.bincount(train.labels, minlength=2).min() < MIN_PER_CLASS:
        return Validation({}, {}, {}), ("Too few labels to say in which cluster the classifier is weak.",)
    if len(set(train.patients.tolist())) < 2:
        found = validate(features, train.labels, train.clusters, fold_splits(train.labels))
        return found, ("All labels are of one patient, so that figures of clusters are better than they should be.",)
    splits = patient_folds(train.labels, train.patients)
    return validate(features, train.labels, train.clusters, splits), ()


def within(evidence: Evidence, cluster: int) -> tuple[Evidence, NDArray[np.int64]]:
    """The evidence with the pool of one cluster, which a person has chosen, and these cells' rows in the whole pool."""
    rows = np.flatnonzero(evidence.pool_cluster == cluster)
    narrowed = replace(
        evidence,
        pool=evidence.pool[rows],
        pool_probability=evidence.pool_probability[rows],
        pool_cluster=evidence.pool_cluster[rows],
        cluster_f1={key: value for key, value in evidence.cluster_f1.items() if key == cluster},
    )
    return narrowed, rows
