"""Patients that no classifier has seen: every CK-positive object of a cartridge as a vector, and CellSearch's events.

What a segmenter does is left out: cells are the true objects, each found once. Part of a cartridge holds CTCs, other
cells and events in proportion, so predictive values are those of a whole one.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ctc_core.kept import kept_arrays
from ctc_core.rounds.cohort import Embed
from ctc_core.types import CROP_PX, Progress, silent

if TYPE_CHECKING:
    from ctc_core.simulate.archive import Sample

ROWS = 5
"""Of the grid of a full cartridge, which has 35 columns."""


@dataclass(frozen=True, eq=False)
class Draws:
    """n cells of several patients, one cartridge each."""

    vectors: NDArray[np.float32]
    """(n, 128)"""
    is_ctc: NDArray[np.bool_]
    shown: NDArray[np.bool_]
    """By CellSearch."""
    assigned: NDArray[np.bool_]
    """Called a CTC by its operator."""
    patients: NDArray[np.str_]


@dataclass(frozen=True)
class DrawsPlan:
    """Which patients, and how much of each cartridge."""

    patients: int = 10
    columns: int = 7
    """Of 35; each has five frames. A whole cartridge takes two to three minutes."""
    seed: int = 0
    for_training: bool = False
    """Other patients of the same seed, whose cells may be asked for."""

    @property
    def numbers(self) -> range:
        """Numbers of the patients; neither an encoder nor a cohort of rounds has them."""
        from ctc_core.encoder.data import EVALUATION_PATIENTS

        first = EVALUATION_PATIENTS.start + 5_000_000 + self.seed * 10_000 + self.for_training * 5_000
        return range(first, first + self.patients)


def make_draws(embed: Embed, plan: DrawsPlan, progress: Progress = silent) -> Draws:
    """Draw each patient's cartridge, render its cells and embed them; deterministic in `plan`."""
    parts = []
    for done, number in enumerate(plan.numbers):
        crops, *flags = _cells(number, plan.columns)
        parts.append((embed(crops), *flags, np.full(len(crops), str(number))))
        progress(done + 1, plan.patients, "Cartridges to ask about" if plan.for_training else "Unseen patients")
    return Draws(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def kept_draws(folder: Path, encoder_id: str, embed: Embed, plan: DrawsPlan, progress: Progress = silent) -> Draws:
    """The draws from `folder`, where they are kept under what they were made from; made now if they are not there."""
    from ctc_core.encoder.data import simulator_version

    name = f"draws-{encoder_id}-{simulator_version()}-{plan.patients}x{plan.columns}-{plan.seed}"
    name += f"{'-training' * plan.for_training}.npz"
    return Draws(**kept_arrays(folder / name, lambda: vars(make_draws(embed, plan, progress))))


def _cells(
    number: int, columns: int
) -> tuple[NDArray[np.uint8], NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
    """Crops (n, 3, 48, 48), is_ctc, shown and assigned of one patient's cells."""
    from ctc_core.cartridge import Grid
    from ctc_core.simulate import draw_patient, scene
    from ctc_core.simulate.archive import draw_sample

    rng = np.random.default_rng([number, 75])
    sample = draw_sample(draw_patient(number), Grid(ROWS, columns, scene.FRAME_WIDTH, scene.FRAME_HEIGHT), rng)
    events = {one.object_id: bool(one.event.assigned) for one in sample.shown}
    crops, chosen = _crops(sample, rng)
    is_ctc = np.array([sample.items[i].is_ctc for i in chosen], bool)
    shown = np.array([i in events for i in chosen], bool)
    return crops, is_ctc, shown, np.array([events.get(i, False) for i in chosen], bool)


def _crops(sample: Sample, rng: np.random.Generator) -> tuple[NDArray[np.uint8], list[int]]:
    """Crops (n, 3, 48, 48) of all CK-positive items on the cartridge, frame by frame, and their numbers."""
    from ctc_core.simulate import scene

    everything, grid = scene.Crowd(sample.items), sample.grid
    size, crops, chosen = (grid.height, grid.width), [], []
    for row in range(grid.rows):
        for column in range(grid.cols):
            origin = row * grid.height, column * grid.width
            near = everything.near(origin, size)
            inside = [
                i for i, item in near
                if item.ck_positive and 0 <= item.y - origin[0] < size[0] and 0 <= item.x - origin[1] < size[1]
            ]  # fmt: skip
            items, chamber = [item for _, item in near], sample.chamber.near(origin, size)
            limits = scene.typical_limits(sample.patient, items, scene.backdrop(sample.patient, chamber, origin))
            view = scene._View(sample.patient, chamber, scene.Crowd(items), origin, limits)
            crops += [scene._crop(view, sample.items[i], rng) for i in inside]
            chosen += inside
    return np.array(crops, np.uint8).reshape(-1, 3, CROP_PX, CROP_PX), chosen
