"""The .h5ad format as anndata 0.8 and later read it (anndata.readthedocs.io, "On-disk format"), written with h5py.

anndata itself asks for an older pandas than the desk runs on, so it only reads these files in the tests.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
from numpy.typing import NDArray

_UTF8 = h5py.string_dtype("utf-8")


def write_h5ad(
    path: Path,
    blocks: Iterable[NDArray[np.float32]],
    *,
    obs: pd.DataFrame,
    var: pd.DataFrame,
    obsm: Mapping[str, NDArray[np.floating[Any]]],
    uns: Mapping[str, Any],
) -> None:
    """Write one AnnData object.

    Args:
        path: the file.
        blocks: rows of X, one block after the other, (n, d) float32 altogether.
        obs: (n, ...) index: unique names; texts become categoricals.
        var: (d, ...) index: unique names.
        obsm: (n, k) arrays by name.
        uns: texts, numbers, lists of texts, and mappings of these.
    """
    with h5py.File(path, "w") as file:
        _mark(file, "anndata", "0.1.0")
        x = file.create_dataset("X", (len(obs), len(var)), np.float32, chunks=None if len(obs) == 0 else True)
        _mark(x, "array", "0.2.0")
        start = 0
        for block in blocks:
            x[start : start + len(block)] = block
            start += len(block)
        _frame(file, "obs", obs)
        _frame(file, "var", var)
        _mapping(file, "obsm", obsm)
        _mapping(file, "uns", uns)
        for name in ("varm", "obsp", "varp", "layers"):
            _mapping(file, name, {})


def _mark(element: Any, kind: str, version: str) -> None:
    element.attrs["encoding-type"], element.attrs["encoding-version"] = kind, version


def _mapping(group: h5py.Group, name: str, values: Mapping[str, Any]) -> None:
    made = group.create_group(name)
    _mark(made, "dict", "0.1.0")
    for key, value in values.items():
        _element(made, key, value)


def _element(group: h5py.Group, name: str, value: Any) -> None:
    if isinstance(value, Mapping):
        _mapping(group, name, value)
    elif isinstance(value, str):
        _mark(group.create_dataset(name, data=value, dtype=_UTF8), "string", "0.2.0")
    elif isinstance(value, list | tuple):
        _texts(group, name, value)
    elif isinstance(value, np.ndarray):
        _mark(group.create_dataset(name, data=value), "array", "0.2.0")
    else:
        _mark(group.create_dataset(name, data=value), "numeric-scalar", "0.2.0")


def _texts(group: h5py.Group, name: str, values: Iterable[str]) -> None:
    data = np.array([str(value) for value in values], dtype=object)
    _mark(group.create_dataset(name, data=data, dtype=_UTF8), "string-array", "0.2.0")


def _frame(file: h5py.File, name: str, table: pd.DataFrame) -> None:
    group = file.create_group(name)
    _mark(group, "dataframe", "0.2.0")
    group.attrs["_index"] = "_index"
    group.attrs.create("column-order", np.array(list(table.columns), dtype=object), dtype=_UTF8)
    _texts(group, "_index", table.index)
    for column in table.columns:
        _column(group, str(column), table[column])


def _column(group: h5py.Group, name: str, values: pd.Series) -> None:
    """Numbers as they are, whole numbers and truths with a mask, everything else as a categorical."""
    if isinstance(values.dtype, pd.BooleanDtype | pd.Int32Dtype):
        is_truth = isinstance(values.dtype, pd.BooleanDtype)
        kind = "nullable-boolean" if is_truth else "nullable-integer"
        made = group.create_group(name)
        _mark(made, kind, "0.1.0")
        plain = values.to_numpy(np.bool_ if is_truth else np.int32, na_value=0)
        for part, data in (("values", plain), ("mask", values.isna().to_numpy(bool))):
            _mark(made.create_dataset(part, data=data), "array", "0.2.0")
    elif isinstance(values.dtype, np.dtype) and values.dtype.kind in "bif":
        _mark(group.create_dataset(name, data=values.to_numpy()), "array", "0.2.0")
    else:
        _categorical(group, name, pd.Categorical(values))


def _categorical(group: h5py.Group, name: str, values: pd.Categorical) -> None:
    made = group.create_group(name)
    _mark(made, "categorical", "0.2.0")
    made.attrs["ordered"] = False
    _mark(made.create_dataset("codes", data=values.codes), "array", "0.2.0")
    _texts(made, "categories", values.categories)
