"""The published cluster analysis on a features folder: clusters of its coordinates, figures of the SVM in each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ctc_core.errors import NotEnoughLabels, StoreError
from ctc_core.features import FeaturesFolder, Part
from ctc_core.latent.clusters import cluster_notes, find_clusters, nearest_clusters
from ctc_core.latent.parameters import PUBLISHED, MapParameters
from ctc_core.reliability.metrics import ClusterMetrics, cluster_metrics
from ctc_core.reliability.nested import Evidence, Reliability, assess, overall, patient_folds


def analyse(folder: FeaturesFolder, parameters: MapParameters = PUBLISHED) -> dict[str, Any]:
    """Clusters and figures of a features folder, as JSON values.

    Returns:
        clusters: id of each row of test followed by unlabelled cells; -1 background.
        train_clusters: id of each labelled training row (its nearest neighbour's).
        metrics: figures on the test rows of the SVM fitted on all training rows, overall (cluster null), then by
            cluster; `enough_labels` false: too few to be shown.
        ranking, areas: clusters from the weakest on, and strong, weak or unknown, by the figures of `validation`: the
            training rows, each called by an SVM that saw no row of its case. Null where that is not possible.
        notes: what is odd, as sentences.

    Raises:
        NotEnoughLabels: the training rows are of one class.
    """
    clusters = find_clusters(folder.clustered_xy, parameters)
    train_clusters = nearest_clusters(folder.train.xy, folder.clustered_xy, clusters)
    ids = sorted(set(clusters.tolist()))
    calls = _fit(folder.train).predict(folder.test.features)
    test = _evidence(folder.test, "test", clusters[: len(folder.test)], calls)
    choice, notes = _choose(folder.train, train_clusters, test, ids)
    return {
        "clusters": clusters.tolist(),
        "train_clusters": train_clusters.tolist(),
        "n_test": len(folder.test),
        "n_unlabelled": len(folder.unlabelled),
        "parameters": asdict(parameters),
        "metrics": [as_json(figures) for figures in (overall(test), *_by_cluster(test, ids))],
        **_choice_json(choice),
        "notes": [*cluster_notes(clusters, parameters), *notes],
    }


def _fit(train: Part, rows: NDArray[np.int64] | slice = slice(None)) -> Any:
    from sklearn.svm import SVC

    labels = train.labels[rows]
    if len(set(labels.tolist())) < 2:
        message = "The training rows are all of one class: a classifier needs CTCs and non-CTCs. Label both."
        raise NotEnoughLabels(message)
    svc = SVC(kernel="rbf", C=1, gamma="scale", class_weight="balanced", break_ties=True)
    return svc.fit(train.features[rows], labels)


def _evidence(part: Part, name: str, clusters: NDArray[np.int64], calls: NDArray[np.int64]) -> Evidence:
    ids = tuple(f"{name}-{row}" for row in range(len(part)))
    return Evidence(ids, part.table["case"].to_numpy(np.str_), clusters, part.labels, calls == 1)


def _choose(
    train: Part, clusters: NDArray[np.int64], test: Evidence, ids: Sequence[int]
) -> tuple[Reliability | None, list[str]]:
    """Rank clusters by training rows; None and why where that cannot be done."""
    try:
        calls = np.empty(len(train), np.int64)
        for fit, held in patient_folds(train.labels, train.table["case"].to_numpy(np.str_)):
            calls[held] = _fit(train, fit).predict(train.features[held])
        return assess(_evidence(train, "train", clusters, calls), test, clusters=ids), []
    except (NotEnoughLabels, StoreError) as error:
        return None, [f"No cluster is ranked. {error}"]


def _by_cluster(evidence: Evidence, ids: Sequence[int]) -> tuple[ClusterMetrics, ...]:
    return cluster_metrics(evidence.labels, evidence.called, evidence.clusters, ids=ids, patients=evidence.patients)


def _choice_json(choice: Reliability | None) -> dict[str, Any]:
    if choice is None:
        return {"ranking": None, "areas": None, "validation": None}
    return {
        "ranking": [figures.cluster for figures in choice.ranking if figures.enough],
        "areas": {str(cluster): area.value for cluster, area in sorted(choice.areas.items())},
        "validation": [as_json(figures) for figures in (choice.validation, *choice.ranking)],
    }


def as_json(figures: ClusterMetrics) -> dict[str, Any]:
    """One row: each figure as itself, `_low` and `_high`; null where no cell can tell it."""
    row: dict[str, Any] = {
        "cluster": figures.cluster,
        "n": figures.counts.n,
        "n_ctc": figures.counts.n_ctc,
        "n_patients": figures.n_patients,
        "enough_labels": figures.enough,
    }
    for name in ("f1", "precision", "recall", "balanced_accuracy"):
        value = getattr(figures, name)
        ends = (("", "estimate"), ("_low", "low"), ("_high", "high"))
        row |= {name + end: getattr(value, field) if value else None for end, field in ends}
    return row
