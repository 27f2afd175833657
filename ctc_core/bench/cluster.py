"""How long a cohort takes on a cluster: a model from what one machine and one cartridge's files were measured to need.

Workers share the computing; each cartridge keeps its owner busy for a while (opening it, putting its parts together,
import); and everything passes the shared disk. With s seconds a frame on a worker's machine, F frames, W workers, o
seconds of the owner, and d of the disk (bytes by its speed), N cartridges take

    N max(F s / W + b s / 2 + o, d)     in one command, one after the other (b: frames of a block),
    N max(F s / W, o, d)                in commands side by side: owner and workers are busy at once.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ctc_core import pipeline
from ctc_core.bench.cartridge import FULL, simulated, spread
from ctc_core.bench.loop import import_row
from ctc_core.bench.repeated import Repeated, repeat
from ctc_core.bench.stopwatch import Stopwatch
from ctc_core.cartridge.guarded import guarded
from ctc_core.cluster import block_size
from ctc_core.frames import Here
from ctc_core.networks import Networks
from ctc_core.settings import Settings
from ctc_core.types import CROP_CHANNELS, CROP_PX, EMBEDDING_DIM, Progress, silent

WORKERS, COHORTS = (1, 2, 4, 8, 16, 32), (90, 9000)
PASSES = 4
"""Times that cells pass the shared disk: written as parts, read, written as a bundle, read by the import's hash."""
CELL_BYTES = len(CROP_CHANNELS) * CROP_PX**2 + 4 * EMBEDDING_DIM
"""A crop and a vector."""


@dataclass(frozen=True)
class Costs:
    """Of one cartridge."""

    frame_seconds: float
    """Of a worker's machine, all its cores at work, for each frame."""
    owner_seconds: float
    """Of the machine that has the job, whatever the number of workers: opening, putting together, import."""
    gigabytes: float
    """Through the shared disk."""
    frames: int = FULL


def hours(costs: Costs, cartridges: int, workers: int, disk_mb_s: float) -> tuple[float, float]:
    """One command after the other, and several side by side."""
    computing = costs.frames * costs.frame_seconds / min(workers, costs.frames)
    disk = 1000 * costs.gigabytes / disk_mb_s
    alone = computing + block_size(costs.frames, workers) * costs.frame_seconds / 2 + costs.owner_seconds
    each = max(alone, disk), max(computing, costs.owner_seconds, disk)
    return cartridges * each[0] / 3600, cartridges * each[1] / 3600


def measure(
    settings: Settings, archive: Path | None, *, frames: int, repeats: int, disk_mb_s: float, progress: Progress
) -> dict[str, Any]:
    """`Costs` as measured here on a few frames, medians of some turns, and the hours of cohorts that follow."""
    networks, turns = Networks(settings), []
    with tempfile.TemporaryDirectory() as scratch:
        source = archive or simulated(Path(scratch), min(frames, 4))
        for turn in range(repeats):
            progress(turn, repeats, f"{frames} frames, and a cartridge of as many cells a frame into a store")
            turns.append(_costs(networks, source, frames))
    progress(repeats, repeats, "Done")
    (costs, cells), spreads = _median(turns)
    plan = [
        {"cartridges": n, "workers": w, "hours": alone, "hours_side_by_side": together}
        for n in COHORTS
        for w in WORKERS
        for alone, together in [hours(costs, n, w, disk_mb_s)]
    ]
    about = {"data": archive.name if archive else "simulated frames", "measured_frames": frames, "cells": cells}
    return {**about, "repeats": repeats, "costs": asdict(costs), **spreads, "disk_mb_s": disk_mb_s, "plan": plan}


def _median(turns: Sequence[tuple[Costs, int]]) -> tuple[tuple[Costs, int], dict[str, dict[str, float]]]:
    """Costs with medians of what was timed, and the spread of these; the cells are the same in every turn."""
    (first, cells), *_ = turns
    frame = spread([costs.frame_seconds for costs, _ in turns])
    owner = spread([costs.owner_seconds for costs, _ in turns])
    costs = replace(first, frame_seconds=frame["median"], owner_seconds=owner["median"])
    return (costs, cells), {"frame_seconds": frame, "owner_seconds": owner}


def _costs(networks: Networks, source: Path, frames: int) -> tuple[Costs, int]:
    began = time.perf_counter()
    with guarded(source) as opened:
        opening = time.perf_counter() - began
        _ingest(networks, repeat(opened, 1))  # compiles
        made, watch = repeat(opened, frames), Stopwatch()
        with watch.watching((pipeline, "_compute_missing", "frames")):
            began = time.perf_counter()
            found = _ingest(networks, made)
            rest = time.perf_counter() - began - watch.seconds["frames"]
        archive_bytes = sum(path.stat().st_size for path in made.files)
    cells = found * FULL // frames
    owner = opening + rest / frames * FULL + import_row(cells, 1)["seconds"]
    moved = archive_bytes / frames * FULL + PASSES * CELL_BYTES * cells
    return Costs(watch.seconds["frames"] / frames, owner, moved / 1e9), cells


def _ingest(networks: Networks, cartridge: Repeated) -> int:
    """Cells found."""
    here = Here.of(networks)
    with tempfile.TemporaryDirectory() as folder:
        outcome = pipeline.ingest_by(here, cartridge, Path(folder), pseudonym="b", role="review", progress=silent)
    return int(str(outcome["cells"]))
