"""What the store's owner gives to the worker that fits the classifier again at the end of a round."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ctc_core.errors import UserError
from ctc_core.rounds.situation import clusters_of, lookup
from ctc_core.store import ModelRecord, Round, Store, TrainingPool, read_bundle, write_bundle
from ctc_core.types import Label

TRAIN, TEST = "train", "test"


@dataclass(frozen=True, eq=False)
class Group:
    """Labelled cells, row by row."""

    cell_ids: tuple[str, ...]
    vectors: NDArray[np.float32]
    labels: NDArray[np.int64]
    """1 = CTC, 0 = anything else"""
    artifact: NDArray[np.bool_]
    """Readers agree that it is an artifact."""
    clusters: NDArray[np.int64]


@dataclass(frozen=True)
class Inputs:
    """Labelled cells of training and test patients, and what is to be compared."""

    given: Mapping[str, Any]
    """round_id, encoder_id, until (number of the last journal entry), threshold, before (folder of the classifier in
    use when the round began, in the data folder; None: there was none), labels (of the round), notes."""
    cells: pd.DataFrame
    vectors: NDArray[np.float32]

    def group(self, name: str) -> Group:
        """`TRAIN` or `TEST`."""
        rows = self.cells[self.cells.group == name]
        return Group(
            tuple(rows.cell_id),
            np.asarray(self.vectors[rows.index.to_numpy()]),
            rows.label.to_numpy(np.int64),
            rows.artifact.to_numpy(bool),
            rows.cluster.to_numpy(np.int64),
        )


def open_round(store: Store, round_id: str) -> Round:
    """A round that is still open.

    Raises:
        UserError: it is finished or abandoned.
    """
    found = store.round(round_id)
    if found.state != "open":
        message = f"Round {found.number} by {found.reader} is {found.state} already. Start another one."
        raise UserError(message)
    return found


def write_inputs(store: Store, folder: Path, round_id: str) -> None:
    """Write the labels as they are now, with their vectors.

    Raises:
        UserError: the round is not open.
    """
    with store.frozen():
        this = open_round(store, round_id)
        models = {model.model_id: model for model in store.models()}
        pools = {TRAIN: store.training_pool(this.encoder_id), TEST: store.evaluation_pool(this.encoder_id)}
        clusters, labels = clusters_of(store, models.get(this.map_id or "")), store.consensus()
        given = _given(store, this, models.get(this.model_before or ""))
    artifacts = set(labels.cell_id[labels.label == Label.ARTIFACT])
    tables = [_table(name, pool, clusters, artifacts) for name, pool in pools.items()]
    vectors = np.concatenate([pool.vectors for pool in pools.values()])
    cells = pd.concat(tables, ignore_index=True)
    write_bundle(
        folder, kind="round-inputs", parameters=given, inputs={}, tables={"cells": cells}, arrays={"vectors": vectors}
    )


def _given(store: Store, this: Round, before: ModelRecord | None) -> dict[str, Any]:
    counted = store.queue(this.round_id).label.value_counts()
    return {
        "round_id": this.round_id,
        "encoder_id": this.encoder_id,
        "until": store.journal.head[0],
        "threshold": float(this.parameters.get("threshold", 0.5)),
        "before": _place(store, before) if before else None,
        "labels": {label.value: int(counted.get(label.value, 0)) for label in Label},
        "notes": [] if this.map_id else ["There was no map: all cells count as one cluster."],
    }


def _place(store: Store, model: ModelRecord) -> str:
    """Folder of a model, relative where it lies in the data folder."""
    folder, home = model.folder.resolve(), store.folder.resolve()
    return str(folder.relative_to(home) if folder.is_relative_to(home) else folder)


def _table(name: str, pool: TrainingPool, clusters: dict[str, int] | None, artifacts: set[str]) -> pd.DataFrame:
    ids = pd.Series(pool.cell_ids, dtype=str)
    known = {"label": pool.labels, "cluster": lookup(clusters, pool.cell_ids)}
    return pd.DataFrame({"cell_id": ids, "group": name, "artifact": ids.isin(artifacts).astype(bool), **known})


def read_inputs(folder: Path) -> Inputs:
    """Read what `write_inputs` wrote, after its hashes were verified.

    Raises:
        StoreError: incomplete or changed.
    """
    bundle = read_bundle(folder)
    return Inputs(bundle.manifest.parameters, bundle.table("cells").to_pandas(), bundle.array("vectors"))
