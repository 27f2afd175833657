"""Simulated crops for training and evaluation, rendered on the fly, in chunks that can be kept in a folder.

Patients are numbers (`simulate.draw_patient`). The ranges below never meet, and small numbers, which people use for
cartridges of their own, lie in none: no patient of an evaluation or of a demo was ever trained on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache as cache_once
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ctc_core import simulate
from ctc_core.simulate import render_crops
from ctc_core.types import CROP_PX

TRAINING_PATIENTS = range(10_000_000, 20_000_000)
VALIDATION_PATIENTS = range(20_000_000, 30_000_000)
"""To choose between trainings."""
EVALUATION_PATIENTS = range(30_000_000, 40_000_000)
"""To report, never to choose."""

CHUNK = 2048
"""Crops rendered at a time."""

CROPS_PER_PATIENT = 32

Crops = NDArray[np.uint8]


def training_chunk(index: int, *, seed: int, cache: Path | None = None) -> Crops:
    """Chunk `index` of the training crops: (2048, 3, 48, 48) uint8 of 64 patients that no other chunk has, shuffled.

    cache: folder that keeps chunks between runs; a chunk's file is complete or absent, and named after the
    simulator's source, so that a changed simulator never finds its old crops.
    """
    path = cache / f"{simulator_version()}-{seed:04d}-{index:05d}.npy" if cache else None
    if path and path.is_file():
        return _read(path)
    crops = _render_chunk(index, seed)
    if path:
        _write(path, crops)
    return crops


@cache_once
def simulator_version() -> str:
    """12 hex digits of the hash of the simulator's source files."""
    sources = sorted(Path(simulate.__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:12]


def _render_chunk(index: int, seed: int) -> Crops:
    per_chunk = CHUNK // CROPS_PER_PATIENT
    first = TRAINING_PATIENTS.start + (seed * 9973 + index) * per_chunk % len(TRAINING_PATIENTS)
    patients = range(first, first + per_chunk)
    rng = np.random.default_rng([seed, index])
    crops, _, _ = render_crops(CHUNK, int(rng.integers(2**31)), patients=patients, crops_per_patient=CROPS_PER_PATIENT)
    return crops[rng.permutation(CHUNK)]


def _read(path: Path) -> Crops:
    crops: Crops = np.load(path, allow_pickle=False)
    return crops


def _write(path: Path, crops: Crops) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        np.save(file, crops)
    part.replace(path)


def batches(batch: int, *, seed: int, start: int = 0, cache: Path | None = None) -> Iterator[Crops]:
    """Endless batches (batch, 3, 48, 48); `start` batches are skipped without being rendered. `batch` divides 2048."""
    per_chunk = CHUNK // batch
    index, within = divmod(start, per_chunk)
    while True:
        crops = training_chunk(index, seed=seed, cache=cache)
        for i in range(within, per_chunk):
            yield crops[i * batch : (i + 1) * batch]
        index, within = index + 1, 0


@dataclass(frozen=True)
class Labelled:
    """Crops with truth, row by row."""

    crops: Crops
    """(n, 3, 48, 48) uint8."""
    is_ctc: NDArray[np.bool_]
    kinds: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.crops)


def labelled_crops(patients: Sequence[int], *, seed: int, crops_per_patient: int = 64) -> Labelled:
    """Crops of these patients. A quarter is CTCs, far more than in a cartridge: both classes need enough cells."""
    n = len(patients) * crops_per_patient
    crops, kinds, is_ctc = render_crops(n, seed, patients=patients, crops_per_patient=crops_per_patient)
    return Labelled(crops, is_ctc, kinds)


assert CHUNK % CROPS_PER_PATIENT == 0 and CROP_PX == 48
