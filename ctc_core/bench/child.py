"""One way of computing in a process of its own: `python -m ctc_core.bench.child WAY ARCHIVE LABELLED`.

Says what arithmetic it needs; then reads a number of frames from a line of stdin, computes them, answers with a line of
JSON; ends with its stdin. LABELLED: cells that its classifier and map are fitted on.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ctc_core.bench.repeated import repeat
from ctc_core.bench.stopwatch import Stopwatch
from ctc_core.cartridge import Cartridge
from ctc_core.settings import Settings

WAYS = ("plain", "ours", "ours-224")
"""From the archive to scored candidates."""
PLACING = ("plain-map", "map")
"""What follows on a cohort's vectors."""


class Computes(Protocol):
    """A way of computing."""

    def gflop(self, page: tuple[int, int]) -> dict[str, float]:
        """Of a page (h, w) as `frame`, and of a `cell`."""

    def run(self, cartridge: Cartridge, watch: Stopwatch) -> list[int]:
        """Cells of each frame."""


@contextmanager
def way(name: str, settings: Settings, folder: Path, labelled: int) -> Iterator[Computes]:
    """One way, ready; what it stores goes into `folder`."""
    if name in PLACING:
        from ctc_core.bench.placing import Placing

        yield Placing(labelled, plain=name == "plain-map")
    elif name == "plain":
        from ctc_core.bench.plain import Plain

        yield Plain(settings, folder, labelled)
    else:
        from ctc_core.bench.ours import Ours
        from ctc_core.bench.stored import desk_store
        from ctc_core.networks import Networks

        networks = Networks(settings)
        with desk_store(folder / "data", labelled, networks.embedder.id) as store:
            yield Ours(networks, store, 224 if name == "ours-224" else None)


def measure(computes: Computes, cartridge: Cartridge) -> dict[str, Any]:
    """Seconds by the clock and of the processor, stages, cells and peak memory."""
    watch = Stopwatch()
    clock, cpu = time.perf_counter(), cpu_seconds()
    found = computes.run(cartridge, watch)
    return {
        "frames": len(found),
        "seconds": time.perf_counter() - clock,
        "cpu": cpu_seconds() - cpu,
        "stages": dict(watch.seconds),
        "stage_peak_mb": dict(watch.peak_mb),
        "cells": sum(found),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def cpu_seconds() -> float:
    """Of this process and of those that it has waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def boxes(polygons: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, 4) y0, x0, y1, x1 of polygons (n, k, 2)."""
    if not len(polygons):
        return np.zeros((0, 4), np.float32)
    return np.concatenate([polygons.min(axis=1), polygons.max(axis=1)], axis=1)


def main() -> None:
    """Serve until stdin ends."""
    from ctc_core.cartridge.guarded import guarded

    name, archive, labelled = sys.argv[1:4]
    answers = os.fdopen(os.dup(1), "w")  # whatever a library prints must not come between the answers
    os.dup2(2, 1)
    with (
        tempfile.TemporaryDirectory() as folder,
        guarded(Path(archive)) as source,
        way(name, Settings(), Path(folder), int(labelled)) as computes,
    ):
        measure(computes, repeat(source, 1))  # the first run compiles, allocates and reads from the disk
        print(json.dumps(computes.gflop((source.grid.height, source.grid.width))), file=answers, flush=True)
        for line in sys.stdin:
            print(json.dumps(measure(computes, repeat(source, int(line)))), file=answers, flush=True)


if __name__ == "__main__":
    main()
