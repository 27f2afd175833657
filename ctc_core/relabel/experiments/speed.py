"""How much faster a simulation runs than with a calibrated SVM in every fold, one after the other."""

from __future__ import annotations

import os
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from ctc_core.features import FeaturesFolder, write_features
from ctc_core.relabel import svm
from ctc_core.relabel.experiments import loop as loops
from ctc_core.relabel.experiments.draws import run_seeds
from ctc_core.relabel.experiments.folders import made_folder
from ctc_core.relabel.experiments.simulated import CLUSTER_SPECIFIC, Sim1
from ctc_core.relabel.experiments.work import Job, run_job, run_jobs
from ctc_core.relabel.validation import REPEATS, monte_carlo_splits
from ctc_core.types import Progress, silent

PLAN = Sim1()
"""As published."""
TURNS = 3
"""Times that both ways are taken, in turn."""


@dataclass(frozen=True)
class _Turn:
    """Wall seconds of both ways, one after the other."""

    plain: float
    ours: float
    same: bool
    records: int


def measure(
    folder: FeaturesFolder | None = None,
    *,
    plan: Sim1 = PLAN,
    seeds: str = "published",
    workers: int = 0,
    turns: int = TURNS,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Wall seconds of sim1 (cluster-specific) as published and as here: all runs, with the start of the processes.

    folder: None: made-up points, as many as published cells. workers: 0: one for each core.

    Returns:
        Medians over turns {serial_probability_s, ours_s, ratio, ratios (of each turn), same (every record of every
        turn: cells drawn and figures, exactly), records, runs, loops, splits, cells, workers}.
    """
    cells = folder or made_folder()
    jobs = [Job(CLUSTER_SPECIFIC, seed, plan) for seed in run_seeds(seeds)]
    count = workers or len(os.sched_getaffinity(0))
    taken = []
    with tempfile.TemporaryDirectory() as name:
        write_features(Path(name), cells)
        for turn in range(turns):
            progress(turn, turns, "turns of both ways")
            taken.append(_turn(Path(name), cells, jobs, count))
    progress(turns, turns, "turns of both ways")
    return {
        "serial_probability_s": round(median(one.plain for one in taken), 2),
        "ours_s": round(median(one.ours for one in taken), 2),
        "ratio": round(median(one.plain / one.ours for one in taken), 2),
        "ratios": [round(one.plain / one.ours, 2) for one in taken],
        "same": all(one.same for one in taken),
        "records": taken[0].records,
        "runs": len(jobs),
        "loops": plan.loops,
        "splits": REPEATS,
        "cells": {"train": len(cells.train), "test": len(cells.test), "width": cells.train.features.shape[1]},
        "workers": count,
    }


Records = list[list[loops.Record]]


def _turn(name: Path, cells: FeaturesFolder, jobs: list[Job], workers: int) -> _Turn:
    ours, seconds = _timed(lambda: [done.records for done in run_jobs(name, jobs, workers=workers)])
    plain, serial = _timed(lambda: _as_published(cells, jobs))
    return _Turn(serial, seconds, ours == plain, sum(len(records) for records in ours))


def _timed(run: Callable[[], Records]) -> tuple[Records, float]:
    monte_carlo_splits.cache_clear()
    began = time.perf_counter()
    records = run()
    return records, time.perf_counter() - began


def _as_published(folder: FeaturesFolder, jobs: list[Job]) -> Records:
    """The same runs with `probability=True` wherever a classifier is fitted, in this process."""
    fast = svm.fit
    svm.fit = _calibrated
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # scikit-learn 1.9 advises against it
            return [run_job(folder, job).records for job in jobs]
    finally:
        svm.fit = fast


def _calibrated(features: svm.Features, labels: np.ndarray) -> svm.Svm:
    """`svm.fit` as published: five fits more in each for probabilities that no simulation uses."""
    from sklearn.svm import SVC

    if len(set(labels.tolist())) < 2:
        return svm.Svm(None, int(labels[0]) if len(labels) else 0)
    svc = SVC(kernel="rbf", C=1, gamma="scale", class_weight="balanced", break_ties=True, probability=True)
    return svm.Svm(svc.fit(features, labels))
