"""Strategies side by side on the same starts: paired differences with 95 % intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ctc_core.errors import SettingsError
from ctc_core.relabel.evidence import BACKGROUND
from ctc_core.relabel.experiments.loop import Record
from ctc_core.relabel.experiments.work import Done

BASELINES = ("random", "cluster-specific")
LEAST_TEST = 20
"""Fewest test cells, and fewest CTCs among them, of a cluster that may be called the weakest."""
FIGURES = ("f1", "weakest_f1", "rarest_recall", "area", "weakest_area")
Curves = NDArray[np.float64]
"""(runs, loops + 1)"""


def compare(done: Sequence[Done], weakest: int) -> dict[str, Any]:
    """Figures of each strategy from its runs; runs of equal seed have equal starts.

    Of each of `FIGURES` the mean over seeds and, against each baseline that was run, the mean paired difference with
    its 95 % interval (Student's t). f1, weakest_f1, rarest_recall: after the last loop; area, weakest_area: under the
    label curve, the mean over labels of f1 and weakest_f1. seconds_per_query: mean of all choices. To reach what
    cluster-specific has after the last loop in the weakest cluster, a strategy asks for labels_to_match cells more than
    it started with (on the mean curve, straight between loops; None where it never does), which is share_to_match of
    those that cluster-specific asked for; within: 95 % of bootstrapped sets of seeds have that share between the two.
    """
    by_name: dict[str, list[Done]] = {}
    for one in done:
        by_name.setdefault(one.job.strategy, []).append(one)
    own = {name: _figures(runs, weakest) for name, runs in by_name.items()}
    hard = {name: curves(_records(runs), weakest) for name, runs in by_name.items()}
    labels = _labels(_records(next(iter(by_name.values()))))
    rows = []
    for name, runs in by_name.items():
        row: dict[str, Any] = {"strategy": name, "runs": len(runs), **_means(own[name])}
        row["seconds_per_query"] = _seconds(runs)
        row |= _to_match(hard, name, labels)
        for baseline in (other for other in BASELINES if other in own and other != name):
            row[f"against_{baseline}"] = {key: paired(own[name][key], own[baseline][key]) for key in own[name]}
        rows.append(row)
    return {"weakest_cluster": weakest, "strategies": rows}


def weakest_cluster(records: Sequence[Record], n_ctc: Mapping[int, int]) -> int:
    """The cluster of the lowest mean F1 at the start on the test cells: it only reports, and no strategy knows it.

    Not the background: it is no cluster, and in sim1 no training cell belongs to it, so that none can be asked for.

    n_ctc: CTCs among the test cells of each cluster; clusters of fewer than `LEAST_TEST` cells or CTCs do not count.

    Raises:
        SettingsError: no cluster has that many.
    """
    starts = [record for record in records if record["loop"] == 0 and record["cluster"] is not None]
    size = {record["cluster"]: record["n_test"] for record in starts}
    large = [c for c in sorted(size) if c != BACKGROUND and size[c] >= LEAST_TEST]
    enough: list[int] = [c for c in large if n_ctc.get(c, 0) >= LEAST_TEST]
    if not enough:
        message = f"No cluster has {LEAST_TEST} CTCs among its test cells, so that none has an F1 worth following."
        raise SettingsError(message)
    f1 = {c: float(np.mean([record["f1"] for record in starts if record["cluster"] == c])) for c in enough}
    return min(enough, key=lambda c: (f1[c], c))


def paired(one: NDArray[np.float64], other: NDArray[np.float64]) -> dict[str, float | None]:
    """Mean of the differences of (n,) paired values with its 95 % interval; no interval with one pair."""
    from scipy.stats import t

    difference = one - other
    mean, n = float(difference.mean()), len(difference)
    if n < 2:
        return {"difference": round(mean, 4), "low": None, "high": None}
    half = float(t.ppf(0.975, n - 1) * difference.std(ddof=1) / n**0.5)
    return {"difference": round(mean, 4), "low": round(mean - half, 4), "high": round(mean + half, 4)}


# ---- figures of one strategy ----------------------------------------------------------------------------------------


def curves(records: Sequence[Record], cluster: int | None, figure: str = "f1") -> Curves:
    """One figure by run and loop; records come run by run, loop by loop."""
    values = [record[figure] for record in records if record["cluster"] == cluster]
    return np.array(values, np.float64).reshape(len({record["seed"] for record in records}), -1)


def _records(runs: Sequence[Done]) -> list[Record]:
    return [record for run in runs for record in run.records]


def _figures(runs: Sequence[Done], weakest: int) -> dict[str, NDArray[np.float64]]:
    """(runs,) of each of `FIGURES` that can be told."""
    records = _records(runs)
    total, hard, labels = curves(records, None), curves(records, weakest), _labels(records)
    figures = {"f1": total[:, -1], "weakest_f1": hard[:, -1]}
    if "rarest_recall" in records[0]:
        figures["rarest_recall"] = curves(records, None, "rarest_recall")[:, -1]
    return figures | {"area": _area(total, labels), "weakest_area": _area(hard, labels)}


def _area(curve: Curves, labels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Under each run's curve over labels, by trapezoids, divided by the span: a mean of F1."""
    span = labels[-1] - labels[0]
    return np.asarray(np.trapezoid(curve, labels, axis=1) / span if span else curve.mean(axis=1), np.float64)


def _means(figures: Mapping[str, NDArray[np.float64]]) -> dict[str, float]:
    return {key: round(float(values.mean()), 4) for key, values in figures.items()}


def _labels(records: Sequence[Record]) -> NDArray[np.float64]:
    """(loops + 1,) labelled cells of the first run."""
    first = records[0]["seed"]
    return np.array([r["n_train"] for r in records if r["cluster"] is None and r["seed"] == first], np.float64)


def _seconds(runs: Sequence[Done]) -> float | None:
    spent = [value for run in runs for value in run.seconds]
    return round(float(np.mean(spent)), 3) if spent else None


# ---- labels to match ------------------------------------------------------------------------------------------------

BOOTSTRAPS = 1000


def _to_match(hard: Mapping[str, Curves], name: str, labels: NDArray[np.float64]) -> dict[str, Any]:
    if "cluster-specific" not in hard:
        return {}
    paper, own, asked = hard["cluster-specific"], hard[name], labels[-1] - labels[0]
    needed = labels_to_match(own.mean(axis=0), float(paper[:, -1].mean()), labels)
    if needed is None:
        return {"labels_to_match": None, "share_to_match": None, "within": None}
    rng, shares = np.random.default_rng(0), []
    for _ in range(BOOTSTRAPS):
        rows = rng.integers(0, len(own), len(own))
        again = labels_to_match(own[rows].mean(axis=0), float(paper[rows, -1].mean()), labels)
        shares.append(np.inf if again is None else again / asked)
    low, high = np.sort(shares)[[round(0.025 * BOOTSTRAPS), round(0.975 * BOOTSTRAPS) - 1]].tolist()
    within = [round(low, 3), round(high, 3) if np.isfinite(high) else None]
    return {"labels_to_match": round(needed), "share_to_match": round(needed / asked, 3), "within": within}


def labels_to_match(curve: NDArray[np.float64], goal: float, labels: NDArray[np.float64]) -> float | None:
    """Labels asked for until a mean curve first reaches `goal`, straight between loops; None where it never does."""
    reached = np.flatnonzero(curve >= goal)
    if not len(reached):
        return None
    i = int(reached[0])
    if i == 0:
        return 0.0
    part = (goal - curve[i - 1]) / (curve[i] - curve[i - 1])
    return float(labels[i - 1] - labels[0] + part * (labels[i] - labels[i - 1]))
