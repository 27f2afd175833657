"""The desk's own path, as the worker computes it, with its stages timed."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ctc_core import frames, pipeline, segment
from ctc_core.bench.stopwatch import Stopwatch
from ctc_core.cartridge import Cartridge
from ctc_core.encoder import Embedder
from ctc_core.networks import Networks
from ctc_core.parts import Parts
from ctc_core.segment import instances, stardist
from ctc_core.settings import Settings
from ctc_core.store import read_bundle
from ctc_core.types import silent


class Ours:
    """The networks of a worker."""

    def __init__(self, settings: Settings, input_px: int | None = None) -> None:
        """`input_px`: another edge of the encoder's input than its own."""
        self.networks = Networks(settings)
        if input_px is not None:
            self.networks.embedder.input_px = input_px

    def run(self, cartridge: Cartridge, watch: Stopwatch) -> list[NDArray[np.float32]]:
        """Polygons (n, rays, 2) [y, x] of each frame, cells at borders and duplicates as they come in the bundle."""
        places: list[tuple[Any, str, str]] = [
            (type(cartridge), "read", "read"),
            (stardist, "normalise", "normalise"),
            (segment.Segmenter, "outlines", "network"),
            (instances, "outlines", "suppression"),
            (segment, "measure", "measure"),
            (segment, "crop", "crop"),
            (frames, "crop", "crop"),
            (Embedder, "embed", "embed"),
            (Parts, "add", "write"),
            (pipeline, "drop_duplicates", "duplicates"),
            (pipeline, "write_bundle", "bundle"),
        ]
        with tempfile.TemporaryDirectory() as folder, watch.watching(*places):
            pipeline.ingest(
                cartridge,
                Path(folder),
                self.networks.segmenter,
                self.networks.embedder,
                pseudonym="bench",
                role="review",
                progress=silent,
                lanes=self.networks.lanes,
            )
            cells = read_bundle(Path(folder) / "bundle").table("cells").to_pandas()
        return [polygons(cells[cells.frame == number].polygon) for number in cartridge.frame_numbers]


def polygons(column: Any) -> NDArray[np.float32]:
    """(n, rays, 2) of a table's column."""
    return np.array([np.stack(list(outline)) for outline in column], np.float32).reshape(len(column), -1, 2)
