"""What the store knows when a round begins: which cells may be asked for, and where the classifier is weak."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ctc_core import classify
from ctc_core.classify import Classifier
from ctc_core.count_memory import kept
from ctc_core.errors import UserError
from ctc_core.latent import BACKGROUND
from ctc_core.relabel.evidence import Evidence
from ctc_core.rounds.evidence import Judged, Known, Unread, gather, validated
from ctc_core.store import ModelRecord, Store
from ctc_core.types import Role

ONE_CLUSTER = 0
"""Cluster of every cell where there is no map."""


MOST = 50_000
"""Cells that a round chooses from; of a larger pool a random part is taken, so that the choice stays quick."""


@dataclass(frozen=True, eq=False)
class Situation:
    """The pool and the evidence about it, row by row, and what they were made from."""

    encoder_id: str
    model: ModelRecord | None
    """The classifier in use; None before the first."""
    latent_map: ModelRecord | None
    pool: Unread
    evidence: Evidence
    notes: tuple[str, ...]
    """What is missing, as sentences."""


def situation(store: Store, *, encoder_id: str | None = None) -> Situation:
    """The situation for one encoder's vectors; None: the classifier's, or that of most cells of training patients.

    Kept until the store changes, so that another strategy is tried at once; not to be changed.

    Raises:
        UserError: there is no cell of a training patient.
    """
    asked = encoder_id or _encoder(store)
    return kept(store, "relabel", (store.revision(), asked), lambda: _situation(store, asked))


def _situation(store: Store, encoder_id: str) -> Situation:
    with store.frozen():
        model, latent_map = (_active(store, kind, encoder_id) for kind in ("classifier", "map"))
        clusters = clusters_of(store, latent_map)
        found, labelled = store.relabel_pool(encoder_id, at_most=MOST), store.training_pool(encoder_id)
    pool = Unread(found.cell_ids, found.vectors, lookup(clusters, found.cell_ids))
    train_clusters = lookup(clusters, labelled.cell_ids)
    train = Known(labelled.cell_ids, labelled.vectors, labelled.labels, labelled.patients, train_clusters)
    evidence, notes = gather(pool, train, _load(model), lambda *known: _judged(store, *known))
    missing = _missing(model, latent_map, pool, clusters)
    return Situation(encoder_id, model, latent_map, pool, evidence, missing + notes)


def _judged(store: Store, features: NDArray[np.float32], train: Known) -> Judged:
    """`validated`, kept while the labels of training patients are what they are: it fits a classifier for each fold."""
    digest = hashlib.sha256(json.dumps([train.cell_ids, train.patients.tolist()]).encode())
    for values in (features, train.labels, train.clusters):
        digest.update(np.ascontiguousarray(values).tobytes())
    return kept(store, "judged", digest.digest(), lambda: validated(features, train))


def left_to_ask(store: Store) -> int:
    """Number of cells that a round begun now could ask for.

    Raises:
        UserError: there is no cell of a training patient.
    """
    encoder_id = _encoder(store)
    return kept(store, "askable", (store.revision(), encoder_id), lambda: store.askable(encoder_id))


def _encoder(store: Store) -> str:
    active = store.active_model("classifier")
    if active is not None:
        return str(active.parameters["encoder_id"])
    cartridges = store.cartridges()
    cells = cartridges[cartridges.role == Role.TRAIN].groupby("encoder_id").cells.sum()
    if cells.empty:
        message = "There are no cells of training patients. Read a cartridge of a patient with the role 'train' first."
        raise UserError(message)
    return str(cells.idxmax())


def _active(store: Store, kind: str, encoder_id: str) -> ModelRecord | None:
    """The model in use, if it is of this encoder."""
    active = store.active_model(kind)
    return active if active is not None and active.parameters["encoder_id"] == encoder_id else None


def _load(model: ModelRecord | None) -> Classifier | None:
    return None if model is None else classify.load(model.folder)


def clusters_of(store: Store, latent_map: ModelRecord | None) -> dict[str, int] | None:
    """Cluster of the cells of training patients and of labelled test cells; None without a map."""
    if latent_map is None:
        return None
    cells = store.cells_on_map(latent_map.model_id, None)
    return dict(zip(cells.cell_id, cells.cluster.astype(int).tolist(), strict=True))


def lookup(clusters: dict[str, int] | None, cell_ids: Sequence[str]) -> NDArray[np.int64]:
    """(n,) clusters: background for cells that are not on the map yet, `ONE_CLUSTER` without a map."""
    if clusters is None:
        return np.full(len(cell_ids), ONE_CLUSTER, np.int64)
    return np.array([clusters.get(cell_id, BACKGROUND) for cell_id in cell_ids], np.int64)


def _missing(
    model: ModelRecord | None, latent_map: ModelRecord | None, pool: Unread, clusters: dict[str, int] | None
) -> tuple[str, ...]:
    notes = []
    if model is None:
        notes.append("There is no classifier yet: nothing is known of where it is weak.")
    if latent_map is None:
        notes.append("There is no map yet: all cells count as one cluster. Build the map on the Reliability page.")
    off = sum(cell_id not in clusters for cell_id in pool.cell_ids) if clusters is not None else 0
    if off:
        notes.append(f"{off} of {len(pool.cell_ids)} cells are not on the map yet and count as background.")
    return tuple(notes)
