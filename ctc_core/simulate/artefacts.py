"""What lies around and behind the objects of one cartridge: its rim, air bubbles, haze, regions out of focus.

All are functions of cartridge pixels, so that neighbouring frames fit together. No measurements of real cartridges are
published; widths, levels and frequencies here are assumed, not verified.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ctc_core.simulate import optics
from ctc_core.simulate.patient import Patient
from ctc_core.simulate.shapes import Field

Four = tuple[float, float, float, float]
_Part = tuple[slice, slice, Field, Field, "Look"]
"""Rows and columns of a region that an edge changes, how far beyond the edge they lie (0..1), the ring along it."""

REACH = 8.0
"""Widths of an edge's line beyond which it changes nothing on the side of the fluid."""

FOCUS_KNOT_PX = 2400
"""The stage's focus is right at some places and interpolated between: the error varies over one to two frames."""

UNDER_BUBBLE_PX = 1.5
"""Blur (sigma) of what lies under a bubble, whose curved surface bends the light."""


@dataclass(frozen=True)
class Look:
    """What the edge of a wall or a bubble does to light; pages DAPI, marker, CK, CD45."""

    beyond: Four
    """Background beyond the edge, relative to that of the fluid."""
    line: Four
    """Height of the bright line along the edge, relative to the background of the fluid."""
    width_px: float
    """Width (sigma) of that line; a dark and a weaker bright one accompany it, as refraction makes them."""
    passes: float
    """Share of the objects' light that comes through beyond the edge."""


@dataclass(frozen=True)
class Wall:
    """The rim along one side of the imaged area: `inset` px wide at the middle, tilted and slightly wavy."""

    upright: bool
    """A left or right wall; otherwise an upper or lower one."""
    start: float
    """Cartridge coordinate of the side of the imaged area."""
    inward: int
    """+1 for the upper and left wall, -1 for the lower and right one."""
    middle: float
    """Cartridge coordinate of the wall's middle, along the wall."""
    inset: float
    tilt: float
    wave: tuple[float, float, float]
    """Amplitude (px), length (px) and phase (rad)."""
    look: Look

    @property
    def solid(self) -> bool:
        """No object lies beyond a wall."""
        return True

    def depth(self, y: Field, x: Field) -> Field:
        """Distance (px) from the wall into the fluid, negative behind it; `y`, `x`: cartridge pixels, broadcast."""
        across, along = (x, y) if self.upright else (y, x)
        height, length, phase = self.wave
        line = self.inset + self.tilt * (along - self.middle) + height * np.sin(along * (2 * math.pi / length) + phase)
        return np.asarray(self.inward * (across - self.start) - line, dtype=np.float32)


@dataclass(frozen=True)
class Bubble:
    """Air above the cells, seen from below."""

    y: float
    x: float
    radius: float
    stretch: float
    """Ratio of the axes along y and x."""
    look: Look

    @property
    def solid(self) -> bool:
        """Objects may lie under a bubble."""
        return False

    def depth(self, y: Field, x: Field) -> Field:
        """Distance (px) from the bubble into the fluid, negative under it; `y`, `x`: cartridge pixels, broadcast."""
        root = math.sqrt(self.stretch)
        return np.asarray(np.hypot((y - self.y) / root, (x - self.x) * root) - self.radius, dtype=np.float32)


@dataclass(frozen=True)
class Chamber:
    """One cartridge without its objects. The default: fluid without end, in focus everywhere."""

    edges: tuple[Wall | Bubble, ...] = ()
    focus_drift: float = 0.0
    focus_seed: int = 0

    def holds(self, y: NDArray[np.float64], x: NDArray[np.float64]) -> NDArray[np.bool_]:
        """(n,) whether the places (cartridge pixels) lie within the walls."""
        inside = np.ones(len(y), dtype=bool)
        for edge in self.edges:
            if edge.solid:
                inside &= edge.depth(y.astype(np.float32), x.astype(np.float32)) > 0
        return inside

    def defocus(self, y: NDArray[np.float64], x: NDArray[np.float64]) -> NDArray[np.float32]:
        """(n,) blur (sigma, px) that the places add: most lie within the depth of field, some regions do not."""
        if len(y) == 0:
            return np.zeros(0, np.float32)
        error = np.abs(optics.smooth_noise_at(self.focus_seed, y, x, FOCUS_KNOT_PX))
        blur = self.focus_drift * np.maximum(error - 0.75, 0)
        under = self.under_bubble(y, x)
        return np.asarray(np.where(under, np.hypot(blur, UNDER_BUBBLE_PX), blur), dtype=np.float32)

    def near(self, place: tuple[int, int], size: tuple[int, int]) -> Chamber:
        """The chamber with those edges only that may show in the region of `size` (h, w) at cartridge pixel `place`."""
        return replace(self, edges=tuple(edge for edge in self.edges if _part(edge, place, size, 1) is not None))

    def under_bubble(self, y: NDArray[np.float64], x: NDArray[np.float64]) -> NDArray[np.bool_]:
        """(n,) whether the places lie under a bubble."""
        under = np.zeros(len(y), dtype=bool)
        for edge in self.edges:
            if not edge.solid:
                under |= edge.depth(y.astype(np.float32), x.astype(np.float32)) < 0
        return under


OPEN = Chamber()


# ---- light ----------------------------------------------------------------------------------------------------------


def add_background(
    patient: Patient, chamber: Chamber, light: Field, place: tuple[int, int], pages: Sequence[int], step: int = 1
) -> None:
    """Put `light` (pages, h, w) of objects, whose corner lies at cartridge pixel `place`, before its background.

    Changes `light`. step: cartridge pixels from one sample to the next, for a coarse view.
    """
    size = light.shape[1], light.shape[2]
    parts = [part for edge in chamber.edges if (part := _part(edge, place, size, step)) is not None]
    haze = optics.haze(patient.seed, pages, place, size, step)
    for layer, ground, page in zip(light, haze, pages, strict=True):
        ground *= patient.background[page] * patient.haze[page]
        ground += patient.background[page]
        for rows, cols, beyond, ring, look in parts:
            layer[rows, cols] *= 1 - np.float32(1 - look.passes) * beyond
            more = np.float32(look.beyond[page] - 1) * beyond
            more += np.float32(look.line[page]) * ring
            ground[rows, cols] *= 1 + more
        layer += ground


def _part(edge: Wall | Bubble, place: tuple[int, int], size: tuple[int, int], step: int) -> _Part | None:
    """What the edge changes of the region; None where it is too far."""
    y = np.arange(size[0], dtype=np.float32)[:, None] * step + np.float32(place[0])
    x = np.arange(size[1], dtype=np.float32)[None, :] * step + np.float32(place[1])
    far = REACH * edge.look.width_px
    coarse = np.asarray(edge.depth(y[::16], x[:, ::16]) < far + 30 * step)  # the edge may be nearer between samples
    if not coarse.any():
        return None
    rows, cols = _span(coarse, 1, size[0]), _span(coarse, 0, size[1])
    depth = edge.depth(y[rows], x[:, cols]) / np.float32(edge.look.width_px)
    return rows, cols, *_profile(depth), edge.look


def _span(coarse: NDArray[np.bool_], axis: int, length: int) -> slice:
    """Rows or columns from the first to the last touched one of `coarse`, which has every sixteenth."""
    found = np.flatnonzero(coarse.any(axis=axis))
    return slice(max(16 * int(found[0]) - 16, 0), min(16 * int(found[-1]) + 32, length))


_TABLE = np.arange(-REACH, REACH + 0.05, 0.05)
_BEYOND = (1 / (1 + np.exp(2.5 * _TABLE))).astype(np.float32)
_RING = (
    np.exp(-(_TABLE**2) / 2)
    - 0.5 * np.exp(-(((_TABLE - 2.6) / 1.2) ** 2) / 2)
    + 0.3 * np.exp(-(((_TABLE + 3.5) / 1.2) ** 2) / 2)
).astype(np.float32)


def _profile(depth: Field) -> tuple[Field, Field]:
    """How far beyond the edge (0..1) and the ring (bright at the edge), at `depth` in widths of the line."""
    index = np.clip((depth + np.float32(REACH)) * np.float32(20) + np.float32(0.5), 0, len(_TABLE) - 1).astype(np.intp)
    return _BEYOND[index], _RING[index]


# ---- one patient's cartridge ----------------------------------------------------------------------------------------


def draw_chamber(patient: Patient, height: int, width: int) -> Chamber:
    """The cartridge of this patient with an imaged area of height x width px; the same for ever."""
    rng = np.random.default_rng([patient.seed, 4])
    walls = _walls(patient, height, width, rng)
    bubbles = [_bubble(height, width, rng) for _ in range(patient.bubbles)]
    return Chamber((*walls, *bubbles), patient.focus_drift, patient.seed)


def _walls(patient: Patient, height: int, width: int, rng: np.random.Generator) -> list[Wall]:
    """Four walls of one look; each covers up to 2 % of the shorter side."""
    look = _wall_look(patient, min(height, width), rng)
    walls = []
    for upright, start, inward in ((False, 0, 1), (False, height, -1), (True, 0, 1), (True, width, -1)):
        inset, length = rng.uniform(0.003, 0.02) * min(height, width), height if upright else width
        tilt = rng.uniform(-0.6, 0.6) * inset / length
        wave = rng.uniform(0.03, 0.2) * inset, rng.uniform(0.2, 2) * min(height, width), 2 * math.pi * rng.random()
        walls.append(Wall(upright, float(start), inward, length / 2, inset, tilt, wave, look))
    return walls


def _wall_look(patient: Patient, shorter: int, rng: np.random.Generator) -> Look:
    """Plastic and glue shine of themselves, most at short wavelengths; where they do not, the wall is dark."""
    shine = np.array([1.2, 0.9, 0.45, 0.2]) * rng.uniform(0.5, 1.5) if patient.bright_rim else rng.uniform(-0.6, -0.1)
    dapi, marker, ck, cd45 = (1 + shine * np.ones(4)).tolist()
    line = rng.uniform(0.4, 2.0) * np.array([1, 0.8, 0.6, 0.4])
    return Look((dapi, marker, ck, cd45), _four(line), min(rng.uniform(3, 8), shorter / 200), rng.uniform(0.1, 0.5))


def _bubble(height: int, width: int, rng: np.random.Generator) -> Bubble:
    """A bubble of 0.1-1 mm radius, or less on a small area, anywhere."""
    radius = min(math.exp(rng.uniform(math.log(150), math.log(1500))), 0.2 * min(height, width))
    beyond = rng.uniform(0.5, 0.85) + rng.normal(0, 0.03, 4)
    line = rng.uniform(0.2, 1.0) * rng.uniform(0.6, 1.0, 4)
    look = Look(_four(beyond), _four(line), min(rng.uniform(4, 12), radius / 12), rng.uniform(0.5, 0.9))
    return Bubble(rng.uniform(0, height), rng.uniform(0, width), radius, rng.uniform(0.8, 1.25), look)


def _four(values: NDArray[np.float64]) -> Four:
    dapi, marker, ck, cd45 = values.tolist()
    return dapi, marker, ck, cd45
