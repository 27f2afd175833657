"""Finished frames of a job, on disk: what a job that died, or was cancelled, goes on from."""

from __future__ import annotations

import hashlib
import json
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ctc_core.arithmetic import Arithmetic
from ctc_core.cartridge import Cartridge

_STOP = "stop"
"""File beside the parts: no more are wanted."""


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
    """The finished frames of one job. Several processes, on several machines even, may add to them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def of(cls, folder: Path, inputs: str) -> Parts:
        """Those in `folder` that are made of the same `inputs` (see `inputs_of`); all others are thrown away.

        They lie in a folder that is called by what they are made of: whoever still computes others cannot add to them.
        """
        own = folder / hashlib.sha256(inputs.encode()).hexdigest()[:16]
        for other in folder.glob("*"):
            if other != own:
                shutil.rmtree(other, ignore_errors=True)
        own.mkdir(parents=True, exist_ok=True)
        (own / _STOP).unlink(missing_ok=True)
        return cls(own)

    def stop(self) -> None:
        """Tell whoever adds parts that no more are wanted."""
        if self.folder.exists():
            (self.folder / _STOP).touch()

    def stopped(self) -> bool:
        """Whether no more are wanted: somebody said so, or the folder is gone."""
        return (self.folder / _STOP).exists() or not self.folder.exists()

    def path(self, number: int, name: str) -> Path:
        return self.folder / f"{number:03d}.{name}"

    def finished(self) -> set[int]:
        """Frames that are complete: one look at the folder, which on a network's disk tells more than asking for names
        does that were missing a moment ago.
        """
        return {int(path.stem) for path in self.folder.glob("[0-9]*.json")}

    def add(self, number: int, part: Part, cells: pd.DataFrame, arrays: dict[str, NDArray[Any]]) -> None:
        """Write one frame. Each file appears whole, by renaming; the JSON file comes last and makes the part complete.

        Who adds a frame a second time (a worker that was thought lost) replaces files by equal ones.
        """
        with self._whole(number, "parquet") as path:
            cells.to_parquet(path)
        for name, array in arrays.items():
            with self._whole(number, f"{name}.npy") as path:
                np.save(path, array, allow_pickle=False)
        with self._whole(number, "json") as path:
            path.write_text(json.dumps(part.__dict__))

    @contextmanager
    def _whole(self, number: int, name: str) -> Iterator[Path]:
        partial = self.folder / f"partial-{uuid.uuid4().hex}.{name}"
        yield partial
        partial.replace(self.path(number, name))

    def read(self, number: int) -> Part:
        values = json.loads(self.path(number, "json").read_text())
        return Part(**{**values, "flags": tuple(values["flags"])})

    def cells(self, number: int) -> pd.DataFrame:
        return pd.read_parquet(self.path(number, "parquet"))

    def array(self, number: int, name: str) -> NDArray[Any]:
        values: NDArray[Any] = np.load(self.path(number, f"{name}.npy"), allow_pickle=False)
        return values

    def remove(self) -> None:
        """All of the job at once: a worker that was thought lost and still adds finds no folder, and ends."""
        gone = self.folder.parent.with_name("parts.done")
        shutil.rmtree(gone, ignore_errors=True)
        self.folder.parent.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)


def inputs_of(cartridge: Cartridge, segmenter_id: str, encoder_id: str, made_with: Arithmetic) -> str:
    """What parts depend on: the archive's files, the networks, and what computes them."""
    return json.dumps([fingerprint(cartridge), segmenter_id, encoder_id, made_with], sort_keys=True)


def fingerprint(cartridge: Cartridge) -> str:
    """Hash of the names, sizes and times of the archive's frames: cheap, and different when a file was replaced."""
    stats = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in cartridge.files]
    return hashlib.sha256(json.dumps(stats).encode()).hexdigest()
