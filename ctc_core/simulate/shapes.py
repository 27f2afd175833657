"""Outlines and nuclei: star-convex bodies, lobes, bent bands. Lengths in pixels, relative to the object's centre."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ctc_core.types import PIXEL_UM

Field = NDArray[np.float32]


@dataclass(frozen=True)
class Shape:
    """Star-convex outline: an ellipse with waves."""

    major: float
    minor: float
    angle: float
    waves: NDArray[np.float32]
    phases: NDArray[np.float32]

    def radius(self, theta: NDArray[np.floating]) -> NDArray[np.float32]:
        """Radius (px) in direction `theta`."""
        direction = np.cos(theta) + np.complex64(1j) * np.sin(theta)  # its k-th power has the angle k theta: fast waves
        turned = direction * np.complex64(np.exp(-1j * self.angle))
        ellipse = self.major * self.minor / np.hypot(self.minor * turned.real, self.major * turned.imag)
        waves, power = np.float32(1), direction
        for factor in self.waves * np.exp(1j * self.phases):
            power = power * direction
            waves = waves + (power * np.complex64(factor)).real
        return np.asarray(ellipse * waves, dtype=np.float32)


def draw_shape(diameter_um: float, elongation: float, roughness: float, rng: np.random.Generator) -> Shape:
    """A body with the area of a circle of `diameter_um`; `roughness`: relative height of the waves on its ellipse."""
    radius, stretch = diameter_um / 2 / PIXEL_UM, math.sqrt(elongation)
    falling = np.array([1, 0.7, 0.45, 0.25], dtype=np.float32)
    waves = np.float32(roughness) * falling * rng.standard_normal(4, dtype=np.float32)
    phases = (2 * np.pi * rng.random(4)).astype(np.float32)
    return Shape(radius * stretch, radius / stretch, math.pi * rng.random(), np.clip(waves, -0.3, 0.3), phases)


def nuclei(kind: str, diameter_um: float, body: Shape, y: Field, x: Field, rng: np.random.Generator) -> Field:
    """Nuclear stain (h, w), about 0..1: one or more domes; `kind` none, round, lobed, kidney or fragments."""
    stain = np.zeros((y.shape[0], x.shape[1]), dtype=np.float32)
    if kind == "none":
        return stain
    for lobe in _lobes(kind, diameter_um / 2 / PIXEL_UM, body, rng):
        cos, sin = math.cos(lobe.angle), math.sin(lobe.angle)
        dy, dx = y - lobe.y, x - lobe.x
        far = np.hypot((cos * dx + sin * dy) / lobe.major, (cos * dy - sin * dx) / lobe.minor)
        dome = np.sqrt(np.clip(1.05 - far**2, 0.0, 1)) * np.clip((1 - far) * lobe.minor + 0.5, 0, 1)
        np.maximum(stain, lobe.level * dome, out=stain)
    return stain


@dataclass(frozen=True)
class Lobe:
    """An elliptic part of a nucleus: place, half axes (px), direction, brightness 0..1."""

    y: float
    x: float
    major: float
    minor: float
    angle: float
    level: float


ARRANGEMENT = {
    # kind: (least lobes, most lobes, distance from the middle, arc they lie on, size x sqrt(lobes))
    "lobed": (2, 4, 0.46, 2.0 * math.pi, 1.0),
    "kidney": (3, 3, 0.30, 0.8 * math.pi, 1.25),
    "fragments": (2, 5, 0.80, 2.0 * math.pi, 0.75),
}
"""Neutrophil nuclei have 2-5 lobes, monocytes a kidney-shaped nucleus, lymphocytes a round one (textbook histology)."""


def _lobes(kind: str, radius: float, body: Shape, rng: np.random.Generator) -> list[Lobe]:
    if kind == "round":
        return [_round(radius, body, rng)]
    least, most, away, arc, size = ARRANGEMENT[kind]
    count = int(rng.integers(least, most + 1))
    start, minor = 2 * math.pi * rng.random(), size * radius / math.sqrt(count)
    lobes = []
    for k in range(count):
        around, out = start + arc * k / count + rng.normal(0, 0.15), away * radius * rng.uniform(0.8, 1.2)
        y, x, major = out * math.sin(around), out * math.cos(around), minor * rng.uniform(0.85, 1.35)
        lobes.append(Lobe(y, x, major, 0.8 * minor, around + math.pi / 2, rng.uniform(0.6, 1.0)))
    return lobes


def _round(radius: float, body: Shape, rng: np.random.Generator) -> Lobe:
    """One nucleus, anywhere within the body."""
    room = max(0.0, min(body.minor, body.major) - radius)
    shift, towards = 0.8 * room * math.sqrt(rng.random()), 2 * math.pi * rng.random()
    ratio = math.sqrt(rng.uniform(1.0, 1.45))
    y, x = shift * math.sin(towards), shift * math.cos(towards)
    return Lobe(y, x, radius * ratio, radius / ratio, math.pi * rng.random(), 1.0)


@dataclass(frozen=True)
class Band:
    """A bent band: corners of its spine (n, 2) [y, x] and half widths (n,)."""

    spine: NDArray[np.float64]
    widths: NDArray[np.float64]

    def depth(self, y: Field, x: Field) -> Field:
        """How far (px) each pixel lies inside the band; negative outside."""
        depth = np.full((y.shape[0], x.shape[1]), -np.inf, dtype=np.float32)
        for (cy, cx), half in zip(self.spine, self.widths, strict=True):
            np.maximum(depth, half - np.hypot(y - cy, x - cx), out=depth)
        return depth

    def outline(self) -> NDArray[np.float64]:
        """Closed polygon (2 n + 6, 2)."""
        along = np.gradient(self.spine, axis=0)
        along /= np.linalg.norm(along, axis=1, keepdims=True) + 1e-9
        normal = np.stack([along[:, 1], -along[:, 0]], axis=1)
        one = self.spine + normal * self.widths[:, None]
        other = self.spine - normal * self.widths[:, None]
        tip = _cap(self.spine[-1], along[-1], normal[-1], self.widths[-1])
        tail = _cap(self.spine[0], -along[0], -normal[0], self.widths[0])
        return np.concatenate([one, tip, other[::-1], tail])


def _cap(
    end: NDArray[np.float64], along: NDArray[np.float64], normal: NDArray[np.float64], width: float
) -> NDArray[np.float64]:
    angles = np.pi * np.array([[0.25], [0.5], [0.75]])
    rounded: NDArray[np.float64] = end + width * (np.sin(angles) * along + np.cos(angles) * normal)
    return rounded


def draw_band(diameter_um: float, elongation: float, bend: float, rng: np.random.Generator) -> Band:
    """A band with about the area of a circle of `diameter_um`: longer by sqrt(elongation), narrower by as much."""
    radius = diameter_um / 2 / PIXEL_UM
    length, width = 1.8 * radius * math.sqrt(elongation), 0.9 * radius / math.sqrt(elongation)
    steps = max(8, math.ceil(1.5 * length / width))
    turn = 2 * math.pi * rng.random() + np.cumsum(rng.normal(0, 30 / steps * bend, steps))
    spine = np.cumsum(np.stack([np.sin(turn), np.cos(turn)], axis=1), axis=0) * (length / steps)
    swelling = np.cumsum(rng.normal(0, 0.9 / math.sqrt(steps), steps))
    return Band(spine - spine.mean(axis=0), width * np.clip(1 + swelling, 0.4, 1.8))
