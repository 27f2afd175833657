"""The desk's own path, as the worker computes it and the store's owner takes it in, with its stages timed."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from ctc_core import fitting, frames, pipeline, segment
from ctc_core.bench import flops
from ctc_core.bench.stopwatch import Stopwatch
from ctc_core.bench.stored import THRESHOLD
from ctc_core.cartridge import Cartridge
from ctc_core.encoder import Embedder
from ctc_core.matched import candidates
from ctc_core.networks import Networks
from ctc_core.parts import Parts
from ctc_core.segment import instances, stardist
from ctc_core.store import Store
from ctc_core.types import silent


class Ours:
    """The networks of a worker, and a store that has a classifier for them."""

    def __init__(self, networks: Networks, store: Store, input_px: int | None = None) -> None:
        """`input_px`: another edge of the encoder's input than its own."""
        self.networks, self.store, self.runs = networks, store, 0
        if input_px is not None:
            self.networks.embedder.input_px = input_px

    def gflop(self, page: tuple[int, int]) -> dict[str, float]:
        """Of a page (h, w), and of a cell."""
        settings, input_px = self.networks.settings, self.networks.embedder.input_px
        return {"frame": flops.of_page(settings, page), "cell": flops.of_crop(settings, input_px)}

    def run(self, cartridge: Cartridge, watch: Stopwatch) -> list[int]:
        """Cells of each frame, each physical cell once; the cartridge is another one for the store each time."""
        self.runs += 1
        cartridge = replace(cartridge, id=f"bench-{self.runs}")
        places: list[tuple[Any, str, str]] = [
            (type(cartridge), "read", "read"),
            (stardist, "normalise", "normalise"),
            (segment.Segmenter, "outlines", "segment network"),
            (instances, "outlines", "NMS"),
            (segment, "measure", "measure"),
            (segment, "crop", "crop"),
            (frames, "crop", "crop"),
            (Embedder, "embed", "embed"),
            (Parts, "add", "write"),
            (pipeline, "drop_duplicates", "duplicates"),
            (pipeline, "write_bundle", "bundle"),
        ]
        with tempfile.TemporaryDirectory(dir=self.store.folder) as folder:
            with watch.watching(*places):
                here = frames.Here.of(self.networks)
                identity = {"pseudonym": "bench", "role": "review"}
                pipeline.ingest_by(here, cartridge, Path(folder), **identity, progress=silent)
            self._take(Path(folder) / "bundle", cartridge.id, watch)
        found = self.store.cells(cartridge.id).frame.value_counts()
        return [int(found.get(number, 0)) for number in cartridge.frame_numbers]

    def _take(self, bundle: Path, cartridge_id: str, watch: Stopwatch) -> None:
        """As `workflows.receive` does, and what the page of candidates asks next."""
        with watch.stage("import"):
            self.store.add_bundle(bundle, reader="bench", session="bench")
        with watch.stage("score"):
            fitting.score(self.store, [cartridge_id])
        with watch.stage("query"):
            candidates(self.store, cartridge_id, THRESHOLD)
