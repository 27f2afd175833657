"""A map on disk: a bundle of tables and arrays with hashes, never a pickled model."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ctc_core.errors import ModelError
from ctc_core.latent.map import LatentMap, Placed
from ctc_core.latent.parameters import MapParameters
from ctc_core.latent.reduction import Reduction
from ctc_core.store import read_bundle, write_bundle

KIND = "map"


def save(latent_map: LatentMap, folder: Path) -> Path:
    """Write a map to `folder`, which appears only when it is complete; returns `folder`.

    Tables `train` and `cells` (cell_id, x, y, cluster; `cells` also `role`, test or unlabelled) are what a store needs;
    the arrays are what placing new cells needs.
    """
    cells = _table(latent_map.cell_ids, latent_map.cells)
    roles = np.where(np.arange(len(cells)) < latent_map.n_test, "test", "unlabelled")
    arrays: dict[str, NDArray[Any] | Path] = {
        "mean": latent_map.reduction.mean,
        "components": latent_map.reduction.components,
        "train_features": latent_map.train.features,
        "train_xy": latent_map.train.xy,
        "cells_features": latent_map.cells.features,
        "cells_xy": latent_map.cells.xy,
    }
    parameters = {**asdict(latent_map.parameters), "curve": list(latent_map.curve)}
    return write_bundle(
        folder,
        kind=KIND,
        parameters={"map_id": latent_map.id, "notes": list(latent_map.notes), **parameters},
        inputs={"encoder_id": latent_map.encoder_id, "n_test": latent_map.n_test},
        tables={"train": _table(latent_map.train_ids, latent_map.train), "cells": cells.assign(role=roles)},
        arrays=arrays,
    )


def _table(cell_ids: tuple[str, ...], placed: Placed) -> pd.DataFrame:
    columns = {"x": placed.xy[:, 0], "y": placed.xy[:, 1], "cluster": placed.clusters}
    return pd.DataFrame({"cell_id": pd.Series(cell_ids, dtype=str), **columns})


def load(folder: Path) -> LatentMap:
    """Read a saved map after its hashes were verified.

    Raises:
        StoreError: the folder is incomplete or was changed.
        ModelError: a bundle, but not of a map.
    """
    bundle = read_bundle(folder)
    if bundle.manifest.kind != KIND:
        message = f"{folder}: a bundle of the kind '{bundle.manifest.kind}', not a map. Choose another folder."
        raise ModelError(message)
    given: dict[str, Any] = dict(bundle.manifest.parameters)
    name, notes, curve = given.pop("map_id"), given.pop("notes"), given.pop("curve")
    tables = {key: bundle.table(key).to_pandas() for key in ("train", "cells")}
    placed = {
        key: Placed(
            _array(bundle.array(f"{key}_features")),
            _array(bundle.array(f"{key}_xy")),
            table.cluster.to_numpy(np.int64),
        )
        for key, table in tables.items()
    }
    return LatentMap(
        id=name,
        encoder_id=bundle.manifest.inputs["encoder_id"],
        parameters=MapParameters(**given),
        reduction=Reduction(_array(bundle.array("mean")), _array(bundle.array("components"))),
        curve=(curve[0], curve[1]),
        train_ids=tuple(tables["train"].cell_id),
        train=placed["train"],
        cell_ids=tuple(tables["cells"].cell_id),
        n_test=bundle.manifest.inputs["n_test"],
        cells=placed["cells"],
        notes=tuple(notes),
    )


def _array(mapped: NDArray[Any]) -> NDArray[Any]:
    """A copy in memory: a map outlives its folder."""
    return np.array(mapped)
