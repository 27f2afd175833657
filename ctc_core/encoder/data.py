"""Simulated crops for training and evaluation, rendered on the fly.

Patients are numbers (`simulate.draw_patient`). The ranges below never meet, and small numbers, which people use for
cartridges of their own, lie in none: no patient of an evaluation or of a demo was ever trained on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ctc_core import simulate
from ctc_core.simulate.pairs import Pairs, render_pairs
from ctc_core.types import CROP_PX

TRAINING_PATIENTS = range(10_000_000, 20_000_000)
VALIDATION_PATIENTS = range(20_000_000, 30_000_000)
"""To choose between trainings."""
EVALUATION_PATIENTS = range(30_000_000, 40_000_000)
"""To report, never to choose."""

CHUNK = 1024
"""Objects rendered at a time, each in two photographs and a clean one."""

CROPS_PER_PATIENT = 32

CTC_SHARE = 0.4
"""Of the training objects: rare kinds must be seen often enough to be learned. Which ones they are, is not told."""

Crops = NDArray[np.uint8]


def training_chunk(index: int, *, seed: int) -> Pairs:
    """Chunk `index` of the training objects: 1024 of 32 patients that no other chunk has, shuffled."""
    per_chunk = CHUNK // CROPS_PER_PATIENT
    first = TRAINING_PATIENTS.start + (seed * 9973 + index) * per_chunk % len(TRAINING_PATIENTS)
    rng = np.random.default_rng([seed, index])
    chunk = render_pairs(
        CHUNK,
        int(rng.integers(2**31)),
        patients=range(first, first + per_chunk),
        ctc_share=CTC_SHARE,
        crops_per_patient=CROPS_PER_PATIENT,
    )
    return chunk.rows(rng.permutation(CHUNK))


@cache
def simulator_version() -> str:
    """12 hex digits of the hash of the simulator's source files."""
    sources = sorted(Path(simulate.__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:12]


def batches(batch: int, *, seed: int, start: int = 0) -> Iterator[Pairs]:
    """Endless batches of objects; `start` batches are skipped without being rendered. `batch` divides 1024."""
    per_chunk = CHUNK // batch
    index, within = divmod(start, per_chunk)
    while True:
        chunk = training_chunk(index, seed=seed)
        for i in range(within, per_chunk):
            yield chunk.rows(slice(i * batch, (i + 1) * batch))
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


assert CHUNK % CROPS_PER_PATIENT == 0 and CROP_PX == 48
