"""The published features folder (Zenodo record 14033379): labels, principal components and map coordinates.

CSV files without extension and npy files, rows of a CSV and of its arrays in the same order:

    df_labeled_train       labeled_train_pca_features.npy     labeled_train_umap_features.npy
    df_labeled_test        labeled_test_pca_features.npy      labeled_test_umap_features.npy
    df_unlabeled_train     unlabeled_train_pca_features.npy   unlabeled_train_umap_features.npy
    df_labeled_test_and_unlabeled_train                       labeled_test_and_unlabeled_train_umap_features.npy
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ctc_core.errors import UserError

UNLABELLED = 10
"""Label of a cell without one."""
COLUMNS = ("case", "frame_num", "label", "dapi_path", "ck_path", "cd45_path")
"""Columns of every table; test and unlabelled cells also have `cluster`. More columns are kept."""
WIDEST = 4096
"""Most principal components that are believed; the published folder has 32."""
BOTH = "labeled_test_and_unlabeled_train"


@dataclass(frozen=True)
class Part:
    """One group of cells, row by row."""

    table: pd.DataFrame
    """`COLUMNS`, and `cluster` where it was written."""
    features: NDArray[np.floating]
    """(n, d) principal components, d = 32 in the published folder; dtype as in the file."""
    xy: NDArray[np.floating]
    """(n, 2) coordinates on the map."""

    def __len__(self) -> int:
        return len(self.table)

    @property
    def labels(self) -> NDArray[np.int64]:
        """(n,) 1 = CTC, 0 = anything else, 10 = unlabelled."""
        return self.table.label.to_numpy(np.int64)

    @property
    def clusters(self) -> NDArray[np.int64] | None:
        """(n,) the folder's own cluster ids, -1 background; None where it has none."""
        return self.table.cluster.to_numpy(np.int64) if "cluster" in self.table else None


@dataclass(frozen=True)
class FeaturesFolder:
    """All that the simulated experiments run on."""

    train: Part
    """`df_labeled_train`"""
    test: Part
    """`df_labeled_test`"""
    unlabelled: Part
    """`df_unlabeled_train`"""
    clustered_xy: NDArray[np.floating]
    """Coordinates of test, then unlabelled cells: what HDBSCAN sees, in this order."""


GROUPS = (
    ("train", "labeled_train", (0, 1)),
    ("test", "labeled_test", (0, 1)),
    ("unlabelled", "unlabeled_train", (UNLABELLED,)),
)
"""Field of `FeaturesFolder`, name in the folder, labels that may stand there."""


def read_features(folder: Path) -> FeaturesFolder:
    """Read and check a features folder. Nothing is unpickled.

    Raises:
        UserError: a file is missing or unreadable, lacks a column, holds an unknown label, has another number of rows
            than its table, a wrong shape or numbers that are not finite.
    """
    if not folder.is_dir():
        message = f"{folder}: no such folder. Give the folder that holds df_labeled_train and its arrays."
        raise UserError(message)
    parts = {field: _read_part(folder, name, allowed) for field, name, allowed in GROUPS}
    width = {part.features.shape[1] for part in parts.values()}
    if len(width) > 1:
        message = f"{folder}: the three *_pca_features.npy have {sorted(width)} columns. They need the same number."
        raise UserError(message)
    return FeaturesFolder(**parts, clustered_xy=_read_both(folder, parts["test"], parts["unlabelled"]))


def _read_part(folder: Path, name: str, allowed: tuple[int, ...]) -> Part:
    table = _read_table(folder / f"df_{name}", allowed)
    features = _read_array(folder / f"{name}_pca_features.npy", rows=len(table))
    xy = _read_array(folder / f"{name}_umap_features.npy", rows=len(table), columns=2)
    return Part(table, features, xy)


def _read_table(path: Path, allowed: tuple[int, ...]) -> pd.DataFrame:
    table = _read_csv(path)
    missing = [column for column in COLUMNS if column not in table.columns]
    if missing:
        message = f"{path}: the column '{missing[0]}' is missing. It needs {', '.join(COLUMNS)}."
        raise UserError(message)
    unknown = sorted({str(value) for value in table.label[~table.label.isin(allowed)]})
    if unknown:
        named = " or ".join(str(label) for label in allowed)
        message = f"{path}: the label {unknown[0]} stands where only {named} may. 0 is non-CTC, 1 CTC, 10 unlabelled."
        raise UserError(message)
    if not len(table) and UNLABELLED not in allowed:
        message = f"{path}: holds no cell. The experiments need labelled training and test cells; export it again."
        raise UserError(message)
    return table.assign(cluster=_clusters(path, table.cluster)) if "cluster" in table else table


def _clusters(path: Path, column: pd.Series) -> NDArray[np.int64]:
    """Ids as whole numbers, however they were written."""
    values = pd.to_numeric(column, errors="coerce").to_numpy(np.float64)
    wrong = np.flatnonzero(~(np.isfinite(values) & (values == np.round(values))))
    if len(wrong):
        message = (
            f"{path}: the cluster '{column.iloc[wrong[0]]}' of row {wrong[0] + 1} is not a whole number. Write each "
            "cell's cluster id there, -1 for background."
        )
        raise UserError(message)
    return values.astype(np.int64)


def _read_csv(path: Path) -> pd.DataFrame:
    _require_file(path)
    try:
        return pd.read_csv(path, dtype={"case": str}, na_filter=False)  # a patient may be called NA
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        message = f"{path}: not a CSV file ({error}). Export the folder again."
        raise UserError(message) from error


def _read_array(path: Path, *, rows: int, columns: int | None = None) -> NDArray[np.floating]:
    _require_file(path)
    try:
        with path.open("rb") as file:
            array: NDArray[np.floating] = np.load(file, allow_pickle=False)
    except (ValueError, EOFError, OSError, zipfile.BadZipFile) as error:
        message = f"{path}: not a plain npy array ({error}). Export the folder again."
        raise UserError(message) from error
    if array.ndim != 2 or len(array) != rows or array.shape[1] not in ((columns,) if columns else range(1, WIDEST + 1)):
        message = f"{path}: of shape {array.shape}, but its table needs ({rows}, {columns or 'n'}). Export both again."
        raise UserError(message)
    if not np.issubdtype(array.dtype, np.floating) or not np.isfinite(array).all():
        message = f"{path}: holds values that are not finite decimal numbers. Export the folder again."
        raise UserError(message)
    return array


def _require_file(path: Path) -> None:
    if not path.is_file():
        message = f"{path}: missing. A features folder needs all files of the published layout; export it again."
        raise UserError(message)


def _read_both(folder: Path, test: Part, unlabelled: Part) -> NDArray[np.floating]:
    """Coordinates of the joined file, which repeats the others and must not contradict them."""
    rows = len(test) + len(unlabelled)
    table = _read_csv(folder / f"df_{BOTH}")
    xy = _read_array(folder / f"{BOTH}_umap_features.npy", rows=rows, columns=2)
    if len(table) != rows or not np.allclose(xy, np.concatenate([test.xy, unlabelled.xy])):
        message = f"{folder}: the files {BOTH} are not test followed by unlabelled cells. Export the folder again."
        raise UserError(message)
    return xy


def write_features(folder: Path, features: FeaturesFolder) -> Path:
    """Write all files of the layout into `folder` (created); returns it. `read_features` gives back the same."""
    folder.mkdir(parents=True, exist_ok=True)
    for field, name, _ in GROUPS:
        part: Part = getattr(features, field)
        part.table.to_csv(folder / f"df_{name}", index=False)
        np.save(folder / f"{name}_pca_features.npy", part.features, allow_pickle=False)
        np.save(folder / f"{name}_umap_features.npy", part.xy, allow_pickle=False)
    both = pd.concat([features.test.table, features.unlabelled.table], ignore_index=True)
    both.to_csv(folder / f"df_{BOTH}", index=False)
    np.save(folder / f"{BOTH}_umap_features.npy", features.clustered_xy, allow_pickle=False)
    return folder
