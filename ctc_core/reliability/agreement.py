"""Predicted numbers beside realised ones: by cluster, as rank correlation, and how often intervals hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ctc_core.intervals import Interval, wilson
from ctc_core.reliability.metrics import Area

BOOTSTRAP = 1000
"""Resamples of the patients."""

Array = NDArray[np.float64]
Whole = NDArray[np.int64]


def cluster_rows(
    ids: Sequence[int], areas: Mapping[int, Area], predicted: Array, realised: Whole, sizes: Whole
) -> list[dict[str, Any]]:
    """One row for each cluster; `predicted` and `realised` are (patients, 2, clusters), wrong then missed."""
    expected, true = predicted.sum(axis=0), realised.sum(axis=0)
    return [
        {
            "cluster": cluster,
            "area": areas[cluster].value,
            "cells": int(sizes[:, i].sum()),
            "wrong": {"predicted": round(float(expected[0, i]), 1), "realised": int(true[0, i])},
            "missed": {"predicted": round(float(expected[1, i]), 1), "realised": int(true[1, i])},
        }
        for i, cluster in enumerate(ids)
    ]


def rank_correlations(predicted: Array, realised: Whole, sizes: Whole, seed: int) -> dict[str, Any]:
    """Spearman's correlation over clusters of predicted and realised errors, as numbers and per cell.

    predicted, realised: (patients, 2, clusters); sizes: (patients, clusters). Intervals are a bootstrap over patients.
    """
    n = len(predicted)
    often = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), BOOTSTRAP)
    weights = np.concatenate([np.ones((1, n), np.int64), often])  # the first row is the estimate
    filled = sizes.sum(axis=0) > 0
    expected, true = (weights @ values.sum(axis=1)[:, filled] for values in (predicted, realised))
    cells = np.maximum(weights @ sizes[:, filled], 1)
    return {
        "errors": _bootstrap_row(_spearman(expected, true)),
        "errors_per_cell": _bootstrap_row(_spearman(expected / cells, true / cells)),
        "n_clusters": int(filled.sum()),
    }


def _spearman(left: Array, right: Array) -> Array:
    """Rank correlation of each row, (b,); NaN where there are fewer than three clusters or nothing differs."""
    from scipy.stats import rankdata

    if left.shape[1] < 3:
        return np.full(len(left), np.nan)
    first, second = (rankdata(values, axis=1) - (values.shape[1] + 1) / 2 for values in (left, right))
    scale = np.sqrt((first**2).sum(axis=1) * (second**2).sum(axis=1))
    return np.asarray(np.divide((first * second).sum(axis=1), scale, out=np.full(len(left), np.nan), where=scale > 0))


def _bootstrap_row(values: Array) -> dict[str, float | None]:
    """The first value is the estimate, the others are its bootstrap."""
    known = values[1:][~np.isnan(values[1:])]
    if np.isnan(values[0]) or not len(known):
        return {"estimate": None, "low": None, "high": None}
    low, high = np.quantile(known, [0.025, 0.975])
    return {"estimate": round(float(values[0]), 4), "low": round(float(low), 4), "high": round(float(high), 4)}


def coverage(intervals: Sequence[Interval], realised: Whole) -> dict[str, float | int] | None:
    """Share of draws whose realised number lies within the 95 % interval."""
    return share([i.low <= number <= i.high for i, number in zip(intervals, realised.tolist(), strict=True)])


def share(flags: Sequence[bool] | NDArray[np.bool_]) -> dict[str, float | int] | None:
    """Share of flags that are set, with its Wilson interval; None without flags."""
    found = wilson(int(np.sum(flags)), len(flags))
    if found is None:
        return None
    return {"share": round(found.estimate, 4), "low": round(found.low, 4), "high": round(found.high, 4), "n": found.n}
