"""How much faster a simulation runs than with a calibrated SVM in every fold, one after the other."""

from __future__ import annotations

import os
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ctc_core.features import FeaturesFolder, write_features
from ctc_core.relabel import svm
from ctc_core.relabel.experiments import loop as loops
from ctc_core.relabel.experiments.draws import run_seeds
from ctc_core.relabel.experiments.folders import made_folder
from ctc_core.relabel.experiments.simulated import CLUSTER_SPECIFIC, Sim1
from ctc_core.relabel.experiments.work import Job, run_job, run_jobs

PLAN = Sim1()
"""As published."""


def measure(
    folder: FeaturesFolder | None = None, *, plan: Sim1 = PLAN, seeds: str = "published", workers: int = 0
) -> dict[str, Any]:
    """Wall seconds of sim1 (cluster-specific) as published and as here: all runs, with the start of the processes.

    folder: None: made-up points, as many as published cells. workers: 0: one for each core.

    Returns:
        {serial_probability_s, ours_s, ratio, same (every record), runs, loops, workers}.
    """
    cells = folder or made_folder()
    jobs = [Job(CLUSTER_SPECIFIC, seed, plan) for seed in run_seeds(seeds)]
    count = workers or len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as name:
        write_features(Path(name), cells)
        ours, seconds = _timed(lambda: [done.records for done in run_jobs(Path(name), jobs, workers=count)])
    plain, serial = _timed(lambda: _as_published(cells, jobs))
    return {
        "serial_probability_s": round(serial, 2),
        "ours_s": round(seconds, 2),
        "ratio": round(serial / seconds, 2),
        "same": ours == plain,
        "runs": len(jobs),
        "loops": plan.loops,
        "workers": count,
    }


Records = list[list[loops.Record]]


def _timed(run: Callable[[], Records]) -> tuple[Records, float]:
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
