"""What the store's owner gives to the worker that fits a map or places cells: vectors, and who may be used for what."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ctc_core import classify
from ctc_core.errors import ModelError
from ctc_core.latent import PUBLISHED, Cells, MapParameters, Reduction
from ctc_core.store import ModelRecord, Store, read_bundle, write_bundle
from ctc_core.types import EMBEDDING_DIM, Role

TRAIN, TEST, UNLABELLED, OTHER = "train", "test", "unlabelled", "other"
"""Labelled cells of training patients, of test patients; other cells of training patients; all others."""


@dataclass(frozen=True)
class Inputs:
    """Cells row by row, and what they are to be placed on."""

    parameters: dict[str, Any]
    """encoder_id; for a new map classifier_id, labels (state by role) and map (parameters); else map_id, map_folder."""
    cells: pd.DataFrame
    """cell_id, patient, group, label (1 CTC, 0 anything else, -1 none)"""
    vectors: NDArray[np.float32]
    """(n, 128), memory-mapped"""
    reduction: Reduction | None
    """The classifier's principal components, for a new map."""

    def group(self, name: str) -> tuple[Cells, pd.DataFrame]:
        """Cells of one group with their rows."""
        rows = self.cells[self.cells.group == name]
        return Cells(tuple(rows.cell_id), np.asarray(self.vectors[rows.index.to_numpy()])), rows


def write_for_map(store: Store, folder: Path, parameters: MapParameters = PUBLISHED) -> None:
    """Write what a map of the active classifier's encoder needs.

    Raises:
        ModelError: there is no active classifier.
    """
    with store.frozen():
        active = active_classifier(store)
        encoder_id = str(active.parameters["encoder_id"])
        labels = {role: asdict(state) for role, state in store.label_state(encoder_id).items()}
        given = {"encoder_id": encoder_id, "classifier_id": active.model_id, "labels": labels}
        cells, vectors = _gather(_groups(store, encoder_id), folder)
    reduction = Reduction.of(classify.load(active.folder))
    arrays: _Arrays = {"vectors": vectors, "mean": reduction.mean, "components": reduction.components}
    _write(folder, {**given, "map": asdict(parameters)}, cells, arrays)


def write_for_placing(store: Store, folder: Path, latent_map: ModelRecord) -> None:
    """Write the cells that a map lacks."""
    encoder_id = str(latent_map.parameters["encoder_id"])
    with store.frozen():
        missing = store.unplaced(latent_map.model_id, encoder_id)
        cells, vectors = _gather(_missing(store, encoder_id, missing), folder)
    where = latent_map.folder.resolve().relative_to(store.folder.resolve())
    given = {"encoder_id": encoder_id, "map_id": latent_map.model_id, "map_folder": where.as_posix()}
    _write(folder, given, cells, {"vectors": vectors})


def _write(folder: Path, given: dict[str, Any], cells: pd.DataFrame, arrays: _Arrays) -> None:
    write_bundle(folder, kind="map-inputs", parameters=given, inputs={}, tables={"cells": cells}, arrays=arrays)


def read_inputs(folder: Path) -> Inputs:
    """Read what one of the above wrote, after its hashes were verified.

    Raises:
        StoreError: incomplete or changed.
    """
    bundle = read_bundle(folder)
    given = bundle.manifest.parameters
    reduction = None
    if "map" in given:
        reduction = Reduction(np.array(bundle.array("mean")), np.array(bundle.array("components")))
    return Inputs(given, bundle.table("cells").to_pandas(), bundle.array("vectors"), reduction)


def active_classifier(store: Store) -> ModelRecord:
    """The classifier in use.

    Raises:
        ModelError: there is none.
    """
    active = store.active_model("classifier")
    if active is None:
        message = "No classifier is active. Label cells of training patients, then run: python -m ctc_core fit."
        raise ModelError(message)
    return active


_Arrays = dict[str, NDArray[Any] | Path]
_Rows = tuple[pd.DataFrame, NDArray[np.float32]]


def _groups(store: Store, encoder_id: str) -> Iterator[_Rows]:
    """All cells with a vector, cartridge by cartridge, each in its group."""
    train, test = store.training_pool(encoder_id), store.evaluation_pool(encoder_id)
    labels = {
        group: dict(zip(pool.cell_ids, pool.labels.tolist(), strict=True))
        for group, pool in ((TRAIN, train), (TEST, test))
    }
    for row in store.cartridges().itertuples():
        cell_ids, vectors = store.vectors(str(row.cartridge_id), encoder_id)
        rest = UNLABELLED if row.role == Role.TRAIN else OTHER
        groups = [next((name for name, known in labels.items() if id_ in known), rest) for id_ in cell_ids]
        label = [labels[g][id_] if g in labels else -1 for id_, g in zip(cell_ids, groups, strict=True)]
        yield _table(cell_ids, str(row.pseudonym), groups, label), vectors


def _missing(store: Store, encoder_id: str, missing: pd.DataFrame) -> Iterator[_Rows]:
    for cartridge_id, rows in missing.groupby("cartridge_id"):
        cell_ids, vectors = store.vectors(str(cartridge_id), encoder_id)
        wanted = set(rows.cell_id)
        kept = [i for i, cell_id in enumerate(cell_ids) if cell_id in wanted]
        names = [cell_ids[i] for i in kept]
        yield _table(names, "", [OTHER] * len(kept), [-1] * len(kept)), vectors[kept]


def _table(cell_ids: Any, patient: str, groups: list[str], labels: list[int]) -> pd.DataFrame:
    columns = {"cell_id": pd.Series(list(cell_ids), dtype=str), "group": pd.Series(groups, dtype=str)}
    return pd.DataFrame({**columns, "label": np.array(labels, np.int64)}).assign(patient=patient)


def _gather(parts: Iterator[_Rows], folder: Path) -> tuple[pd.DataFrame, NDArray[np.float32]]:
    """One table, and the vectors on disk: a cohort's need not fit into memory."""
    raw, tables = folder.with_suffix(".raw"), [_table((), "", [], [])]
    with raw.open("wb") as file:
        for table, vectors in parts:
            tables.append(table)
            file.write(np.ascontiguousarray(vectors, np.float32).tobytes())
    cells = pd.concat(tables, ignore_index=True)
    shape = (len(cells), EMBEDDING_DIM)
    vectors = np.memmap(raw, np.float32, mode="r", shape=shape) if len(cells) else np.empty(shape, np.float32)
    raw.unlink()  # stays readable as long as it is mapped
    return cells, vectors
