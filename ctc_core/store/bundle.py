"""Bundles: how one process hands a result to another. Folders of parquet and npy files with hashes, never partial.

`manifest.json` = {schema, kind, bundle_id, parameters, inputs, code_version, files: {name: SHA-256}}. `bundle_id` is
the hash of everything in it but the code version, so the same content has the same id wherever it was made.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ctc_core.errors import StoreError
from ctc_core.models import sha256
from ctc_core.store.disk import sync_files, sync_folder
from ctc_core.store.journal import canonical
from ctc_core.store.provenance import code_version

SCHEMA = 1
"""Version of the bundle format."""


@dataclass(frozen=True)
class BundleManifest:
    """What `manifest.json` says."""

    schema: int
    kind: str
    bundle_id: str
    parameters: dict[str, Any]
    inputs: dict[str, Any]
    code_version: str
    files: dict[str, str]
    """SHA-256 of every other file of the bundle, by name."""


@dataclass(frozen=True)
class Bundle:
    """A verified bundle on disk; files are read when asked for."""

    folder: Path
    manifest: BundleManifest

    @property
    def manifest_sha256(self) -> str:
        """Hash of `manifest.json`, which itself names the hash of every file."""
        return sha256(self.folder / "manifest.json")

    def table(self, name: str) -> pa.Table:
        """Table `name` as Arrow."""
        return pq.read_table(self._file(f"{name}.parquet"), use_threads=False)

    def array(self, name: str) -> NDArray[Any]:
        """Array `name`, memory-mapped."""
        return mapped(self._file(f"{name}.npy"))

    def _file(self, name: str) -> Path:
        if name not in self.manifest.files:
            message = f"{self.folder}: the bundle holds no {name}. Make the bundle again."
            raise StoreError(message)
        return self.folder / name


def mapped(path: Path) -> NDArray[Any]:
    """A .npy file as a memory map; objects in it are refused and never built.

    Raises:
        StoreError: not such a file, or not of numbers.
    """
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        message = f"{path}: not an array of numbers ({error}). Restore it from a backup."
        raise StoreError(message) from error
    return array


def write_bundle(
    folder: Path,
    *,
    kind: str,
    parameters: Mapping[str, Any],
    inputs: Mapping[str, Any],
    tables: Mapping[str, pd.DataFrame],
    arrays: Mapping[str, NDArray[Any] | Path],
) -> Path:
    """Write a bundle to `folder`, which appears only when it is complete and on disk.

    Args:
        kind: what it is, e.g. `cartridge`; start of the id.
        parameters: how it was made, JSON values.
        inputs: what it was made from, usually names and hashes, JSON values.
        tables: by name, each written to `<name>.parquet`; cells may hold lists or arrays (`polygon`).
        arrays: by name, each written to `<name>.npy`; a path to a `.npy` file is moved into the bundle.

    Returns:
        `folder`; a bundle that was there is replaced.

    Raises:
        StoreError: `folder` exists and is no bundle.
    """
    if folder.exists() and not (folder / "manifest.json").exists():
        message = f"{folder}: exists and is not a bundle. Choose another place."
        raise StoreError(message)
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for name, table in tables.items():
        pq.write_table(_arrow(table), partial / f"{name}.parquet")
    for name, array in arrays.items():
        _place_array(array, partial / f"{name}.npy")
    content = {
        "schema": SCHEMA,
        "kind": kind,
        "parameters": dict(parameters),
        "inputs": dict(inputs),
        "files": _hashes(partial),
    }
    manifest = BundleManifest(**content, bundle_id=_bundle_id(content), code_version=code_version())  # type: ignore[arg-type]
    (partial / "manifest.json").write_text(json.dumps(asdict(manifest), indent=2, sort_keys=True) + "\n")
    sync_files(partial)
    if (folder / "manifest.json").exists():
        shutil.rmtree(folder)
    partial.rename(folder)
    sync_folder(folder.parent)
    return folder


def read_bundle(folder: Path, id_: str | None = None) -> Bundle:
    """Open a bundle after checking every file against the manifest.

    Args:
        folder: where it lies.
        id_: which one it must be; None: any.

    Raises:
        StoreError: no bundle or another one, a file is missing, changed or not listed, or the id does not fit.
    """
    try:
        manifest = BundleManifest(**json.loads((folder / "manifest.json").read_text()))
        hashes = _hashes(folder)
        content = {key: value for key, value in asdict(manifest).items() if key not in ("bundle_id", "code_version")}
        expected_id = _bundle_id(content)
    except (OSError, ValueError, TypeError) as error:
        message = f"{folder}: not a bundle ({error}). Make it again."
        raise StoreError(message) from error
    if manifest.schema != SCHEMA:
        message = f"{folder}: bundle format {manifest.schema}, this version reads {SCHEMA}. Make it again."
        raise StoreError(message)
    wrong = sorted(name for name, _ in manifest.files.items() ^ hashes.items())
    if wrong or manifest.bundle_id != expected_id:
        name = wrong[0] if wrong else "manifest.json"
        message = f"{folder}: {name} was changed after it was written, or is missing. Make the bundle again."
        raise StoreError(message)
    if id_ not in (None, manifest.bundle_id):
        message = f"{folder}: holds {manifest.bundle_id}. Restore it from a backup."
        raise StoreError(message)
    return Bundle(folder, manifest)


def _arrow(table: pd.DataFrame) -> pa.Table:
    """Arrow takes lists of lists but no arrays of more than one dimension."""
    nested: dict[str, Any] = {
        str(name): [value.tolist() if isinstance(value, np.ndarray) else value for value in column]
        for name, column in table.items()
        if pd.api.types.is_object_dtype(column)
    }
    return pa.Table.from_pandas(table.assign(**nested), preserve_index=False).replace_schema_metadata()


def _place_array(array: NDArray[Any] | Path, target: Path) -> None:
    if isinstance(array, Path):
        shutil.move(array, target)
    else:
        np.save(target, array, allow_pickle=False)


def _hashes(folder: Path) -> dict[str, str]:
    return {path.name: sha256(path) for path in sorted(folder.iterdir()) if path.name != "manifest.json"}


def _bundle_id(content: Mapping[str, Any]) -> str:
    return f"{content['kind']}-{hashlib.sha256(canonical(content).encode()).hexdigest()[:16]}"
