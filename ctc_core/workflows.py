"""The verbs that pages and commands call: ingest, receive, decide."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from ctc_core import classify
from ctc_core.cluster import Cluster
from ctc_core.enumeration import Summary, summarise
from ctc_core.errors import CTCError, UserError
from ctc_core.fitting import score
from ctc_core.jobs import Job, Jobs, JobState
from ctc_core.networks import Networks
from ctc_core.rounds.noise import reject_new
from ctc_core.store import NAME, Store, find_bundle
from ctc_core.types import Decision, Progress, Role, silent

# ---- inbox -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class InboxItem:
    """Something in the inbox that may be an archive."""

    path: Path
    name: str
    kind: str
    """`folder` or `zip`."""
    known: bool
    """A cartridge of this name is in the store."""


def inbox(folder: Path, store: Store) -> list[InboxItem]:
    """Folders and zip files of the inbox, what is not in the store first. The folder is made when it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    known = set(store.cartridges().cartridge_id)
    found = [path for path in sorted(folder.iterdir()) if not path.name.startswith(".") and not path.is_symlink()]
    folders = [InboxItem(path, path.name, "folder", path.name in known) for path in found if path.is_dir()]
    zips = [InboxItem(p, p.name, "zip", p.stem in known) for p in found if p.is_file() and p.suffix.lower() == ".zip"]
    return sorted(folders + zips, key=lambda item: (item.known, item.name))


# ---- ingest: the worker's half and the store owner's half ------------------------------------------------------------


def check_submission(store: Store, path: Path, pseudonym: str, role: Role) -> None:
    """Refuse before hours of computing what the store would refuse after them.

    Raises:
        UserError: the patient has another role, the pseudonym is none, or a cartridge of this name is in the store.
    """
    patients = store.patients().set_index("pseudonym").role
    if pseudonym in patients.index and patients[pseudonym] != role:
        message = (
            f"{pseudonym}: this patient has the role '{patients[pseudonym]}', and a patient has only one. "
            "Choose that role, or another pseudonym."
        )
        raise UserError(message)
    if not NAME.fullmatch(pseudonym):
        message = (
            f"{pseudonym!r}: not a pseudonym. Use up to 64 letters, digits, dots, dashes and underscores; no name."
        )
        raise UserError(message)
    name = path.stem if path.suffix.lower() == ".zip" else path.name
    if name in set(store.cartridges().cartridge_id):
        message = f"{name}: this cartridge is in the store already. Nothing needs to be done."
        raise UserError(message)


def run_ingest(
    jobs: Jobs, job_id: str, networks: Networks, progress: Progress = silent, *, cluster: Cluster | None = None
) -> None:
    """Compute one job to its bundle, by itself or by a cluster; how it ended stands in its state. Needs no store."""

    def work(job: Job, folder: Path, report: Progress) -> dict[str, Any]:
        def both(done: int, total: int, note: str) -> None:
            report(done, total, note)
            progress(done, total, note)

        return _ingest(job, folder, networks, cluster, both)

    jobs.run(job_id, work)


def _ingest(job: Job, folder: Path, networks: Networks, cluster: Cluster | None, progress: Progress) -> dict[str, Any]:
    from ctc_core.cartridge.guarded import guarded
    from ctc_core.frames import Here
    from ctc_core.pipeline import ingest_by

    assert job.role is not None  # an archive is ingested for a patient
    unpacked = folder / "unpacked"
    try:
        progress(0, 0, "Reading the archive's structure")
        with guarded(Path(job.path), unpacked) as cartridge:
            note = "Calling the cluster" if cluster else "Loading the networks"
            progress(0, len(cartridge.frame_numbers), note)
            computes = cluster or Here.of(networks)
            identity = {"pseudonym": job.pseudonym, "role": job.role}
            return ingest_by(computes, cartridge, folder, **identity, progress=progress)
    finally:
        shutil.rmtree(unpacked, ignore_errors=True)


def receive(store: Store, jobs: Jobs, job_id: str) -> None:
    """Import the bundle of a finished job in one transaction, then score its cells and let the noise filter see them.

    A bundle that the store refuses is written to the job as `refused`. Scores can be made again at any time, so trouble
    with them is a message of an imported job. Calling this again after a crash in the middle does what is left.
    """
    last = jobs.state(job_id)
    try:
        cartridge_id = _import(store, jobs, job_id)
    except CTCError as error:
        jobs.set_state(job_id, JobState("refused", message=str(error)))
        return
    jobs.set_state(job_id, replace(last, state="imported"))
    try:
        _score_if_possible(store, cartridge_id)
        reject_new(store, cartridge_id)
    except CTCError as error:
        jobs.set_state(job_id, replace(last, state="imported", message=f"Not scored. {error}"))


def _import(store: Store, jobs: Jobs, job_id: str) -> str:
    job, bundle = jobs.job(job_id), jobs.folder / job_id / "bundle"
    cartridge_id = str(jobs.state(job_id).result.get("cartridge_id"))
    if not bundle.exists() and cartridge_id in set(store.cartridges().cartridge_id):
        return cartridge_id
    if not bundle.exists():  # the desk died between moving it and writing that down
        bundle = find_bundle(store.folder / "bundles", cartridge_id) or bundle
    assert job.role is not None  # an archive is ingested for a patient
    store.add_patient(job.pseudonym, job.role, reader=job.reader, session=job_id)
    return store.add_bundle(bundle, reader=job.reader, session=job_id)


def _score_if_possible(store: Store, cartridge_id: str) -> None:
    """Score a new cartridge when there is a classifier for its encoder; without one it waits for the next fit."""
    active = store.active_model("classifier")
    if active is None:
        return
    classifier = classify.load(active.folder)
    if classifier.encoder_id in set(store.cartridges().set_index("cartridge_id").encoder_id[[cartridge_id]]):
        score(store, [cartridge_id])


# ---- review ----------------------------------------------------------------------------------------------------------


def candidate_crops(store: Store, cartridge_id: str, table: pd.DataFrame) -> list[bytes]:
    """Crop of each row of `table`: 3 * 48 * 48 bytes, DAPI, CK, CD45; of the event where there is no cell."""
    cells, events = store.crops(cartridge_id), store.event_crops(cartridge_id)
    return [
        (cells if cell_id is not None else events)[int(index)].tobytes()
        for cell_id, index in zip(table.cell_id, table.crop_index, strict=True)
    ]


def summary(store: Store, cartridge_id: str, table: pd.DataFrame) -> Summary:
    """Counts and predictive values of one cartridge as far as it has been read."""
    return summarise(table, store.events(cartridge_id))


def decide(store: Store, decisions: list[Decision]) -> tuple[str, ...]:
    """Save decisions; returns the ids of those that were read back from the store. Others have to be sent again."""
    return store.decide(decisions) if decisions else ()
