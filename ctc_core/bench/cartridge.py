"""The path from archive to scored candidates: ours beside the plain baseline, stage by stage, and how it grows."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ctc_core.bench import machine
from ctc_core.bench.agreement import same_vectors, segmenters
from ctc_core.bench.child import PLACING, WAYS
from ctc_core.bench.made import LABELLED
from ctc_core.bench.turns import children, take_turns
from ctc_core.cartridge.guarded import guarded
from ctc_core.settings import Settings
from ctc_core.types import Progress

Runs = Sequence[Mapping[str, Any]]

FULL = 175
"""Frames of a cartridge; at about 86 cells a frame it holds 15,000."""


def compare(
    settings: Settings,
    archive: Path | None,
    *,
    frames: int,
    repeats: int,
    grow: Sequence[int],
    progress: Progress,
    labelled: int = LABELLED,
) -> dict[str, Any]:
    """All ways on `frames` frames, `repeats` times in turn; ours at multiples of that, too; then the map's two ways.

    archive: whose frames; None: simulated ones, six different ones at most. labelled: cells that classifier and map are
    fitted on.
    """
    with tempfile.TemporaryDirectory() as scratch:
        source = archive or simulated(Path(scratch), min(frames, 6))
        with children(WAYS, source, labelled) as running:
            gflop = {child.name: child.gflop for child in running}
            runs = take_turns(running, frames, repeats, progress)
            ours = [child for child in running if child.name == "ours"]
            growth = {frames * k: take_turns(ours, frames * k, max(repeats // 2, 1), progress)["ours"] for k in grow}
        with children(PLACING, source, labelled) as running:
            placing = take_turns(running, frames, repeats, progress)
        with guarded(source) as opened:
            cells = segmenters(settings, opened)
    plain = runs["plain"]
    return {
        "machine": machine.describe(settings),
        "data": str(archive.name) if archive else "simulated frames",
        "frames": frames,
        "cells": plain[0]["cells"],
        "repeats": repeats,
        "labelled": labelled,
        "ways": {name: {**way(runs[name], plain), "gflop": gflop[name]} for name in WAYS},
        "placing": {name: way(placing[name], placing["plain-map"]) for name in PLACING},
        "growth": [grown(found) for found in [runs["ours"], *growth.values()]],
        "same_cells": cells,
        "same_vectors": same_vectors(settings),
    }


def simulated(folder: Path, frames: int) -> Path:
    """A simulated archive of full-sized frames."""
    from ctc_core.simulate import simulate

    (path,) = simulate(folder, cartridges=1, frames=frames, seed=11, variant=None, group="metastatic")
    return path


def way(runs: Runs, plain: Runs) -> dict[str, Any]:
    """Medians of one way, and how many times faster than the baseline it is, turn by turn."""
    seconds = float(np.median([run["seconds"] for run in runs]))
    names = dict.fromkeys(stage for run in runs for stage in run["stages"])
    stages = {name: float(np.median([run["stages"].get(name, 0.0) for run in runs])) for name in names}
    peaks = {name: max(run["stage_peak_mb"].get(name, 0.0) for run in runs) for name in names}
    return {
        "seconds": seconds,
        "cells": float(np.median([run["cells"] for run in runs])),
        "cpu": float(np.median([run["cpu"] for run in runs])),
        "cells_per_second": float(np.median([run["cells"] / run["seconds"] for run in runs])),
        "full_cartridge_seconds": seconds / runs[0]["frames"] * FULL,
        "peak_mb": max(run["peak_mb"] for run in runs),
        "times_faster": spread([p["seconds"] / run["seconds"] for p, run in zip(plain, runs, strict=True)]),
        "times_less_cpu": spread([p["cpu"] / run["cpu"] for p, run in zip(plain, runs, strict=True)]),
        "stages": stages,
        "stage_peak_mb": peaks,
    }


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median, smallest and largest."""
    return {"median": float(np.median(values)), "min": min(values), "max": max(values)}


def grown(runs: Runs) -> dict[str, Any]:
    """Medians at one size."""
    return {
        "frames": runs[0]["frames"],
        "cells": runs[0]["cells"],
        "seconds": float(np.median([run["seconds"] for run in runs])),
        "seconds_per_frame": float(np.median([run["seconds"] / run["frames"] for run in runs])),
        "peak_mb": max(run["peak_mb"] for run in runs),
    }
