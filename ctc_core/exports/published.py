"""The published features folder, from the map in use."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ctc_core.assessment import BuiltMap, built_map
from ctc_core.exports.files import refuse_folder, whole_folder
from ctc_core.features import UNLABELLED, FeaturesFolder, Part, write_features
from ctc_core.latent import Placed
from ctc_core.mapped import map_crops
from ctc_core.store import Store
from ctc_core.types import CROP_CHANNELS, Progress, silent

IMAGES = "images"
MARK = "df_labeled_train"
"""A folder that holds this is an earlier export."""
BLOCK = 500
"""Cells whose pictures are written between two calls of `progress`."""


def export_features(
    store: Store, folder: Path, *, images: bool = True, force: bool = False, progress: Progress = silent
) -> dict[str, int]:
    """Write the features folder of the map in use; number of cells by group.

    Labels, clusters and coordinates are those that the map was built from. With `images` each cell's crop is written as
    three 8-bit PNG files, which the paths in the tables name relative to `folder` (with a leading slash, as published
    programs join them).

    Raises:
        UserError: there is no map, or `folder` holds something else, or an earlier export and `force` is not given.
    """
    refuse_folder(folder, force=force, mark=MARK)
    features = _features(store, built_map(store))
    parts = (features.train, features.test, features.unlabelled)
    with whole_folder(folder) as partial:
        if images:
            _write_images(store, partial, [cell_id for part in parts for cell_id in part.table.cell_id], progress)
        write_features(partial, features)
    return dict(zip(("labelled_train", "labelled_test", "unlabelled_train"), map(len, parts), strict=True))


def _features(store: Store, built: BuiltMap) -> FeaturesFolder:
    latent_map, labels = built.latent_map, built.evidence.set_index("cell_id").label
    n = latent_map.n_test
    test_ids, other_ids = latent_map.cell_ids[:n], latent_map.cell_ids[n:]
    where = store.crop_places([*latent_map.train_ids, *latent_map.cell_ids]).set_index("cell_id")
    tables = [
        _table(where, ids, labels.reindex(ids).fillna(UNLABELLED).to_numpy().astype(np.int64))
        for ids in (latent_map.train_ids, test_ids, other_ids)
    ]
    cells = latent_map.cells
    train = Part(tables[0], latent_map.train.features, latent_map.train.xy)
    test, unlabelled = (_clustered(table, cells, rows) for table, rows in zip(tables[1:], _halves(n), strict=True))
    return FeaturesFolder(train, test, unlabelled, cells.xy)


def _halves(n: int) -> tuple[slice, slice]:
    return slice(None, n), slice(n, None)


def _clustered(table: pd.DataFrame, cells: Placed, rows: slice) -> Part:
    return Part(table.assign(cluster=cells.clusters[rows]), cells.features[rows], cells.xy[rows])


def _table(where: pd.DataFrame, cell_ids: tuple[str, ...], labels: NDArray[np.int64]) -> pd.DataFrame:
    rows = where.loc[list(cell_ids)]
    columns = {"case": rows.pseudonym.to_numpy(), "frame_num": rows.frame.to_numpy(), "label": labels}
    paths = {f"{channel}_path": [f"/{image(id_, channel)}" for id_ in cell_ids] for channel in CROP_CHANNELS}
    return pd.DataFrame({**columns, **paths, "cell_id": pd.Series(cell_ids, dtype=str)})


def image(cell_id: str, channel: str) -> str:
    """Name of one channel's picture, relative to the features folder."""
    return f"{IMAGES}/{cell_id}_{channel}.png"


def _write_images(store: Store, folder: Path, cell_ids: list[str], progress: Progress) -> None:
    from PIL import Image

    (folder / IMAGES).mkdir(parents=True, exist_ok=True)
    for start in range(0, len(cell_ids), BLOCK):
        block = cell_ids[start : start + BLOCK]
        for cell_id, crop in zip(block, map_crops(store, block), strict=True):
            for channel, pixels in zip(CROP_CHANNELS, crop, strict=True):
                Image.fromarray(pixels).save(folder / image(cell_id, channel))
        progress(min(start + BLOCK, len(cell_ids)), len(cell_ids), "Writing pictures")
