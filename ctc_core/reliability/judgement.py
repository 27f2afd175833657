"""A classifier judged on a map by labelled cells: everything that a draw is then held against."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ctc_core.classify import Classifier
from ctc_core.latent.map import Cells, LatentMap, Placed
from ctc_core.latent.parameters import BACKGROUND
from ctc_core.reliability.draw import DrawReliability, draw_reliability
from ctc_core.reliability.expected import Rates, rates
from ctc_core.reliability.metrics import DEFAULT_RULES, AreaRules
from ctc_core.reliability.nested import Evidence, Reliability, assess, cross_validate, pooled
from ctc_core.reliability.novelty import Novelty, fit_novelty, remoteness
from ctc_core.types import Progress, silent


@dataclass(frozen=True)
class LabelledCells:
    """Labelled cells on a map, row by row."""

    cells: Cells
    labels: NDArray[np.int64]
    """(n,) 1 = CTC, 0 = anything else."""
    patients: NDArray[np.str_]
    """(n,) pseudonyms."""
    placed: Placed
    """`latent.locate` finds it."""


@dataclass(frozen=True)
class Judgement:
    """What labelled cells say of a classifier on a map at a threshold."""

    classifier_id: str
    map_id: str
    threshold: float
    reliability: Reliability
    """Clusters ranked by training patients, reported by test patients."""
    rates: Rates
    """Error rates by cluster from all labelled cells, each called by a classifier that did not see its patient."""
    novelty: Novelty
    """All labelled cells."""

    def of_draw(self, placed: Placed, probabilities: NDArray[np.float32], *, seed: int = 0) -> DrawReliability:
        """What to think of one draw: its cells on the map and their P(CTC) by the judged classifier, row by row."""
        return draw_reliability(
            remoteness(self.novelty, placed.features),
            probabilities,
            placed.clusters,
            threshold=self.threshold,
            areas=self.reliability.areas,
            rates=self.rates,
            novelty=self.novelty,
            seed=seed,
        )


def judge(
    classifier: Classifier,
    latent_map: LatentMap,
    train: LabelledCells,
    test: LabelledCells,
    *,
    threshold: float = 0.5,
    rules: AreaRules = DEFAULT_RULES,
    progress: Progress = silent,
) -> Judgement:
    """Judge a classifier that was fitted on `train`.

    Cells of training patients are called by classifiers fitted again without their patient, cells of test patients by
    the classifier itself.

    Raises:
        NotEnoughLabels: fewer than two training patients, or too few labels of a class.
        StoreError: a patient is in both.
    """
    ids = (BACKGROUND, *latent_map.cluster_ids)
    held_out = cross_validate(
        train.cells.vectors,
        train.labels,
        train.cells.cell_ids,
        train.patients,
        encoder_id=classifier.encoder_id,
        progress=progress,
    )
    validation = _evidence(train, held_out >= threshold)
    report = _evidence(test, classifier.probabilities(test.cells.vectors) >= threshold)
    features = np.concatenate([train.placed.features, test.placed.features])
    return Judgement(
        classifier.id,
        latent_map.id,
        threshold,
        assess(validation, report, clusters=ids, rules=rules),
        rates(pooled(validation, report), ids),
        fit_novelty(features, np.concatenate([train.patients, test.patients])),
    )


def _evidence(labelled: LabelledCells, called: NDArray[np.bool_]) -> Evidence:
    return Evidence(labelled.cells.cell_ids, labelled.patients, labelled.placed.clusters, labelled.labels, called)
