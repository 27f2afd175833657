"""Whole cartridges on disk: archives as a CellTracks system writes them, and beside them the truth."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ctc_core.cartridge import VARIANTS, Grid, Layout, grid_for, write_cartridge
from ctc_core.errors import SettingsError
from ctc_core.simulate.artefacts import Chamber, draw_chamber
from ctc_core.simulate.cellsearch import Shown, show
from ctc_core.simulate.draws import Rng
from ctc_core.simulate.objects import Item
from ctc_core.simulate.patient import GROUPS, Group, Patient, draw_patient
from ctc_core.simulate.population import populate
from ctc_core.simulate.scene import FRAME_HEIGHT, FRAME_WIDTH, Crowd, render_region
from ctc_core.types import Progress, silent

FIRST_ID, IDS, STEP = 160000, 39989, 7919
"""Cartridge numbers look like real ones (six digits); the prime number of ids and the step keep a run's ids apart."""


def simulate(
    out: Path,
    *,
    cartridges: int,
    frames: int,
    seed: int,
    variant: str | None = None,
    ctcs: tuple[int, int] | None = None,
    group: Group = "metastatic",
    width: int = FRAME_WIDTH,
    height: int = FRAME_HEIGHT,
    progress: Progress = silent,
) -> list[Path]:
    """Write archives `out/<id>/`, truth `out/truth/<id>.parquet` and `<id>.json`; returns the archives' paths.

    frames: per cartridge; a full one has 140-210 (see `FRAME_GRIDS`), any other number gets the most square grid.
    ctcs: range (inclusive) of CTCs per cartridge; None: the patient's density, for a metastatic one 16-143 per 175
    frames. group: metastatic, low (0-10 CTCs) or healthy (none).
    variant: a name in `ctc_core.cartridge.VARIANTS`. width, height: of a frame, px; smaller ones are for tests.
    The parquet holds one row per object and frame (`scene.truth`); the json the patient's parameters and which object
    each event shows. Same arguments, same bytes. Raises `SettingsError` for an unknown variant, frame number or ctcs
    range, and when an archive is there already.
    """
    layout = _layout(variant)
    grid = _grid(frames, width, height, layout)
    _check(cartridges, ctcs, group)
    paths = []
    for index in range(cartridges):
        number = FIRST_ID + (seed * 104729 + index * STEP) % IDS
        name = f"{number}.1.2"
        if (out / name).exists():
            msg = f"{out / name}: an archive is there already. Choose another folder or another seed."
            raise SettingsError(msg)
        sample = _sample((seed, index), group, grid, ctcs)
        paths.append(_write(out, name, sample, layout, progress=_counted(progress, name, grid, index, cartridges)))
    return paths


def _layout(variant: str | None) -> Layout:
    if variant is None:
        return Layout()
    if variant not in VARIANTS:
        msg = f"variant {variant}: unknown. Choose one of {', '.join(VARIANTS)}."
        raise SettingsError(msg)
    return VARIANTS[variant]


def _check(cartridges: int, ctcs: tuple[int, int] | None, group: str) -> None:
    if group not in GROUPS:
        msg = f"group {group}: unknown. Choose one of {', '.join(GROUPS)}."
        raise SettingsError(msg)
    if cartridges < 1:
        msg = f"{cartridges} cartridges: nothing to simulate. Ask for one or more."
        raise SettingsError(msg)
    if ctcs is not None and not 0 <= ctcs[0] <= ctcs[1]:
        msg = f"CTCs per cartridge {ctcs}: not a range. Give the smaller number first, both 0 or more."
        raise SettingsError(msg)


def _grid(frames: int, width: int, height: int, layout: Layout) -> Grid:
    """The grid archives of this size have, or the most square one with rows <= columns."""
    if frames < 1:
        msg = f"{frames} frames: a cartridge has at least one. Ask for 1 or more, 175 for a full cartridge."
        raise SettingsError(msg)
    known = grid_for(frames, width=width, height=height, xp=layout.dlm)
    if known is not None:
        return known
    rows = max(r for r in range(1, int(frames**0.5) + 1) if frames % r == 0)
    return Grid(rows, frames // rows, width, height)


@dataclass(frozen=True)
class Sample:
    """One cartridge before any pixel is rendered."""

    patient: Patient
    grid: Grid
    chamber: Chamber
    items: list[Item]
    shown: list[Shown]
    seeds: tuple[int, int]


def _sample(seeds: tuple[int, int], group: Group, grid: Grid, ctcs: tuple[int, int] | None) -> Sample:
    rng = np.random.default_rng([*seeds, 2])
    patient = draw_patient(int(rng.integers(2**31)), group=group)
    return draw_sample(patient, grid, rng, seeds, ctcs=ctcs)


def draw_sample(
    patient: Patient,
    grid: Grid,
    rng: Rng,
    seeds: tuple[int, int] = (0, 0),
    *,
    ctcs: tuple[int, int] | None = None,
    share: float | None = None,
) -> Sample:
    """Objects of this patient's cartridge and what CellSearch shows of them.

    seeds: of the frames' noise. ctcs: as in `populate`; share: as in `cellsearch.show`.
    """
    height, width = grid.rows * grid.height, grid.cols * grid.width
    chamber = draw_chamber(patient, height, width)
    items = populate(patient, height, width, rng, ctcs=ctcs, chamber=chamber)
    return Sample(patient, grid, chamber, items, show(patient, items, grid, rng, share=share), seeds)


def _counted(progress: Progress, name: str, grid: Grid, index: int, cartridges: int) -> Callable[[int], None]:
    """Reports a finished frame."""

    def report(frame: int) -> None:
        progress(index * grid.frames + frame, cartridges * grid.frames, f"Simulating {name}, frame {frame}")

    return report


def _write(out: Path, name: str, sample: Sample, layout: Layout, *, progress: Callable[[int], None]) -> Path:
    """One cartridge, first under a hidden name, so that nothing half-written is taken for an archive."""
    tables: list[pd.DataFrame] = []
    hidden = out / f".writing-{name}"
    shutil.rmtree(hidden, ignore_errors=True)
    scenes, events = _scenes(sample, tables, progress), [s.event for s in sample.shown]
    archive = write_cartridge(hidden, name, scenes, events, sample.grid, layout=layout)
    _write_truth(out / "truth", name, sample, tables)
    archive.rename(out / name)
    hidden.rmdir()
    return out / name


def _scenes(
    sample: Sample, tables: list[pd.DataFrame], progress: Callable[[int], None]
) -> Iterator[NDArray[np.uint16]]:
    """Scenes in frame order, one at a time; their truth goes to `tables`."""
    crowd, grid = Crowd(sample.items), sample.grid
    for frame in range(1, grid.frames + 1):
        row, col = grid.position(frame)
        rng = np.random.default_rng([*sample.seeds, 3, frame])
        origin, size = (row * grid.height, col * grid.width), (grid.height, grid.width)
        scene, table = render_region(sample.patient, crowd, origin, size, rng, frame=frame, chamber=sample.chamber)
        tables.append(table)
        yield scene
        progress(frame)


def _write_truth(folder: Path, name: str, sample: Sample, tables: list[pd.DataFrame]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    truth = pd.concat([table for table in tables if len(table)] or tables[:1], ignore_index=True)
    truth.to_parquet(folder / f"{name}.parquet", index=False)
    events = {item.event.rid: item.object_id for item in sample.shown}
    sidecar = {"cartridge_id": name, "patient": asdict(sample.patient), "events": events}
    (folder / f"{name}.json").write_text(json.dumps(sidecar, indent=1), encoding="utf-8")
