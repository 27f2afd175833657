"""How good vectors are: the method's classifier on few labels, F1, intervals over seeds, differences seed by seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

COMPONENTS = 32
LEAST_OF_A_CLASS = 2

Interval = dict[str, float | int]
"""{mean, low, high, n}: 95 % interval of Student's t over n seeds."""

Scores = Mapping[str, Mapping[str, float]]
"""Of one seed, by method and number of labels."""


def draw(positive: NDArray[np.bool_], n: int, seed: int) -> NDArray[np.int64]:
    """`n` random rows with at least two of each class."""
    rng = np.random.default_rng([seed, n])
    while True:
        rows = rng.permutation(len(positive))[:n]
        if min(positive[rows].sum(), (~positive[rows]).sum()) >= LEAST_OF_A_CLASS:
            return rows


def decide(x: NDArray[np.float32], positive: NDArray[np.bool_], x_test: NDArray[np.float32]) -> NDArray[np.float64]:
    """The method's classifier, PCA to 32 (fewer with fewer cells) and SVC with its parameters: one value per test cell.

    Above 0: positive.
    """
    from sklearn.decomposition import PCA
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import SVC

    pca = PCA(min(COMPONENTS, len(x) - 1, x.shape[1]), random_state=0)
    model = make_pipeline(pca, SVC(kernel="rbf", C=1, gamma="scale", class_weight="balanced"))
    return np.asarray(model.fit(x, positive).decision_function(x_test), np.float64)


def f1(truth: NDArray[np.bool_], found: NDArray[np.bool_]) -> float:
    """2 TP / (2 TP + FP + FN); 0 where nothing is true and nothing found."""
    return float(2 * (truth & found).sum() / max(truth.sum() + found.sum(), 1))


def f1_at(share: float, truth: NDArray[np.bool_], found: NDArray[np.bool_]) -> float:
    """F1 if `share` of the cells were positive and those of each class were judged as here. Needs both classes."""
    hit, false_alarm = found[truth].mean(), found[~truth].mean()
    return float(2 * share * hit / (share * (hit + 1) + (1 - share) * false_alarm))


def average_precision(truth: NDArray[np.bool_], value: NDArray[np.float64]) -> float:
    """Area under precision against recall as a step function; the share of positives for a blind guess."""
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(truth, value))


def interval(values: Sequence[float]) -> Interval:
    """Mean with the 95 % interval of Student's t; without one (low = high = nan) for a single value."""
    from scipy.stats import t

    n, mean = len(values), float(np.mean(values))
    half = float(t.ppf(0.975, n - 1) * np.std(values, ddof=1) / np.sqrt(n)) if n > 1 else float("nan")
    return {"mean": mean, "low": mean - half, "high": mean + half, "n": n}


def means(runs: Sequence[Scores]) -> dict[str, dict[str, Interval]]:
    """{method: {labels: interval}} over seeds."""
    return {m: {n: interval([run[m][n] for run in runs]) for n in runs[0][m]} for m in runs[0]}


def differences(runs: Sequence[Scores], ours: str = "ours") -> dict[str, dict[str, Interval]]:
    """{rival: {labels: interval of ours - rival}}: both saw the same cells and labels, so it is taken seed by seed."""
    rivals = [m for m in runs[0] if m != ours]
    return {m: {n: interval([run[ours][n] - run[m][n] for run in runs]) for n in runs[0][m]} for m in rivals}


def standardised(
    x: NDArray[np.float32], x_test: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Both by mean and spread of the first: for features that come in different units."""
    mean, sd = x.mean(0), x.std(0) + 1e-6
    return (x - mean) / sd, (x_test - mean) / sd
