"""A small archive of discs, and networks that need no weights: what the whole path is tested with in seconds."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ctc_core.cartridge import Grid, Layout, write_cartridge
from ctc_core.segment import Outlines
from ctc_core.types import Box, Event

GRID = Grid(2, 2, 160, 128)
DISCS = {1: [(40, 50), (90, 100)], 2: [(64, 30)], 3: [], 4: [(30, 30), (30, 120), (100, 60)]}
"""Centres [y, x] of the CK-positive discs of each frame; radius 8 px."""


def scene(centres: list[tuple[int, int]], seed: int) -> NDArray[np.uint16]:
    """(4, 128, 160) grey values: discs in DAPI and CK on a noisy background."""
    rng = np.random.default_rng(seed)
    pages = rng.normal(200, 5, (4, GRID.height, GRID.width))
    yy, xx = np.mgrid[: GRID.height, : GRID.width]
    for y, x in centres:
        inside = np.hypot(yy - y, xx - x) <= 8
        pages[0][inside] += 1500
        pages[2][inside] += 2000
    return pages.astype(np.uint16)


def event(rid: str, frame: int, y: int, x: int, *, assigned: bool) -> Event:
    return Event(rid, frame, Box(x - 9, y - 9, x + 9, y + 9), assigned, 1 if assigned else 0)


EVENTS = (
    event("11", 1, 40, 50, assigned=True),
    event("12", 4, 30, 121, assigned=False),
    event("13", 3, 64, 64, assigned=True),
)


def make_archive(folder: Path, cartridge_id: str, layout: Layout | None = None) -> Path:
    scenes = (scene(centres, seed) for seed, centres in DISCS.items())
    return write_cartridge(folder, cartridge_id, scenes, EVENTS, GRID, layout=layout)


OUTCOME = {
    "status": "accepted",
    "cartridge_id": "171651.1.2",
    "frames_read": 4,
    "frames_quarantined": [],
    "events": 3,
    "assigned": 2,
    "events_quarantined": [],
    "flags": [],
    "notes": [],
    "cells": 6,
}
"""What ingesting the archive must report, apart from the seconds."""


ARITHMETIC = {"runtime": "openvino", "precision": "f32", "instructions": "x86_64 avx2", "openvino": "1.2.3"}
"""What tests' networks are said to compute with."""
BF16 = {"precision": "bf16", "instructions": "x86_64 amx_bf16"}
"""What is otherwise on another kind of machine."""


@dataclass
class ThresholdSegmenter:
    """Finds bright blobs; polygons are circles of equal area."""

    id: str = "threshold-1"
    calls: int = 0

    def outlines(self, ck: NDArray[np.generic]) -> Outlines:
        self.calls += 1
        bright = ndimage.gaussian_filter(ck.astype(float), 1.0) > 160
        blobs, n = ndimage.label(bright)
        areas = ndimage.sum_labels(bright, blobs, np.arange(1, n + 1))
        index = 1 + np.flatnonzero(np.asarray(areas) >= 50)  # single pixels of noise are no cells
        centres = np.array(ndimage.center_of_mass(bright, blobs, index), np.float32).reshape(-1, 2)
        radii = np.sqrt(np.asarray(areas)[index - 1] / np.pi)
        angle = np.linspace(0, 2 * np.pi, 32, endpoint=False)
        rim = np.stack([np.sin(angle), np.cos(angle)], axis=1)
        polygons = (centres[:, None] + radii.reshape(-1, 1, 1) * rim).astype(np.float32)
        return Outlines(centres, polygons, np.full(len(index), 0.9, np.float32))


@dataclass
class ProjectingEmbedder:
    """Vectors that depend on the pixels alone: a fixed random projection."""

    id: str = "projection-1"
    calls: int = 0

    def embed(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        self.calls += 1
        matrix = np.random.default_rng(0).normal(size=(3 * 48 * 48, 128)).astype(np.float32)
        return (crops.reshape(len(crops), -1).astype(np.float32) / 255 @ matrix).astype(np.float32)
