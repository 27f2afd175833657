"""How good the classifier is in each cluster, told by training labels that it was not fitted on."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ctc_core.relabel import svm
from ctc_core.reliability.metrics import count

Whole = NDArray[np.int64]

REPEATS = 100
"""Published number of splits."""
HELD_OUT = 0.1
"""Published share of cells held out in each split."""


@dataclass(frozen=True)
class Validation:
    """What `Evidence` says of the classifier, by cluster; a cluster without a validation cell is absent."""

    cluster_f1: dict[int, float]
    """F1 of class CTC over all predictions; without CTCs 1 where none was called one, else 0."""
    cluster_n: dict[int, int]
    """Labelled cells behind each F1, each counted once however often it was predicted."""
    wrong_class: dict[int, int]
    """Class most often called wrongly (of equals, non-CTC); absent where nothing is called wrongly."""


def pooled(labels: Whole, called: Whole, clusters: Whole, cells: Whole | None = None) -> Validation:
    """Figures of validation predictions, pooled over all folds.

    Args:
        labels, called: (n,) 1 CTC, 0 anything else.
        clusters: (n,) cluster of each prediction's cell.
        cells: (n,) which cell it is, where cells are predicted more than once.
    """
    cells = np.arange(len(labels)) if cells is None else cells
    f1, number, wrong = {}, {}, {}
    for cluster in sorted(set(clusters.tolist())):
        inside = clusters == cluster
        f1[cluster] = f1_of(labels[inside], called[inside])
        number[cluster] = len(set(cells[inside].tolist()))
        errors = called[inside & (called != labels)]
        if len(errors):
            wrong[cluster] = int(np.bincount(errors).argmax())
    return Validation(f1, number, wrong)


def f1_of(labels: Whole, called: Whole) -> float:
    """F1 of class CTC; without CTCs 1 where none was called one, else 0."""
    counts = count(labels, called == 1)
    relevant = 2 * counts.tp + counts.fp + counts.fn
    return 2 * counts.tp / relevant if relevant else 1.0


Split = tuple[Whole, Whole]
"""Rows to fit on, rows held out."""


@lru_cache(maxsize=16)
def monte_carlo_splits(n: int, repeats: int = REPEATS) -> tuple[Split, ...]:
    """The published random splits of `n` rows, 90 to 10, not stratified: at most 199."""
    from sklearn.model_selection import train_test_split

    states = random.Random(42).sample(range(1, 200), repeats)
    return tuple(tuple(train_test_split(np.arange(n), test_size=HELD_OUT, random_state=state)) for state in states)


def fold_splits(labels: Whole, folds: int = 5, seed: int = 0) -> list[Split]:
    """Every row held out once, each fold with its share of CTCs as far as there are enough; two folds at least."""
    order = np.random.default_rng(seed).permutation(len(labels))
    fold = np.empty(len(labels), np.int64)
    fold[order[np.argsort(labels[order], kind="stable")]] = np.arange(len(labels)) % folds
    return [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(folds) if (fold == k).any()]


def validate(features: svm.Features, labels: Whole, clusters: Whole, splits: Iterable[Split]) -> Validation:
    """Fit on one side of each split, predict the other, pool the predictions.

    Args:
        features: (n, d) principal components of all labelled training cells.
        labels: (n,) 1 CTC, 0 anything else.
        clusters: (n,)
        splits: `monte_carlo_splits(n)` as published, about 2 s for 500 cells; `fold_splits(labels)`, 0.5 s for 2,000;
            or folds over patients (`ctc_core.reliability.nested.patient_folds`).
    """
    from sklearn import config_context

    features = np.ascontiguousarray(features, np.float64)  # as scikit-learn would for each fit
    held_out, called = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    with config_context(assume_finite=True, skip_parameter_validation=True):
        for fit, held in splits:
            called.append(svm.fit(features[fit], labels[fit]).call(features[held]))
            held_out.append(held)
    cells = np.concatenate(held_out)
    return pooled(labels[cells], np.concatenate(called), clusters[cells], cells)
