"""How well vectors tell CTCs from the rest: the method's PCA and SVM on simulated patients nobody trained on.

Every seed draws its own patients, half to give labels and half to be tested, so the spread over seeds holds
patients, cells and the choice of labels. Our encoder, random weights and classical features see the same cells
and the same labels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ctc_core.encoder import data
from ctc_core.encoder.classical import classical_features
from ctc_core.encoder.embedder import Embedder, run_network
from ctc_core.types import Progress, silent

COMPONENTS = 32
LABELS = (20, 100, 500)
CROPS_PER_PATIENT = 64

Features = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


def evaluate(
    name_or_path: str,
    *,
    seeds: int = 5,
    n_patients: int = 16,
    labels: Sequence[int] = LABELS,
    threads: int = 0,
    validation: bool = False,
    progress: Progress = silent,
) -> dict[str, Any]:
    """F1 of CTC (class 1) by method and number of labels, with 95 % intervals over seeds, and the share right by kind.

    n_patients: patients that give labels, and as many others that are tested, per seed, 64 cells each.
    labels: numbers of labels drawn at random; all of them are added as "all".
    validation: use the patients meant for choosing between trainings instead of those for reporting.

    Returns:
        {encoder_id, data, seeds, patients, cells, f1: {method: {labels: {mean, low, high, n}}},
        right_by_kind: {method: {kind: {share, n}}}}; `n` of an interval is the number of seeds.
    """
    embedder = Embedder.load(name_or_path, threads=threads)
    population = data.VALIDATION_PATIENTS if validation else data.EVALUATION_PATIENTS
    runs = []
    for seed in range(seeds):
        pool, test = (_cells(population, 2 * seed + half, n_patients) for half in (0, 1))
        methods = {
            "ours": embedder.embed,
            "random weights": _random_weights(seed, pool, embedder),
            "classical": classical_features,
        }
        runs.append({name: run(features, pool, test, labels, seed) for name, features in methods.items()})
        progress(seed + 1, seeds, "encoder evaluate")
    return {
        "encoder_id": embedder.id,
        "data": "simulated, unseen patients",
        "seeds": seeds,
        "patients": {"labelled": n_patients, "tested": n_patients},
        "cells": {"labelled": n_patients * CROPS_PER_PATIENT, "tested": n_patients * CROPS_PER_PATIENT},
        **summarise(runs),
    }


def _cells(population: range, block: int, n_patients: int) -> data.Labelled:
    first = population.start + block * n_patients
    return data.labelled_crops(range(first, first + n_patients), seed=block, crops_per_patient=CROPS_PER_PATIENT)


def _random_weights(seed: int, pool: data.Labelled, embedder: Embedder) -> Features:
    """The same network untrained; its batch norms know the data, or it would be an unfairly weak rival."""
    from ctc_core.encoder.network import build_network, recalibrate
    from ctc_core.encoder.preprocess import to_input

    network = build_network(seed=seed)
    recalibrate(
        network, (to_input(pool.crops[i : i + 64], embedder.input_px) for i in range(0, min(len(pool), 512), 64))
    )
    return lambda crops: run_network(network, crops, input_px=embedder.input_px)


Run = tuple[dict[str, float], dict[str, tuple[int, int]]]
"""F1 by number of labels; (right, all) by kind with all labels."""


def run(features: Features, pool: data.Labelled, test: data.Labelled, labels: Sequence[int], seed: int) -> Run:
    """One method on one draw of patients."""
    x, x_test = features(pool.crops), features(test.crops)
    if features is classical_features:  # they come in different units; vectors are used as the method does, unscaled
        mean, sd = x.mean(0), x.std(0) + 1e-6
        x, x_test = (x - mean) / sd, (x_test - mean) / sd
    rows = {str(n): draw(pool.is_ctc, n, seed) for n in labels if n < len(pool)} | {"all": np.arange(len(pool))}
    predicted = {name: fit_predict(x[chosen], pool.is_ctc[chosen], x_test) for name, chosen in rows.items()}
    right = predicted["all"] == test.is_ctc
    by_kind = {
        str(kind): (int(right[test.kinds == kind].sum()), int((test.kinds == kind).sum()))
        for kind in np.unique(test.kinds)
    }
    return {name: f1(test.is_ctc, found) for name, found in predicted.items()}, by_kind


def draw(is_ctc: NDArray[np.bool_], n: int, seed: int) -> NDArray[np.int64]:
    """`n` random rows with at least two of each class."""
    rng = np.random.default_rng([seed, n])
    while True:
        rows = rng.permutation(len(is_ctc))[:n]
        if min(is_ctc[rows].sum(), (~is_ctc[rows]).sum()) >= 2:
            return rows


def fit_predict(x: NDArray[np.float32], is_ctc: NDArray[np.bool_], x_test: NDArray[np.float32]) -> NDArray[np.bool_]:
    """The method's classifier: PCA to 32 (fewer with fewer cells), SVC with its parameters."""
    from sklearn.decomposition import PCA
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import SVC

    pca = PCA(min(COMPONENTS, len(x) - 1, x.shape[1]), random_state=0)
    model = make_pipeline(pca, SVC(kernel="rbf", C=1, gamma="scale", class_weight="balanced"))
    return np.asarray(model.fit(x, is_ctc).predict(x_test), bool)


def f1(truth: NDArray[np.bool_], found: NDArray[np.bool_]) -> float:
    """2 TP / (2 TP + FP + FN)."""
    return float(2 * (truth & found).sum() / max(truth.sum() + found.sum(), 1))


def summarise(runs: Sequence[Mapping[str, Run]]) -> dict[str, Any]:
    """Mean and interval over runs, method by method."""
    methods = list(runs[0])
    scores = {m: {n: interval([run[m][0][n] for run in runs]) for n in runs[0][m][0]} for m in methods}
    return {"f1": scores, "right_by_kind": {m: _by_kind([run[m][1] for run in runs]) for m in methods}}


def interval(values: Sequence[float]) -> dict[str, float | int]:
    """Mean with the 95 % interval of Student's t; without one (low = high = nan) for a single value."""
    from scipy.stats import t

    n, mean = len(values), float(np.mean(values))
    half = float(t.ppf(0.975, n - 1) * np.std(values, ddof=1) / np.sqrt(n)) if n > 1 else float("nan")
    return {"mean": mean, "low": mean - half, "high": mean + half, "n": n}


def _by_kind(counts: Sequence[Mapping[str, tuple[int, int]]]) -> dict[str, dict[str, float | int]]:
    kinds = sorted({kind for run in counts for kind in run})
    totals = {kind: np.sum([run.get(kind, (0, 0)) for run in counts], axis=0) for kind in kinds}
    return {kind: {"share": float(right / n), "n": int(n)} for kind, (right, n) in totals.items()}
