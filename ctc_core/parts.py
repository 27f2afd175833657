"""Finished frames of a job, on disk: what a job that died, or was cancelled, goes on from."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ctc_core.cartridge import Cartridge


@dataclass(frozen=True)
class Part:
    """What one frame gave."""

    frame: int
    status: str
    """`read` or `quarantined`."""
    reason: str
    flags: tuple[str, ...]
    n_cells: int


class Parts:
    """The finished frames of one job."""

    def __init__(self, folder: Path, cartridge: Cartridge, segmenter_id: str, encoder_id: str) -> None:
        self.folder = folder
        inputs = json.dumps([fingerprint(cartridge), segmenter_id, encoder_id])
        mark = folder / "inputs.json"
        if not mark.exists() or mark.read_text() != inputs:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            mark.write_text(inputs)

    def path(self, number: int, name: str) -> Path:
        return self.folder / f"{number:03d}.{name}"

    def has(self, number: int) -> bool:
        return self.path(number, "json").exists()

    def add(self, number: int, part: Part, cells: pd.DataFrame, arrays: dict[str, NDArray[Any]]) -> None:
        """Write one frame; the JSON file comes last, by renaming, and makes the part complete."""
        cells.to_parquet(self.path(number, "parquet"))
        for name, array in arrays.items():
            np.save(self.path(number, f"{name}.npy"), array, allow_pickle=False)
        partial = self.path(number, "partial")
        partial.write_text(json.dumps(part.__dict__))
        partial.replace(self.path(number, "json"))

    def read(self, number: int) -> Part:
        values = json.loads(self.path(number, "json").read_text())
        return Part(**{**values, "flags": tuple(values["flags"])})

    def cells(self, number: int) -> pd.DataFrame:
        return pd.read_parquet(self.path(number, "parquet"))

    def array(self, number: int, name: str) -> NDArray[Any]:
        values: NDArray[Any] = np.load(self.path(number, f"{name}.npy"), allow_pickle=False)
        return values

    def remove(self) -> None:
        shutil.rmtree(self.folder)


def fingerprint(cartridge: Cartridge) -> str:
    """Hash of the names, sizes and times of the archive's frames: cheap, and different when a file was replaced."""
    stats = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in cartridge.files]
    return hashlib.sha256(json.dumps(stats).encode()).hexdigest()
