"""Maps from the store and back: the owner prepares a job, the worker fits or places, the owner imports the result.

A map and the cells placed on it are bundles; the run that made a map says in the store what it was made from.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ctc_core import map_inputs
from ctc_core.errors import NotEnoughLabels, UserError
from ctc_core.jobs import ACTIVE, Job, Jobs, JobState, Kind
from ctc_core.latent import PUBLISHED, LatentMap, MapParameters, fit_map, load, place, save
from ctc_core.map_inputs import OTHER, TEST, TRAIN, UNLABELLED, Inputs
from ctc_core.reliability import cross_validate
from ctc_core.store import ModelRecord, Store, read_bundle, write_bundle
from ctc_core.types import Progress, silent

KINDS = (Kind.MAP, Kind.PLACE)

# ---- the owner's half: what is to be done ----------------------------------------------------------------------------


def active_map(store: Store) -> ModelRecord:
    """The map in use.

    Raises:
        UserError: there is none yet.
    """
    active = store.active_model("map")
    if active is None:
        message = "There is no map yet. Build one: python -m ctc_core map, or on the Reliability page."
        raise UserError(message)
    return active


def prepare(store: Store, jobs: Jobs, job_id: str, parameters: MapParameters = PUBLISHED) -> bool:
    """Write what a requested job needs of the store; whether it can be computed. If not, its state says why."""
    kind = jobs.job(job_id).kind

    def write(folder: Path) -> None:
        if kind is Kind.MAP:
            map_inputs.write_for_map(store, folder, parameters)
        else:
            map_inputs.write_for_placing(store, folder, active_map(store))

    return jobs.prepare(job_id, "Collecting cells and labels", write)


def lacks_points(store: Store) -> int:
    """Number of cells that came after the map in use and are not on it."""
    active = store.active_model("map")
    return 0 if active is None else len(store.unplaced(active.model_id, str(active.parameters["encoder_id"])))


def cell_clusters(store: Store, cartridge_id: str) -> dict[str, int]:
    """Cluster of each cell of a cartridge that is on the map in use, -1 background; empty without a map."""
    active = store.active_model("map")
    if active is None:
        return {}
    points = store.points(active.model_id, cartridge_id)
    return dict(zip(points.cell_id, points.cluster.tolist(), strict=True))


def is_active(jobs: Jobs) -> bool:
    """Whether a map is being made, or cells are being placed."""
    return any(status.state.state in ACTIVE for status in jobs.status(*KINDS))


def here(
    store: Store,
    jobs: Jobs,
    kind: Kind,
    reader: str,
    *,
    progress: Progress = silent,
    parameters: MapParameters = PUBLISHED,
) -> JobState:
    """Do all of a job in this process, which owns the store; how it ended."""
    job_id = jobs.request(kind, reader)
    if prepare(store, jobs, job_id, parameters):
        run(jobs, job_id, progress)
    if jobs.state(job_id).state == "finished":
        receive(store, jobs, job_id)
    return jobs.state(job_id)


def place_new(store: Store, jobs: Jobs, reader: str, progress: Progress = silent) -> None:
    """Place cells that came after the map, in this process; how it ended stands with the job."""
    if lacks_points(store):
        here(store, jobs, Kind.PLACE, reader, progress=progress)


# ---- the worker's half -----------------------------------------------------------------------------------------------


def run(jobs: Jobs, job_id: str, progress: Progress = silent) -> None:
    """Compute one job to its bundles; how it ended stands in its state. Needs no store; loads umap-learn."""

    def work(job: Job, folder: Path, report: Progress) -> dict[str, Any]:
        def both(done: int, total: int, note: str) -> None:
            report(done, total, note)
            progress(done, total, note)

        started = time.monotonic()
        inputs = map_inputs.read_inputs(folder / "inputs")
        both(0, 100, "Loading the map's software")
        compute = _fit if job.kind is Kind.MAP else _place
        result = compute(inputs, folder, jobs.folder.parent, both)
        return {**result, "seconds": round(time.monotonic() - started, 1)}

    jobs.run(job_id, work)


def _fit(inputs: Inputs, folder: Path, _data_dir: Path, progress: Progress) -> dict[str, Any]:
    assert inputs.reduction is not None
    encoder_id = inputs.parameters["encoder_id"]
    (train, labelled), (test, tested), (unlabelled, _) = (inputs.group(name) for name in (TRAIN, TEST, UNLABELLED))
    latent_map = fit_map(
        train,
        test,
        unlabelled,
        inputs.reduction,
        encoder_id=encoder_id,
        parameters=MapParameters(**inputs.parameters["map"]),
        progress=_stage(progress, 5, 40),
    )
    probabilities, notes = _held_out(train.vectors, labelled, encoder_id, _stage(progress, 40, 60))
    evidence = pd.concat([labelled.assign(probability=probabilities), tested.assign(probability=np.nan)])
    own = pd.concat([_points(latent_map.train_ids, latent_map.train), _points(latent_map.cell_ids, latent_map.cells)])
    others = _place_group(latent_map, inputs, _stage(progress, 60, 100))
    saved = save(latent_map, folder / "map")
    counts = {name: int((inputs.cells.group == name).sum()) for name in (TRAIN, TEST, UNLABELLED, OTHER)}
    made = {
        "map_id": latent_map.id,
        "encoder_id": encoder_id,
        "classifier_id": inputs.parameters["classifier_id"],
        "clusters": len(latent_map.cluster_ids),
        "cells": counts,
        "notes": [*latent_map.notes, *notes],
    }
    points = _write_points(folder, latent_map.id, pd.concat([own, others]), evidence)
    bundles = {"map": read_bundle(saved).manifest.bundle_id, "points": points}
    return {**made, "labels": inputs.parameters["labels"], "bundles": bundles}


def _place(inputs: Inputs, folder: Path, data_dir: Path, progress: Progress) -> dict[str, Any]:
    latent_map = load(data_dir / inputs.parameters["map_folder"])
    points = _place_group(latent_map, inputs, _stage(progress, 5, 100))
    bundle_id = _write_points(folder, latent_map.id, points, None)
    return {"map_id": latent_map.id, "cells": {OTHER: len(points)}, "bundles": {"points": bundle_id}}


def _place_group(latent_map: LatentMap, inputs: Inputs, progress: Progress) -> pd.DataFrame:
    cells, _ = inputs.group(OTHER)
    return _points(
        cells.cell_ids, place(latent_map, cells.vectors, encoder_id=inputs.parameters["encoder_id"], progress=progress)
    )


def _held_out(
    vectors: NDArray[np.float32], rows: pd.DataFrame, encoder_id: str, progress: Progress
) -> tuple[NDArray[np.float32], list[str]]:
    """P(CTC) of training cells by classifiers that did not see their patient; NaN, and why, where that cannot be."""
    labels, patients = rows.label.to_numpy(np.int64), rows.patient.to_numpy(np.str_)
    try:
        found = cross_validate(vectors, labels, tuple(rows.cell_id), patients, encoder_id=encoder_id, progress=progress)
    except NotEnoughLabels as error:
        return np.full(len(rows), np.nan, np.float32), [f"Strong and weak areas cannot be told apart. {error}"]
    return found, []


def _points(cell_ids: tuple[str, ...], placed: Any) -> pd.DataFrame:
    columns = {"x": placed.xy[:, 0], "y": placed.xy[:, 1], "cluster": placed.clusters.astype(np.int32)}
    return pd.DataFrame({"cell_id": pd.Series(cell_ids, dtype=str), **columns})


def _write_points(folder: Path, map_id: str, points: pd.DataFrame, evidence: pd.DataFrame | None) -> str:
    tables = {"points": points} if evidence is None else {"points": points, "evidence": evidence}
    written = write_bundle(
        folder / "bundle", kind="points", parameters={}, inputs={"map_id": map_id}, tables=tables, arrays={}
    )
    return read_bundle(written).manifest.bundle_id


def _stage(progress: Progress, first: int, last: int) -> Progress:
    """One of several steps as its share of 100."""

    def report(done: int, total: int, note: str) -> None:
        progress(first + (last - first) * done // max(total, 1), 100, note)

    return report


# ---- the owner's half: what was made ---------------------------------------------------------------------------------


def receive(store: Store, jobs: Jobs, job_id: str) -> None:
    """Import what a finished job made; a new map is in use from then on. Calling this again does what is left."""
    jobs.receive(job_id, lambda: _import(store, jobs, job_id))


def _import(store: Store, jobs: Jobs, job_id: str) -> None:
    job, result, folder = jobs.job(job_id), jobs.state(job_id).result, jobs.folder / job_id
    bundles = result["bundles"]

    def made(name: str, kind: str) -> Path:
        """Where a bundle lies: with the job, or already with the store."""
        return folder / name if (folder / name).exists() else store.folder / "bundles" / bundles[kind]

    if job.kind is Kind.PLACE:
        store.add_points(made("bundle", "points"))
        return
    about = {key: result[key] for key in ("encoder_id", "clusters", "notes")}
    map_id = result["map_id"]
    store.add_map(made("map", "map"), map_id, about, reader=job.reader, session=job_id)
    store.add_points(made("bundle", "points"))
    inputs = {key: result[key] for key in ("encoder_id", "classifier_id", "labels", "cells")}
    store.record_run("map", {"points": bundles["points"]}, inputs, map_id, reader=job.reader, session=job_id)
    reason = f"built from {result['cells'][TRAIN]} labelled cells of training patients"
    store.activate_model(map_id, reader=job.reader, session=job_id, reason=reason)
