"""Are the warnings true? Predicted against realised errors on patients whose every cell is known.

Patients come from a source that knows the truth: simulated ones here, `simulated_patients`, or any other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ctc_core import classify
from ctc_core.latent import PUBLISHED, Cells, LatentMap, MapParameters, Placed, Reduction, fit_map, locate, place
from ctc_core.reliability.agreement import cluster_rows, coverage, rank_correlations, share
from ctc_core.reliability.draw import DrawReliability
from ctc_core.reliability.judgement import Judgement, LabelledCells, judge
from ctc_core.types import Progress, silent


@dataclass(frozen=True)
class KnownPatient:
    """Cells of one patient with their truth, row by row."""

    vectors: NDArray[np.float32]
    """(n, 128)"""
    is_ctc: NDArray[np.bool_]
    planted: NDArray[np.bool_]
    """Cells of a kind that no labelled cell is of. They are taken out wherever an ordinary patient is needed."""


Source = Callable[[int, bool], KnownPatient]
"""source(number, labelled): the patient of this number; labelled: many CTCs, as in a labelled collection."""


@dataclass(frozen=True)
class Plan:
    """How many patients for what; their numbers follow each other from `first` on."""

    train: int = 20
    test: int = 20
    unlabelled: int = 20
    draws: int = 100
    first: int = 0
    threshold: float = 0.5
    min_planted: int = 5
    """Patients with fewer planted cells do not count as having the unknown kind."""
    seed: int = 0

    def numbers(self) -> list[range]:
        """Numbers of the patients to train, to test, without labels, and to draw."""
        ends = np.cumsum([self.first, self.train, self.test, self.unlabelled, self.draws]).tolist()
        return [range(low, high) for low, high in pairwise(ends)]


@dataclass(frozen=True)
class Group:
    """Cells of several patients, one after the other."""

    cells: Cells
    is_ctc: NDArray[np.bool_]
    patients: NDArray[np.str_]
    planted: NDArray[np.bool_]

    @property
    def labels(self) -> NDArray[np.int64]:
        return self.is_ctc.astype(np.int64)


def calibrate(
    source: Source,
    plan: Plan = Plan(),
    *,
    encoder_id: str,
    parameters: MapParameters = PUBLISHED,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Fit on labelled patients, predict the errors in `plan.draws` others, compare with what is true.

    Returns:
        JSON values: clusters (predicted and realised wrong and missed cells in all draws, by cluster),
        rank_correlation (Spearman over clusters, of numbers and of numbers per cell, interval by bootstrap over
        patients), coverage (share of patients whose realised number lies in the 95 % interval), mostly_flagged (share
        of patients in whom at least half of the planted cells are called unlike anything labelled), cells_flagged
        (share of single cells, planted and ordinary), alarm (share of patients flagged as a whole, with the planted
        kind and without).
    """
    *known, drawn = plan.numbers()
    train, test, unlabelled = (
        ordinary(collect(source, numbers, labelled=labelled, progress=progress))
        for numbers, labelled in zip(known, (True, True, False), strict=True)
    )
    classifier, latent_map, judgement = _fit(train, test, unlabelled, plan, encoder_id, parameters, progress)
    draws = collect(source, drawn, labelled=False, progress=progress)
    placed = place(latent_map, draws.cells.vectors, encoder_id=encoder_id, progress=progress)
    probabilities = classifier.probabilities(draws.cells.vectors)
    patients = [np.flatnonzero(draws.patients == name) for name in dict.fromkeys(draws.patients.tolist())]
    outcomes = [_outcome(draws, own, placed, probabilities, judgement, plan) for own in patients]
    return {**_report(outcomes, judgement, plan), "notes": list(latent_map.notes)}


# ---- patients -------------------------------------------------------------------------------------------------------


def collect(source: Source, numbers: Sequence[int], *, labelled: bool, progress: Progress) -> Group:
    """Cells of the patients of these numbers."""
    found = []
    for done, number in enumerate(numbers):
        found.append(source(number, labelled))
        progress(done + 1, len(numbers), "Patients with labels" if labelled else "Patients without labels")
    sizes = [len(patient.is_ctc) for patient in found]
    ids = tuple(f"{number}-{row}" for number, size in zip(numbers, sizes, strict=True) for row in range(size))
    return Group(
        Cells(ids, np.concatenate([patient.vectors for patient in found])),
        np.concatenate([patient.is_ctc for patient in found]),
        np.repeat(np.array([str(number) for number in numbers]), sizes),
        np.concatenate([patient.planted for patient in found]),
    )


def ordinary(group: Group) -> Group:
    """Without planted cells."""
    kept = np.flatnonzero(~group.planted)
    cells = Cells(tuple(group.cells.cell_ids[i] for i in kept), group.cells.vectors[kept])
    return Group(cells, group.is_ctc[kept], group.patients[kept], group.planted[kept])


# ---- fit and predict ------------------------------------------------------------------------------------------------


def _fit(
    train: Group,
    test: Group,
    unlabelled: Group,
    plan: Plan,
    encoder_id: str,
    parameters: MapParameters,
    progress: Progress,
) -> tuple[classify.Classifier, LatentMap, Judgement]:
    cells = train.cells
    classifier = classify.fit(cells.vectors, train.labels, cells.cell_ids, encoder_id=encoder_id)
    latent_map = fit_map(
        cells,
        test.cells,
        unlabelled.cells,
        Reduction.of(classifier),
        encoder_id=encoder_id,
        parameters=parameters,
        progress=progress,
    )
    both = [
        LabelledCells(group.cells, group.labels, group.patients, locate(latent_map, group.cells, encoder_id=encoder_id))
        for group in (train, test)
    ]
    return classifier, latent_map, judge(classifier, latent_map, *both, threshold=plan.threshold, progress=progress)


@dataclass(frozen=True)
class _Outcome:
    """One draw: what was predicted without planted cells, what is true, and what planted cells did."""

    ordinary: DrawReliability
    realised: NDArray[np.int64]
    """(2, c) wrong and missed cells by cluster."""
    sizes: NDArray[np.int64]
    """(c,) cells by cluster."""
    planted: DrawReliability | None
    """The same draw with the planted cells, where there are enough of them."""
    planted_flags: NDArray[np.bool_]
    """Which of the planted cells are called unlike anything labelled."""


def _outcome(
    draws: Group,
    own: NDArray[np.int64],
    placed: Placed,
    probabilities: NDArray[np.float32],
    judgement: Judgement,
    plan: Plan,
) -> _Outcome:
    """`own`: rows of one patient."""

    def draw(rows: NDArray[np.int64]) -> DrawReliability:
        there = Placed(placed.features[rows], placed.xy[rows], placed.clusters[rows])
        return judgement.of_draw(there, probabilities[rows], seed=plan.seed)

    is_planted = draws.planted[own]
    rows = own[~is_planted]
    called, is_ctc = probabilities[rows] >= plan.threshold, draws.is_ctc[rows]
    inside = placed.clusters[rows] == np.array(judgement.rates.clusters)[:, None]  # (c, n)
    realised = np.stack([(inside & errors).sum(axis=1) for errors in (called & ~is_ctc, ~called & is_ctc)])
    planted = draw(own) if is_planted.sum() >= plan.min_planted else None
    flags = planted.unlike[is_planted] if planted else np.zeros(0, bool)
    return _Outcome(draw(rows), realised, inside.sum(axis=1), planted, flags)


def _report(outcomes: Sequence[_Outcome], judgement: Judgement, plan: Plan) -> dict[str, Any]:
    errors = [outcome.ordinary.errors for outcome in outcomes]
    predicted = np.array([[e.wrong_by_cluster, e.missed_by_cluster] for e in errors])
    realised, sizes = np.array([o.realised for o in outcomes]), np.array([o.sizes for o in outcomes])
    planted = [outcome for outcome in outcomes if outcome.planted]
    return {
        "patients": {"train": plan.train, "test": plan.test, "draws": len(outcomes), "with_planted": len(planted)},
        "clusters": cluster_rows(judgement.rates.clusters, judgement.reliability.areas, predicted, realised, sizes),
        "rank_correlation": rank_correlations(predicted, realised, sizes, plan.seed),
        "coverage": {
            "wrong": coverage([e.wrong for e in errors], realised[:, 0].sum(axis=1)),
            "missed": coverage([e.missed for e in errors], realised[:, 1].sum(axis=1)),
        },
        "alarm": {
            "planted": share([outcome.planted.alarm for outcome in planted if outcome.planted]),
            "ordinary": share([outcome.ordinary.alarm for outcome in outcomes]),
        },
        "mostly_flagged": share([bool(outcome.planted_flags.mean() >= 0.5) for outcome in planted]),
        "cells_flagged": {
            "planted": share([flag for outcome in planted for flag in outcome.planted_flags]),
            "ordinary": share([flag for outcome in outcomes for flag in outcome.ordinary.unlike]),
        },
    }
