"""Does the loop help? Rounds on simulated patients: evidence, strategy, simulated expert, refit, again and again.

The functions are those of the desk (`gather`, the registry, `says`, `classify.fit`); only the store is left out, so
that many runs take minutes. Each run has its own training and test patients, its own map and its own first labels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ctc_core import classify
from ctc_core.classify import Classifier
from ctc_core.errors import SettingsError
from ctc_core.latent import (
    BACKGROUND,
    PUBLISHED,
    Cells,
    LatentMap,
    MapParameters,
    Reduction,
    fit_map,
    nearest_clusters,
)
from ctc_core.relabel.experiments.folders import SMALL_MAP
from ctc_core.relabel.registry import strategy as named
from ctc_core.reliability import MIN_LABELS, ClusterMetrics, cluster_metrics, count
from ctc_core.rounds.cohort import Cohort
from ctc_core.rounds.evidence import Known, Unread, gather
from ctc_core.rounds.expert import says
from ctc_core.types import Label, Progress, silent

MIN_CTC = 20
"""A cluster with fewer test CTCs has no F1 worth following."""

CEILING = "all-labels"
"""In the records: every training cell labelled truly, in place of the rounds."""

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Plan:
    """What is tried."""

    strategies: tuple[str, ...] = ("real-world", "inverse-f1", "random")
    seeds: int = 10
    start: int = 200
    """Labelled cells before the first round, drawn at random."""
    step: int = 50
    """Cells that the expert reads in a round."""
    rounds: int = 4
    error_rate: float = 0.02
    only_errors: bool = False
    """The expert marks only cells that were called wrongly, as in the published real-world loop, and not every cell."""
    threshold: float = 0.5


@dataclass(frozen=True, eq=False)
class Setting:
    """One run's patients and map; rows are those of the cohort."""

    cohort: Cohort
    train: Rows
    test: Rows
    clusters: NDArray[np.int64]
    """(cells of the cohort,)"""
    first: Rows
    """Cells labelled before the first round."""


def run(cohort: Cohort, plan: Plan, *, encoder_id: str, progress: Progress = silent) -> list[dict[str, Any]]:
    """One record per seed, strategy, round (0: before the first) and cluster (None: all cells), on test patients.

    Keys: strategy, seed, loop, cluster, n_test, n_ctc, f1, precision, recall, balanced_accuracy, n_train, asked (the
    cluster that the round before has asked about; None: several) and validation (F1 told by training labels).
    """
    records = []
    for seed in range(plan.seeds):
        setting = draw_setting(cohort, seed, plan.start, encoder_id=encoder_id)
        for name in plan.strategies:
            records += _one_run(setting, name, seed, plan, encoder_id)
        before = [record for record in records if (record["seed"], record["loop"]) == (seed, 0)]
        same_start = [{**r, "strategy": CEILING} for r in before if r["strategy"] == plan.strategies[0]]
        records += same_start + _ceiling(setting, seed, plan, encoder_id)
        progress(seed + 1, plan.seeds, "Runs of all strategies")
    return records


def draw_setting(cohort: Cohort, seed: int, start: int, *, encoder_id: str) -> Setting:
    """Half of the patients train, the others test; a map of all their cells, which needs no label; first labels."""
    rng = np.random.default_rng([seed, 4])
    train, test = _halves(cohort, rng)
    clusters = _on_a_map(cohort, train, test, train[:0], encoder_id, SMALL_MAP)
    return Setting(cohort, train, test, clusters, np.sort(rng.permutation(train)[:start]))


def setting_with_pool(cohort: Cohort, pool: Cohort, seed: int, *, encoder_id: str) -> Setting:
    """As in the published real-world loop: all cells of `cohort`'s training half are labelled, none of `pool` is.

    pool: all cells of other training patients, in the mixture in which they lie on their cartridges.
    """
    whole = Cohort(*(np.concatenate(column) for column in zip(_columns(cohort), _columns(pool), strict=True)))
    train, test = _halves(cohort, np.random.default_rng([seed, 4]))
    unread = len(cohort.patients) + np.arange(len(pool.patients))
    clusters = _on_a_map(whole, train, test, unread, encoder_id, PUBLISHED)
    return Setting(whole, np.concatenate([train, unread]), test, clusters, train)


def _columns(cohort: Cohort) -> tuple[NDArray[Any], ...]:
    return cohort.vectors, cohort.is_ctc, cohort.kinds, cohort.patients


def _halves(cohort: Cohort, rng: np.random.Generator) -> tuple[Rows, Rows]:
    patients = rng.permutation(np.unique(cohort.patients))
    is_train = np.isin(cohort.patients, patients[: len(patients) // 2])
    return np.flatnonzero(is_train), np.flatnonzero(~is_train)


def _on_a_map(
    cohort: Cohort, train: Rows, test: Rows, unread: Rows, encoder_id: str, parameters: MapParameters
) -> Rows:
    """(cells of the cohort,) clusters of a map that is fitted to `train`; the reduction needs no label, either."""
    ids = cohort.cell_ids
    cells = [Cells(tuple(ids[i] for i in rows), cohort.vectors[rows]) for rows in (train, test, unread)]
    reduction = Reduction.fit(cohort.vectors[train])
    made = fit_map(cells[0], cells[1], cells[2], reduction, encoder_id=encoder_id, parameters=parameters)
    clusters = np.empty(len(ids), np.int64)
    clusters[train], clusters[np.concatenate([test, unread])] = _without_background(made)
    return clusters


def _without_background(made: LatentMap) -> tuple[Rows, Rows]:
    """Clusters of training and test cells; background cells belong to the nearest cluster, as published (sim1)."""
    real = made.cells.clusters != BACKGROUND
    if not real.any():
        return made.train.clusters, made.cells.clusters
    xy, clusters = made.cells.xy[real], made.cells.clusters[real]
    near = [nearest_clusters(part.xy, xy, clusters) for part in (made.train, made.cells)]
    return near[0], near[1]


@dataclass(frozen=True, eq=False)
class Loop:
    """What stands after some rounds."""

    number: int
    """0: before the first."""
    classifier: Classifier
    n_train: int
    cluster_f1: Mapping[int, float | None]
    """Told by training labels."""
    asked: int | None
    """Cluster that the round before has asked about; None: several."""


def loops(setting: Setting, name: str, seed: int, plan: Plan, encoder_id: str) -> Iterator[Loop]:
    """Before the first round and after each: fit, propose, ask the expert, again."""
    cohort, ids, rows, asked = setting.cohort, setting.cohort.cell_ids, setting.first, None
    said = _say(cohort, rows, plan.error_rate, seed)
    for number in range(plan.rounds + 1):
        classifier = classify.fit(cohort.vectors[rows], said, [ids[i] for i in rows], encoder_id=encoder_id)
        known = Known(
            tuple(ids[i] for i in rows), cohort.vectors[rows], said, cohort.patients[rows], setting.clusters[rows]
        )
        left = np.setdiff1d(setting.train, rows)
        pool = Unread(tuple(ids[i] for i in left), cohort.vectors[left], setting.clusters[left])
        evidence, _ = gather(pool, known, classifier)
        yield Loop(number, classifier, len(rows), evidence.cluster_f1, asked)
        chosen = named(name).choose(evidence, plan.step, seed * 100 + number)
        asked, new = chosen.cluster, left[chosen.rows]
        answers = _say(cohort, new, plan.error_rate, seed * 100 + number + 1)
        marked = answers != (evidence.pool_probability[chosen.rows] >= plan.threshold)
        kept = marked if plan.only_errors else np.ones(len(new), bool)
        rows, said = np.concatenate([rows, new[kept]]), np.concatenate([said, answers[kept]])


def _one_run(setting: Setting, name: str, seed: int, plan: Plan, encoder_id: str) -> list[dict[str, Any]]:
    records = []
    for loop in loops(setting, name, seed, plan, encoder_id):
        about = {"strategy": name, "seed": seed, "loop": loop.number, "asked": loop.asked, "n_train": loop.n_train}
        records += [{**about, **row} for row in _figures(setting, loop.classifier, loop.cluster_f1, plan.threshold)]
    return records


def _ceiling(setting: Setting, seed: int, plan: Plan, encoder_id: str) -> list[dict[str, Any]]:
    """With the true label of every training cell: no choice of cells can be expected to do better."""
    cohort, rows, ids = setting.cohort, setting.train, setting.cohort.cell_ids
    truth = cohort.is_ctc[rows].astype(np.int64)
    classifier = classify.fit(cohort.vectors[rows], truth, [ids[i] for i in rows], encoder_id=encoder_id)
    about = {"strategy": CEILING, "seed": seed, "loop": plan.rounds, "asked": None, "n_train": len(rows)}
    return [{**about, **row} for row in _figures(setting, classifier, {}, plan.threshold)]


def _say(cohort: Cohort, rows: Rows, error_rate: float, seed: int) -> NDArray[np.int64]:
    truth = [Label.CTC if is_ctc else Label.NON_CTC for is_ctc in cohort.is_ctc[rows]]
    return np.array([label is Label.CTC for label in says(truth, error_rate, seed)], np.int64)


def _figures(setting: Setting, classifier: Classifier, validation: Any, threshold: float) -> list[dict[str, Any]]:
    labels = setting.cohort.is_ctc[setting.test].astype(np.int64)
    called = classifier.probabilities(setting.cohort.vectors[setting.test]) >= threshold
    clusters = setting.clusters[setting.test]
    every = ClusterMetrics.of(count(labels, called), None)
    found = [every, *cluster_metrics(labels, called, clusters, ids=sorted(set(clusters.tolist())))]
    return [_record(figures, validation.get(figures.cluster)) for figures in found]


def _record(figures: ClusterMetrics, validation: float | None) -> dict[str, Any]:
    shares = {name: getattr(figures, name) for name in ("f1", "precision", "recall", "balanced_accuracy")}
    values = {name: share.estimate if share else None for name, share in shares.items()}
    counts = {"cluster": figures.cluster, "n_test": figures.counts.n, "n_ctc": figures.counts.n_ctc}
    return {**counts, **values, "validation": validation}


# ---- what came of it -------------------------------------------------------------------------------------------------


def summarise(records: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Before the first and after the last round, by strategy: mean over seeds with 95 % interval (Student's t).

    Of each: `weakest` (the cluster of lowest validation F1 before the first round: chosen without the test patients),
    `hardest` (of lowest test F1 before the first round, as published; it looks better later by chance alone, so compare
    with random), `lowest` (whichever cluster is lowest at the time), `total`. gain: after minus before.
    against_random: gain minus that of random, seed by seed.
    """
    seeds = sorted({record["seed"] for record in records})
    names = list(dict.fromkeys(record["strategy"] for record in records))
    found = {name: [_of_run(records, name, seed) for seed in seeds] for name in names}
    return {name: {what: _what(found, name, what) for what in _WHATS} for name in names}


_WHATS = ("weakest", "hardest", "lowest", "total")


def _what(found: dict[str, list[dict[str, tuple[float, float]]]], name: str, what: str) -> dict[str, Any]:
    values = np.array([run[what] for run in found[name]])
    gain = values[:, 1] - values[:, 0]
    result = {"before": mean(values[:, 0]), "after": mean(values[:, 1]), "gain": mean(gain)}
    if "random" in found and name != "random":
        random = np.array([run[what] for run in found["random"]])
        result["against_random"] = mean(gain - (random[:, 1] - random[:, 0]))
    return result


def _of_run(records: Sequence[dict[str, Any]], name: str, seed: int) -> dict[str, tuple[float, float]]:
    """(before, after) of each of `_WHATS`."""
    own = [record for record in records if (record["strategy"], record["seed"]) == (name, seed)]
    last = max(record["loop"] for record in own)
    first, end = ({r["cluster"]: r for r in own if r["loop"] == loop} for loop in (0, last))
    worth = [c for c, r in first.items() if c is not None and r["n_test"] >= MIN_LABELS and r["n_ctc"] >= MIN_CTC]
    if not worth:
        message = f"Seed {seed}: no cluster with {MIN_CTC} CTCs among its test cells. Ask for more patients or cells."
        raise SettingsError(message)
    weakest = min(worth, key=lambda c: (first[c]["validation"] if first[c]["validation"] is not None else 0.0, c))
    hardest = min(worth, key=lambda c: (first[c]["f1"], c))
    followed = {"weakest": weakest, "hardest": hardest, "total": None}
    pairs = {what: (first[c]["f1"], end[c]["f1"]) for what, c in followed.items()}
    return {**pairs, "lowest": (min(first[c]["f1"] for c in worth), min(end[c]["f1"] for c in worth))}


def mean(values: NDArray[np.float64]) -> dict[str, float | int]:
    """mean, low, high (95 % interval of the mean, Student's t over runs) and n; one run has no interval: low = high."""
    from scipy.stats import t

    n = len(values)
    half = float(t.ppf(0.975, n - 1) * values.std(ddof=1) / np.sqrt(n)) if n > 1 else 0.0
    middle = float(values.mean())
    return {"mean": round(middle, 4), "low": round(middle - half, 4), "high": round(middle + half, 4), "n": n}
