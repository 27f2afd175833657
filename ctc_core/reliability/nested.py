"""The honest split: labels of training patients choose and rank clusters, labels of test patients report.

The published work chose the weakest cluster with the test labels that also reported the gain. Here the choice rests on
training patients that the classifier did not see (folds over patients), so that the report is free of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ctc_core import classify
from ctc_core.errors import NotEnoughLabels, StoreError
from ctc_core.reliability.metrics import (
    DEFAULT_RULES,
    Area,
    AreaRules,
    ClusterMetrics,
    area,
    cluster_metrics,
    count,
)
from ctc_core.types import Progress, silent


@dataclass(frozen=True)
class Evidence:
    """Labelled cells with calls of a classifier that was not fitted on their patient, row by row."""

    cell_ids: tuple[str, ...]
    patients: NDArray[np.str_]
    clusters: NDArray[np.int64]
    labels: NDArray[np.int64]
    """1 = CTC, 0 = anything else."""
    called: NDArray[np.bool_]
    """P(CTC) reached the threshold."""

    def __len__(self) -> int:
        return len(self.cell_ids)


@dataclass(frozen=True)
class Reliability:
    """What is known of a classifier, cluster by cluster."""

    ranking: tuple[ClusterMetrics, ...]
    """On validation folds of training patients, weakest F1 first; clusters without enough labels last. Chooses."""
    areas: Mapping[int, Area]
    """By cluster, from `ranking`."""
    report: tuple[ClusterMetrics, ...]
    """On test patients, clusters ascending. Reports, never chooses."""
    validation: ClusterMetrics
    """All clusters together, validation."""
    test: ClusterMetrics
    """All clusters together, test."""

    @property
    def weakest(self) -> int | None:
        """The cluster to relabel: lowest validation F1 among those with enough labels."""
        return next((figures.cluster for figures in self.ranking if figures.enough), None)


def assess(
    validation: Evidence, test: Evidence, *, clusters: Sequence[int], rules: AreaRules = DEFAULT_RULES
) -> Reliability:
    """Rank by validation, report by test.

    clusters: all ids of the map, background included where it is to be reported.

    Raises:
        StoreError: a cell or a patient is in both.
    """
    _require_apart(validation, test)
    ranked = sorted(_by_cluster(validation, clusters), key=_weakness)
    areas = {cluster: area(figures, rules) for cluster, figures in zip(_ids(ranked), ranked, strict=True)}
    return Reliability(tuple(ranked), areas, _by_cluster(test, sorted(clusters)), overall(validation), overall(test))


def pooled(validation: Evidence, test: Evidence) -> Evidence:
    """Both together: for error rates of every cluster, where nothing is chosen and every label counts."""
    _require_apart(validation, test)
    arrays = [
        np.concatenate([getattr(part, name) for part in (validation, test)])
        for name in ("patients", "clusters", "labels", "called")
    ]
    return Evidence(validation.cell_ids + test.cell_ids, *arrays)


def overall(evidence: Evidence) -> ClusterMetrics:
    """Figures of all clusters together."""
    return ClusterMetrics.of(count(evidence.labels, evidence.called), None, len(set(evidence.patients)))


def _by_cluster(evidence: Evidence, clusters: Sequence[int]) -> tuple[ClusterMetrics, ...]:
    return cluster_metrics(
        evidence.labels, evidence.called, evidence.clusters, ids=clusters, patients=evidence.patients
    )


def _weakness(figures: ClusterMetrics) -> tuple[bool, float, bool, int, int]:
    """Lowest F1 first; of equal ones those with CTCs, then the one with more errors.

    Without a CTC one false call makes F1 0: a cluster whose CTCs are all missed is weaker.
    """
    f1 = figures.f1.estimate if figures.f1 else 1.0
    errors = figures.counts.fp + figures.counts.fn
    cluster = figures.cluster if figures.cluster is not None else 0
    return not figures.enough, f1, figures.counts.n_ctc == 0, -errors, cluster


def _ids(ranked: Sequence[ClusterMetrics]) -> list[int]:
    return [figures.cluster for figures in ranked if figures.cluster is not None]


def _require_apart(validation: Evidence, test: Evidence) -> None:
    shared = set(validation.patients) & set(test.patients) or set(validation.cell_ids) & set(test.cell_ids)
    if shared:
        message = (
            f"{sorted(shared)[0]}: in the labels that choose clusters and in those that report. "
            "A patient has one role; verify the store."
        )
        raise StoreError(message)


# ---- calls of cells that the classifier has not seen ----------------------------------------------------------------


def cross_validate(
    vectors: NDArray[np.float32],
    labels: NDArray[np.int64],
    cell_ids: Sequence[str],
    patients: NDArray[np.str_],
    *,
    encoder_id: str,
    folds: int = 5,
    seed: int = 0,
    progress: Progress = silent,
) -> NDArray[np.float32]:
    """P(CTC) of each cell by a classifier that saw no cell of its patient: (n,) float32.

    Raises:
        NotEnoughLabels: one patient only, or too few labels of a class without one of the folds.
    """
    probabilities = np.empty(len(labels), np.float32)
    splits = patient_folds(labels, patients, folds=folds, seed=seed)
    for k, (fit, held) in enumerate(splits):
        model = classify.fit(vectors[fit], labels[fit], [cell_ids[i] for i in fit], encoder_id=encoder_id)
        probabilities[held] = model.probabilities(vectors[held])
        progress(k + 1, len(splits), "Validating the classifier on patients it has not seen")
    return probabilities


def patient_folds(
    labels: NDArray[np.int64], patients: NDArray[np.str_], *, folds: int = 5, seed: int = 0
) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """(rows to fit on, rows held out) of each fold; a patient's cells are in one fold, each with its share of CTCs.

    Raises:
        NotEnoughLabels: one patient only, or fewer than two cells of a class.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    splitter = StratifiedGroupKFold(_n_folds(labels, patients, folds), shuffle=True, random_state=seed)
    return [(fit, held) for fit, held in splitter.split(labels, labels, patients) if len(held)]


def _n_folds(labels: NDArray[np.int64], patients: NDArray[np.str_], wanted: int) -> int:
    """No more folds than there are patients or cells of the rarer class."""
    folds = min(wanted, len(set(patients)), int(np.bincount(labels, minlength=2).min()))
    if folds < 2:
        message = (
            f"Labels of {len(set(patients))} training patients, {int(labels.sum())} CTC and {int((labels == 0).sum())} "
            "non-CTC: to see how the classifier does on a patient that it was not fitted on, both classes and two "
            "patients are needed. Label cells of another patient with the role 'train'."
        )
        raise NotEnoughLabels(message)
    return folds
