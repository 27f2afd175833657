"""Whole cartridges on disk: archives as a CellTracks system writes them, and beside them the truth."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ctc_core.cartridge import VARIANTS, Grid, Layout, grid_for, write_cartridge
from ctc_core.errors import SettingsError
from ctc_core.simulate.cellsearch import Shown, show
from ctc_core.simulate.patient import Patient, draw_patient
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
    width: int = FRAME_WIDTH,
    height: int = FRAME_HEIGHT,
    progress: Progress = silent,
) -> list[Path]:
    """Write archives `out/<id>/`, truth `out/truth/<id>.parquet` and `<id>.json`; returns the archives' paths.

    frames: per cartridge; a full one has 140-210 (see `FRAME_GRIDS`), any other number gets the most square grid.
    ctcs: range (inclusive) of CTCs per cartridge; None: the patient's density, 16-143 per 175 frames.
    variant: a name in `ctc_core.cartridge.VARIANTS`. width, height: of a frame, px; smaller ones are for tests.
    The parquet holds one row per object and frame (`scene.truth`); the json the patient's parameters and which object
    each event shows. Same arguments, same bytes. Raises `SettingsError` for an unknown variant, frame number or ctcs
    range, and when an archive is there already.
    """
    layout = _layout(variant)
    grid = _grid(frames, width, height, layout)
    _check(cartridges, ctcs)
    paths = []
    for index in range(cartridges):
        number = FIRST_ID + (seed * 104729 + index * STEP) % IDS
        name = f"{number}.1.2"
        if (out / name).exists():
            msg = f"{out / name}: an archive is there already. Choose another folder or another seed."
            raise SettingsError(msg)
        paths.append(_write(out, name, (seed, index), grid, layout, ctcs, (cartridges, progress)))
    return paths


def _layout(variant: str | None) -> Layout:
    if variant is None:
        return Layout()
    if variant not in VARIANTS:
        msg = f"variant {variant}: unknown. Choose one of {', '.join(VARIANTS)}."
        raise SettingsError(msg)
    return VARIANTS[variant]


def _check(cartridges: int, ctcs: tuple[int, int] | None) -> None:
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


def _write(
    out: Path,
    name: str,
    seeds: tuple[int, int],
    grid: Grid,
    layout: Layout,
    ctcs: tuple[int, int] | None,
    report: tuple[int, Progress],
) -> Path:
    """One cartridge, first under a hidden name, so that nothing half-written is taken for an archive."""
    rng = np.random.default_rng([*seeds, 2])
    patient = draw_patient(int(rng.integers(2**31)))
    items = populate(patient, grid.rows * grid.height, grid.cols * grid.width, rng, ctcs=ctcs)
    shown = show(patient, items, grid, rng)
    tables: list[pd.DataFrame] = []
    hidden = out / f".writing-{name}"
    shutil.rmtree(hidden, ignore_errors=True)
    scenes = _scenes(patient, Crowd(items), grid, seeds, tables, name, report)
    sample = write_cartridge(hidden, name, scenes, [s.event for s in shown], grid, layout=layout)
    _write_truth(out / "truth", name, patient, shown, tables)
    sample.rename(out / name)
    hidden.rmdir()
    return out / name


def _scenes(
    patient: Patient,
    crowd: Crowd,
    grid: Grid,
    seeds: tuple[int, int],
    tables: list[pd.DataFrame],
    name: str,
    report: tuple[int, Progress],
) -> Iterator[NDArray[np.uint16]]:
    """Scenes in frame order, one at a time; their truth goes to `tables`."""
    cartridges, progress = report
    for frame in range(1, grid.frames + 1):
        row, col = grid.position(frame)
        rng = np.random.default_rng([*seeds, 3, frame])
        origin = row * grid.height, col * grid.width
        scene, table = render_region(patient, crowd, origin, (grid.height, grid.width), rng, frame=frame)
        tables.append(table)
        yield scene
        progress(seeds[1] * grid.frames + frame, cartridges * grid.frames, f"Simulating {name}, frame {frame}")


def _write_truth(folder: Path, name: str, patient: Patient, shown: list[Shown], tables: list[pd.DataFrame]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    truth = pd.concat([table for table in tables if len(table)] or tables[:1], ignore_index=True)
    truth.to_parquet(folder / f"{name}.parquet", index=False)
    events = {item.event.rid: item.object_id for item in shown}
    sidecar = {"cartridge_id": name, "patient": asdict(patient), "events": events}
    (folder / f"{name}.json").write_text(json.dumps(sidecar, indent=1), encoding="utf-8")
