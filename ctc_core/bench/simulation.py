"""Simulations of relabelling: how much faster than with the published classifier, one after the other."""

from __future__ import annotations

from typing import Any

import numpy as np

from ctc_core.bench.cartridge import spread
from ctc_core.relabel.experiments import speed
from ctc_core.relabel.experiments.folders import made_folder
from ctc_core.types import Progress


def measure(*, seeds: int, repeats: int, progress: Progress) -> dict[str, Any]:
    """`speed.measure` on made-up points, several times: a row as `loop.measure` has them."""
    folder, turns = made_folder(), []
    for k in range(repeats):
        progress(k, repeats, f"{seeds} runs of sim1, in both ways")
        turns.append(speed.measure(folder, seeds=str(seeds)))
    progress(repeats, repeats, "Done")
    row = {
        "name": f"sim1, {seeds} runs",
        "size": len(folder.train.table),
        "seconds": float(np.median([turn["ours_s"] for turn in turns])),
        "baseline": float(np.median([turn["serial_probability_s"] for turn in turns])),
        "ratio": spread([turn["ratio"] for turn in turns]),
        "note": "same records" if all(turn["same"] for turn in turns) else "the records differ",
    }
    last = turns[-1]
    about = (
        f"Made-up points. Plain: probability=True in every fit, in one process. Ours: {last['workers']} processes with "
        f"their start; {last['loops']} loops a run; median of {repeats} turns."
    )
    return {"rows": [row], "about": about}
