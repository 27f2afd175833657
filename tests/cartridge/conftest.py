"""Small archives for the tests of this room."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ctc_core.cartridge import Grid, Layout, write_cartridge
from ctc_core.types import Box, Event

WIDTH, HEIGHT = 40, 30

EVENTS = (
    Event("11", 1, Box(2.0, 3.0, 12.0, 15.0), assigned=True, numselected=1),
    Event("12", 3, Box(20.25, 4.5, 33.75, 18.0), assigned=False, numselected=0),
    Event("13", 4, Box(5.0, 6.0, 17.0, 20.0), assigned=True, numselected=2),
)

Make = Callable[..., Path]
Tiff = Callable[..., bytes]


def scene_of(frame: int, *, height: int = HEIGHT, width: int = WIDTH) -> NDArray[np.uint16]:
    """(4, height, width) grey values 0..4095, different in every page and frame."""
    return np.random.default_rng(frame).integers(40, 3000 + frame, (4, height, width)).astype(np.uint16)


@pytest.fixture
def scene() -> Callable[..., NDArray[np.uint16]]:
    return scene_of


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """make(layout, grid=, events=, name=): writes an archive and returns its sample folder."""

    def write(
        layout: Layout | None = None,
        *,
        grid: Grid | None = None,
        events: Sequence[Event] = EVENTS,
        name: str = "171651.1.2",
        scenes: Iterator[NDArray[np.uint16]] | None = None,
    ) -> Path:
        grid = grid or Grid(2, 3, WIDTH, HEIGHT)
        frames = scenes or (scene_of(n, height=grid.height, width=grid.width) for n in range(1, grid.frames + 1))
        return write_cartridge(tmp_path, name, frames, events, grid, layout=layout)

    return write


@pytest.fixture
def classic_tiff() -> Tiff:
    """classic_tiff([{tag: value}, ...], data, loop=) -> little-endian TIFF; directories follow the data."""

    def build(pages: list[dict[int, int]], data: bytes = b"", *, loop: bool = False) -> bytes:
        at = 8 + len(data)
        starts = [at + sum(2 + 12 * len(p) + 4 for p in pages[:i]) for i in range(len(pages))]
        out = struct.pack("<2sHI", b"II", 42, starts[0] if pages else 0) + data
        for i, page in enumerate(pages):
            following = starts[i + 1] if i + 1 < len(pages) else starts[0] if loop else 0
            entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(page.items()))
            out += struct.pack("<H", len(page)) + entries + struct.pack("<I", following)
        return out

    return build
