"""Before and after a round, on labelled cells of test patients: figures of every cluster with intervals, and flips."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ctc_core.classify import Classifier
from ctc_core.reliability import ClusterMetrics, cluster_metrics, count

Figures = dict[str, Any]
"""JSON values: cluster (None: all), n, n_ctc, enough (n reaches 20; else show "not enough labels"), f1, low, high (95 %
interval of F1), precision, recall, balanced_accuracy; None where no cell can tell."""


def of_model(
    classifier: Classifier,
    probabilities: NDArray[np.float32],
    labels: NDArray[np.int64],
    clusters: NDArray[np.int64],
    threshold: float,
) -> dict[str, Any]:
    """What one classifier is worth: model_id, trained (labels by class), total and clusters (`Figures`)."""
    called = probabilities >= threshold
    total = ClusterMetrics.of(count(labels, called), None)
    rows = cluster_metrics(labels, called, clusters, ids=sorted(set(clusters.tolist())))
    return {
        "model_id": classifier.id,
        "trained": {"ctc": classifier.n_ctc, "other": classifier.n_other},
        "total": figures(total) if len(labels) else None,
        "clusters": [figures(row) for row in rows],
    }


def figures(metrics: ClusterMetrics) -> Figures:
    """One cluster's figures as JSON values."""
    f1 = metrics.f1
    shares = {name: getattr(metrics, name) for name in ("precision", "recall", "balanced_accuracy")}
    return {
        "cluster": metrics.cluster,
        "n": metrics.counts.n,
        "n_ctc": metrics.counts.n_ctc,
        "enough": metrics.enough,
        **({"f1": f1.estimate, "low": f1.low, "high": f1.high} if f1 else dict.fromkeys(("f1", "low", "high"))),
        **{name: share.estimate if share else None for name, share in shares.items()},
    }


def flips(
    cell_ids: Sequence[str],
    labels: NDArray[np.int64],
    before: NDArray[np.float32],
    after: NDArray[np.float32],
    threshold: float,
) -> list[dict[str, Any]]:
    """Cells that are called otherwise than before: cell_id, label (1 CTC, 0 other), P(CTC) before and after."""
    changed = np.flatnonzero((before >= threshold) != (after >= threshold))
    return [
        {"cell_id": cell_ids[i], "label": int(labels[i]), "before": float(before[i]), "after": float(after[i])}
        for i in changed.tolist()
    ]
