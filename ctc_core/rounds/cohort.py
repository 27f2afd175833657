"""Simulated patients as vectors with known truth, made once and kept: what experiments on rounds start from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ctc_core.kept import kept_arrays
from ctc_core.types import Progress, silent

Embed = Callable[[NDArray[np.uint8]], NDArray[np.float32]]

CTC_SHARE = 0.25
"""CTCs among the objects of a patient. In a real cartridge they are rarer than one in a hundred."""


@dataclass(frozen=True, eq=False)
class Cohort:
    """Cells of simulated patients, row by row."""

    vectors: NDArray[np.float32]
    """(n, 128)"""
    is_ctc: NDArray[np.bool_]
    kinds: NDArray[np.str_]
    """The simulator's name of each object: ctc, debris, point ..."""
    patients: NDArray[np.str_]

    @property
    def cell_ids(self) -> tuple[str, ...]:
        """`<patient>-<row>`."""
        return tuple(f"{patient}-{row:06d}" for row, patient in enumerate(self.patients.tolist()))


@dataclass(frozen=True)
class CohortPlan:
    """Which patients, and how many cells of each."""

    patients: int = 40
    cells: int = 100
    seed: int = 0
    ctc_share: float = CTC_SHARE

    @property
    def numbers(self) -> range:
        """Numbers of the patients; no encoder was trained on them."""
        from ctc_core.encoder.data import EVALUATION_PATIENTS

        first = EVALUATION_PATIENTS.start + 1_000_000 + self.seed * 10_000
        return range(first, first + self.patients)


def make_cohort(embed: Embed, plan: CohortPlan, progress: Progress = silent) -> Cohort:
    """Draw CK-positive objects of each patient and embed them; deterministic in `plan`."""
    from ctc_core.simulate import render_crops

    vectors, is_ctc, kinds = [], [], []
    for done, number in enumerate(plan.numbers):
        crops, kind, truth = render_crops(
            plan.cells,
            int(np.random.default_rng([plan.seed, number]).integers(2**31)),
            patients=[number],
            ctc_share=plan.ctc_share,
            crops_per_patient=plan.cells,
        )
        vectors.append(embed(crops))
        is_ctc.append(truth)
        kinds.append(kind)
        progress(done + 1, plan.patients, "Simulated patients")
    names = np.repeat(np.array([str(number) for number in plan.numbers]), plan.cells)
    return Cohort(np.concatenate(vectors), np.concatenate(is_ctc), np.concatenate(kinds), names)


def kept_cohort(folder: Path, encoder_id: str, embed: Embed, plan: CohortPlan, progress: Progress = silent) -> Cohort:
    """The cohort from `folder`, where it is kept under what it was made from; made now if it is not there."""
    from ctc_core.encoder.data import simulator_version

    name = f"{encoder_id}-{simulator_version()}-{plan.patients}x{plan.cells}-{plan.ctc_share}-{plan.seed}.npz"
    return Cohort(**kept_arrays(folder / name, lambda: vars(make_cohort(embed, plan, progress))))
