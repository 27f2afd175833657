"""Strategies side by side on the same starts: paired differences with 95 % intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ctc_core.relabel.experiments.loop import Record

BASELINES = ("random", "cluster-specific")
Curves = NDArray[np.float64]
"""(runs, loops + 1) F1."""


def compare(records: Mapping[str, Sequence[Record]]) -> dict[str, Any]:
    """Figures of each strategy from the records of its runs; runs of equal seed have equal starts.

    The hardest cluster is that of the lowest mean F1 at the start on the test cells: it only reports. Of every figure
    there is the mean over seeds and, against each baseline that was run, the mean paired difference with its 95 %
    interval (Student's t): f1 and hardest_f1 after the last loop, area (mean f1 over all loops). labels_to_match: the
    fewest labels at which the mean F1 in the hardest cluster is at least what cluster-specific has after the last loop.
    """
    first = next(iter(records.values()))
    hardest = _hardest(first)
    figures = {name: _figures(rows, hardest) for name, rows in records.items()}
    goal = figures["cluster-specific"]["_hard"][:, -1].mean() if "cluster-specific" in figures else None
    rows = []
    for name, own in figures.items():
        row: dict[str, Any] = {"strategy": name, "runs": len(own["f1"])}
        row |= {key: round(float(values.mean()), 4) for key, values in own.items() if not key.startswith("_")}
        row["labels_to_match"] = _labels_to_match(records[name], own["_hard"], goal)
        for baseline in (other for other in BASELINES if other in figures and other != name):
            row[f"against_{baseline}"] = {
                key: paired(own[key], figures[baseline][key]) for key in own if not key.startswith("_")
            }
        rows.append(row)
    return {"hardest_cluster": hardest, "strategies": rows}


def paired(one: NDArray[np.float64], other: NDArray[np.float64]) -> dict[str, float | None]:
    """Mean of the differences of (n,) paired values with its 95 % interval; no interval with one pair."""
    from scipy.stats import t

    difference = one - other
    mean, n = float(difference.mean()), len(difference)
    if n < 2:
        return {"difference": round(mean, 4), "low": None, "high": None}
    half = float(t.ppf(0.975, n - 1) * difference.std(ddof=1) / n**0.5)
    return {"difference": round(mean, 4), "low": round(mean - half, 4), "high": round(mean + half, 4)}


def _hardest(records: Sequence[Record]) -> int:
    clusters: list[int] = sorted({record["cluster"] for record in records if record["cluster"] is not None})
    starts = {cluster: _curves(records, cluster)[:, 0].mean() for cluster in clusters}
    return min(clusters, key=lambda cluster: (starts[cluster], cluster))


def _curves(records: Sequence[Record], cluster: int | None) -> Curves:
    """Records come run by run, loop by loop."""
    values = [record["f1"] for record in records if record["cluster"] == cluster]
    return np.array(values, np.float64).reshape(len({record["seed"] for record in records}), -1)


def _figures(records: Sequence[Record], hardest: int) -> dict[str, Curves]:
    total, hard = _curves(records, None), _curves(records, hardest)
    return {"f1": total[:, -1], "hardest_f1": hard[:, -1], "area": total.mean(axis=1), "_hard": hard}


def _labels_to_match(records: Sequence[Record], hard: Curves, goal: float | None) -> int | None:
    labels = [record["n_train"] for record in records if record["cluster"] is None]
    reached = hard.mean(axis=0) >= (goal if goal is not None else np.inf)
    return int(labels[int(reached.argmax())]) if reached.any() else None
