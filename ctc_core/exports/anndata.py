"""AnnData: cells as observations, the encoder's vectors as X."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from ctc_core import classify
from ctc_core.errors import UserError
from ctc_core.exports.about import about
from ctc_core.exports.cells import CELLS, cell_table
from ctc_core.exports.choice import Choice
from ctc_core.exports.files import refuse_existing, whole_file
from ctc_core.latent import Reduction, load
from ctc_core.store import Store
from ctc_core.types import EMBEDDING_DIM, Progress


def export_h5ad(store: Store, choice: Choice, out: Path, *, force: bool, progress: Progress) -> dict[str, Any]:
    """Write obs (the cell table), X (vectors), obsm X_pca, X_umap, spatial [x, y] in um on the cartridge.

    Without a classifier there is no X_pca, without a map no X_umap; a cell that is not on the map has NaN there.

    Raises:
        UserError: the cartridges' vectors are of different encoders, or some cells have none.
    """
    from ctc_core.exports.h5ad import write_h5ad

    refuse_existing([out], force=force)
    encoder_id = _encoder(store, choice)
    tables = [cell_table(store, cartridge_id, choice) for cartridge_id in choice.cartridge_ids]
    cells = pd.concat(tables, ignore_index=True)
    reduction = _reduction(store, encoder_id)
    features = None if reduction is None else np.empty((len(cells), len(reduction.components)), np.float32)

    def blocks() -> Iterator[NDArray[np.float32]]:
        start = 0
        for i, table in enumerate(tables, start=1):
            vectors = _vectors(store, table, choice.cartridge_ids[i - 1], encoder_id)
            if reduction is not None and features is not None:
                features[start : start + len(table)] = reduction.transform(vectors)
            start += len(table)
            progress(i, len(tables), choice.cartridge_ids[i - 1])
            yield vectors

    obsm = _places(cells, on_map=store.active_model("map") is not None)
    if features is not None:
        obsm["X_pca"] = features
    names = pd.Index([f"vector_{i:03d}" for i in range(EMBEDDING_DIM)])
    uns = _uns(store, choice, encoder_id)
    with whole_file(out) as path:
        write_h5ad(path, blocks(), obs=_obs(cells), var=pd.DataFrame(index=names), obsm=obsm, uns=uns)
    return {"cells": len(cells), "obsm": sorted(obsm), "files": [str(out)]}


def _encoder(store: Store, choice: Choice) -> str:
    cartridges = store.cartridges().set_index("cartridge_id").loc[list(choice.cartridge_ids)]
    encoders = sorted(set(cartridges.encoder_id))
    if len(encoders) > 1:
        message = (
            f"The cartridges' vectors are of different encoders ({', '.join(encoders)}) and do not belong into one "
            "table. Export one cartridge at a time, or ingest all with one encoder."
        )
        raise UserError(message)
    return str(encoders[0])


def _reduction(store: Store, encoder_id: str) -> Reduction | None:
    """The principal components of the map in use, else of the classifier in use; None without either."""
    for kind in ("map", "classifier"):
        active = store.active_model(kind)
        if active is not None and active.parameters["encoder_id"] == encoder_id:
            return load(active.folder).reduction if kind == "map" else Reduction.of(classify.load(active.folder))
    return None


def _vectors(store: Store, table: pd.DataFrame, cartridge_id: str, encoder_id: str) -> NDArray[np.float32]:
    cell_ids, vectors = store.vectors(cartridge_id, encoder_id)
    rows = pd.Index(cell_ids).get_indexer(pd.Index(table.cell_id))
    if (rows < 0).any():
        message = f"{cartridge_id}: {(rows < 0).sum()} cells have no vector of {encoder_id}. Ingest it again."
        raise UserError(message)
    return vectors[rows]


def _places(cells: pd.DataFrame, *, on_map: bool) -> dict[str, NDArray[np.floating[Any]]]:
    places: dict[str, NDArray[np.floating[Any]]] = {
        "spatial": cells[["cartridge_x_um", "cartridge_y_um"]].to_numpy(np.float64)
    }
    if on_map:
        places["X_umap"] = cells[["map_x", "map_y"]].to_numpy(np.float32)
    return places


def _obs(cells: pd.DataFrame) -> pd.DataFrame:
    """The cell table by cell_id; clusters are names, as tools of the field expect."""
    cluster = cells.cluster.map(lambda c: "background" if c == -1 else str(c), na_action="ignore")
    obs = cells.assign(cluster=cluster.astype(object)).set_index("cell_id")
    whole = {c.name: "Int32" for c in CELLS if c.type == pa.int32() and c.name != "cluster"}
    truth = {c.name: "boolean" for c in CELLS if c.type == pa.bool_()}
    texts = {c.name: "object" for c in CELLS[1:] if c.type == pa.string()}  # also where nobody has written any
    return obs[[c.name for c in CELLS[1:]]].astype(whole | truth | texts)


def _uns(store: Store, choice: Choice, encoder_id: str) -> dict[str, Any]:
    known = {key: value for key, value in about(store, choice).items() if value is not None}
    columns = {c.name: f"{c.meaning} [{c.unit}]" if c.unit else c.meaning for c in CELLS}
    return {**known, "encoder_id": encoder_id, "columns": columns}
