"""Finish a round: the owner prepares a job, the worker fits and compares, the owner keeps the model.

The new classifier is not put in use: a person decides that (`activate`). The noise filter is, for its rejects are only
set aside and can be given back.
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

from ctc_core import classify
from ctc_core.classify import Classifier
from ctc_core.errors import NotEnoughLabels
from ctc_core.jobs import Job, Jobs, JobState, JobStatus, Kind
from ctc_core.rounds import inputs as round_inputs
from ctc_core.rounds.figures import flips, of_model
from ctc_core.rounds.inputs import TEST, TRAIN, Group, Inputs
from ctc_core.rounds.noise import fit_filter, use_filter
from ctc_core.store import Store
from ctc_core.types import Progress, silent

# ---- asking for it ---------------------------------------------------------------------------------------------------


def request_finish(jobs: Jobs, round_id: str, reader: str) -> str:
    """Ask for a round to be finished; returns the job's id."""
    return jobs.request(Kind.REFIT, reader, path=round_id)


def finishing(jobs: Jobs, round_id: str) -> JobStatus | None:
    """The newest job that finishes this round."""
    return next((status for status in jobs.status(Kind.REFIT) if status.job.path == round_id), None)


def prepare(store: Store, jobs: Jobs, job_id: str) -> bool:
    """Write what a requested job needs of the store; whether it can be computed. If not, its state says why."""
    round_id = jobs.job(job_id).path
    return jobs.prepare(job_id, "Collecting labels", lambda folder: round_inputs.write_inputs(store, folder, round_id))


def finish_here(store: Store, jobs: Jobs, round_id: str, reader: str, progress: Progress = silent) -> JobState:
    """Do all of it in this process, which owns the store; how it ended."""
    job_id = request_finish(jobs, round_id, reader)
    if prepare(store, jobs, job_id):
        run(jobs, job_id, progress)
    if jobs.state(job_id).state == "finished":
        receive(store, jobs, job_id)
    return jobs.state(job_id)


# ---- the worker's half -----------------------------------------------------------------------------------------------


def run(jobs: Jobs, job_id: str, progress: Progress = silent) -> None:
    """Fit, measure and save; how it ended stands in the job's state. Needs no store."""

    def work(job: Job, folder: Path, report: Progress) -> dict[str, Any]:
        def both(done: int, total: int, note: str) -> None:
            report(done, total, note)
            progress(done, total, note)

        return _work(round_inputs.read_inputs(folder / "inputs"), folder, jobs.folder.parent, both)

    jobs.run(job_id, work)


def _work(inputs: Inputs, folder: Path, data_dir: Path, progress: Progress) -> dict[str, Any]:
    started, given = time.monotonic(), inputs.given
    train, test = inputs.group(TRAIN), inputs.group(TEST)
    progress(0, 3, f"Fitting the classifier on {len(train.labels)} labels")
    after, why = _fit(train, given["encoder_id"])
    progress(1, 3, "Measuring on test patients")
    before = classify.load(data_dir / given["before"]) if given["before"] else None
    if after is not None:
        classify.save(after, folder / "model")
    progress(2, 3, "Fitting the noise filter")
    noise = fit_filter(train, given["encoder_id"], folder / "noise")
    outcome = {
        **compare(before, after, test, float(given["threshold"])),
        **{name: given[name] for name in ("labels", "threshold", "until", "notes")},
        "why": why,
        "weights_sha256": after.weights_sha256 if after else None,
        "noise": noise,
        "seconds": round(time.monotonic() - started, 1),
    }
    return {"round_id": given["round_id"], "encoder_id": given["encoder_id"], "outcome": outcome}


def _fit(train: Group, encoder_id: str) -> tuple[Classifier | None, str | None]:
    """The classifier, or why there is none."""
    try:
        return classify.fit(train.vectors, train.labels, train.cell_ids, encoder_id=encoder_id), None
    except NotEnoughLabels as error:
        return None, str(error)


def compare(before: Classifier | None, after: Classifier | None, test: Group, threshold: float) -> dict[str, Any]:
    """before and after (`of_model`, None: no such classifier) on labelled cells of test patients, and flips."""
    models = {"before": before, "after": after}
    found = {name: model.probabilities(test.vectors) for name, model in models.items() if model}
    compared = {
        name: of_model(model, found[name], test.labels, test.clusters, threshold) if model else None
        for name, model in models.items()
    }
    changed = flips(test.cell_ids, test.labels, found["before"], found["after"], threshold) if len(found) == 2 else []
    return {**compared, "flips": changed}


# ---- the owner's half: what was made ---------------------------------------------------------------------------------


def receive(store: Store, jobs: Jobs, job_id: str) -> None:
    """Keep the new classifier and close the round. Calling this again does what is left."""
    jobs.receive(job_id, lambda: _import(store, jobs, job_id))


def _import(store: Store, jobs: Jobs, job_id: str) -> None:
    result, folder = jobs.state(job_id).result, jobs.folder / job_id
    round_id, encoder_id, outcome = result["round_id"], result["encoder_id"], result["outcome"]
    reader = store.round(round_id).reader
    if store.round(round_id).state == "open":
        model_id = outcome["after"]["model_id"] if outcome["after"] else None
        if model_id:
            kept = keep_model(folder / "model", store.folder / "models" / model_id)
            about = {"encoder_id": encoder_id, "round_id": round_id, "weights_sha256": outcome["weights_sha256"]}
            parameters = about | _measured(outcome["after"])
            store.add_model(model_id, "classifier", kept, parameters, reader=reader, session=job_id)
        store.finish_round(round_id, model_after=model_id, outcome=outcome, reader=reader, session=job_id)
    if outcome["noise"]:
        kept = keep_model(folder / "noise", store.folder / "models" / outcome["noise"]["model_id"])
        use_filter(store, kept, outcome["noise"], encoder_id, reader=reader, session=job_id)


def keep_model(made: Path, target: Path) -> Path:
    """Move a model's folder to its place; one that is there has the same id and stays."""
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(made, target)
    return target


def _measured(after: dict[str, Any]) -> dict[str, Any]:
    """As `fitting.fit` notes it with a model."""
    trained, total = after["trained"], after["total"]
    names = ("n", "n_ctc", "precision", "recall", "f1", "balanced_accuracy")
    test = {name: total[name] for name in names} if total else None
    return {"n_ctc": trained["ctc"], "n_other": trained["other"], "test": test}
