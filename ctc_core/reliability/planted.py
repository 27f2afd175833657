"""Which unknown kinds of cells are noticed: a kind is kept away from all labelled cells and then met in new patients.

Distances to labelled cells alone; no map is needed. A kind that the encoder puts between the labelled kinds lies no
further out than ordinary cells do, and is not noticed: `median_remoteness` says how far out it lies.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ctc_core import classify
from ctc_core.latent import Reduction
from ctc_core.reliability.agreement import share
from ctc_core.reliability.calibration import Group, Plan, Source, collect, ordinary
from ctc_core.reliability.novelty import LIMIT, Novelty, alarm, fit_novelty, remoteness
from ctc_core.types import Progress, silent


def notice(source: Source, plan: Plan, *, encoder_id: str, progress: Progress = silent) -> dict[str, Any]:
    """What becomes of planted cells in the draws of `calibrate` with the same plan, from the same labelled patients.

    Returns:
        JSON values: patients (with enough planted cells), mostly_flagged (share of these in whom at least half of the
        planted cells are called unlike anything labelled), cells_flagged (share of single cells, planted and ordinary),
        alarm (share of patients flagged as a whole, with the planted kind and without), median_remoteness (of planted
        cells: share of labelled cells that lie no further out; None without planted cells).
    """
    labelled = [ordinary(collect(source, numbers, labelled=True, progress=progress)) for numbers in plan.numbers()[:2]]
    draws = collect(source, plan.numbers()[3], labelled=False, progress=progress)
    novelty, reduction = _known(labelled, encoder_id)
    remote = remoteness(novelty, reduction.transform(draws.cells.vectors))
    return _report(draws, remote, novelty, plan.min_planted)


def _known(labelled: list[Group], encoder_id: str) -> tuple[Novelty, Reduction]:
    train = labelled[0]
    classifier = classify.fit(train.cells.vectors, train.labels, train.cells.cell_ids, encoder_id=encoder_id)
    reduction = Reduction.of(classifier)
    vectors = np.concatenate([group.cells.vectors for group in labelled])
    patients = np.concatenate([group.patients for group in labelled])
    return fit_novelty(reduction.transform(vectors), patients), reduction


def _report(draws: Group, remote: NDArray[np.float64], novelty: Novelty, least: int) -> dict[str, Any]:
    planted, flags = draws.planted, remote > LIMIT
    patients = [draws.patients == name for name in dict.fromkeys(draws.patients.tolist())]
    with_planted = [own for own in patients if (own & planted).sum() >= least]
    return {
        "patients": len(with_planted),
        "mostly_flagged": share([bool(flags[own & planted].mean() >= 0.5) for own in with_planted]),
        "cells_flagged": {"planted": share(flags[planted]), "ordinary": share(flags[~planted])},
        "alarm": {
            "planted": share([alarm(novelty, remote[own]) for own in with_planted]),
            "ordinary": share([alarm(novelty, remote[own & ~planted]) for own in patients]),
        },
        "median_remoteness": round(float(np.median(remote[planted])), 3) if planted.any() else None,
    }
