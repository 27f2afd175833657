"""What lies in a cartridge, as shapes of light: cells with nuclei, debris, points, threads.

An `Item` is a recipe: size, shape, grey levels and its own seed, so that it looks the same in every frame it touches.
`paint` turns it into a `Stamp`: light on four pages in a small window, and its outline.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ctc_core.simulate import optics
from ctc_core.simulate.camera import WHITE
from ctc_core.simulate.shapes import Field, draw_band, draw_shape, nuclei
from ctc_core.simulate.textures import ck_texture, membrane, mottle
from ctc_core.types import PIXEL_UM

_Light = tuple[Field, NDArray[np.bool_], NDArray[np.float64] | None]
"""Light of four pages, mask of the body, corners of its outline relative to the centre (None: trace the mask)."""

DAPI, MARKER, CK, CD45 = range(4)
PAGES = 4
RAYS = 32
"""Corners of a compact object's outline."""

ANGLES = np.linspace(0, 2 * np.pi, RAYS, endpoint=False)
DIRECTIONS = np.stack([np.sin(ANGLES), np.cos(ANGLES)], axis=1)

NUCLEUS_EDGE = 0.35
"""Nuclear stain (0..1) at which the edge of a nucleus is drawn."""

CYTOPLASM_DAPI = 0.08
"""DAPI in the cytoplasm, relative to the nucleus: dye bound to RNA, light from above and below (assumed)."""

RAGGED = 0.25
"""How far a torn cell's edge moves in and out, relative to its half width."""

HOLLOW_LEAK = 0.25
"""Share of shine-through that shows as a ring (assumed; one of the four published examples)."""

GLARE_FROM = 3000
"""Grey levels above which the light scattered around an object is rendered."""


@dataclass(frozen=True)
class Item:
    """One object. Positions in cartridge pixels, levels in 12-bit grey values above the background."""

    kind: str
    phenotype: str
    is_ctc: bool
    y: float
    x: float
    diameter_um: float
    """Diameter of the circle with the body's area."""
    levels: tuple[float, float, float, float]
    """Typical brightness of the stained structures, pages DAPI, marker, CK, CD45."""
    texture: str = "even"
    """How CK fills the body: even, ring, granular, solid, crescent, spots; thread: the body is a band."""
    nucleus: str = "none"
    """none, round, lobed, kidney, fragments."""
    nucleus_um: float = 0.0
    elongation: float = 1.0
    roughness: float = 0.05
    """Relative amplitude of the outline's waves."""
    leak: float = 0.0
    """Share of the CK light that shows on the CD45 page."""
    defocus_px: float = 0.3
    seed: int = 0

    @property
    def ck_positive(self) -> bool:
        """CK light enough to be outlined on the CK page."""
        return self.levels[CK] > 0

    @property
    def reach_px(self) -> float:
        """No light of this item falls further from its centre than this (px, either axis)."""
        return window_half(self) + 1


@dataclass(frozen=True)
class Stamp:
    """Light of one item in a window whose corner lies at cartridge pixel (top, left)."""

    top: int
    left: int
    light: Field
    """(4, s, s) grey values above background, blurred, before illumination and noise."""
    inside: NDArray[np.bool_]
    """(s, s): the body (the nucleus, where there is no CK)."""
    corners: NDArray[np.float64] | None
    """(n, 2) [y, x] of the body's outline in cartridge pixels; None: traced from `inside`."""

    def outline(self) -> NDArray[np.float64]:
        """(n, 2) corners [y, x] of the body in cartridge pixels."""
        return self.corners if self.corners is not None else np.add(_hull(self.inside), (self.top, self.left))


def window_half(item: Item) -> int:
    """Half edge (px) of the window that holds all light of `item`."""
    radius = max(item.diameter_um, item.nucleus_um) / 2 / PIXEL_UM
    spread = 3.2 * optics.psf_px(CD45, item.defocus_px) + (10 if item.levels[CK] > GLARE_FROM else 0)
    return math.ceil(radius * math.sqrt(item.elongation) * (1 + 2 * item.roughness) + spread + 1)


def paint(item: Item) -> Stamp:
    """The item's light, mask and outline. Deterministic: depends on `item` alone."""
    rng = np.random.default_rng(item.seed)
    half = window_half(item)
    top, left = math.floor(item.y) - half, math.floor(item.x) - half
    y, x = _axes(2 * half + 1, item.y - top, item.x - left)
    draw = _thread if item.texture == "thread" else _cell
    light, inside, corners = draw(item, y, x, rng)
    _see(light, item, rng)
    return Stamp(top, left, light, inside, None if corners is None else np.add(corners, (item.y, item.x)))


def _axes(size: int, y0: float, x0: float) -> tuple[Field, Field]:
    pixels = np.arange(size, dtype=np.float32)
    return (pixels - np.float32(y0))[:, None], (pixels - np.float32(x0))[None, :]


def _see(light: Field, item: Item, rng: np.random.Generator) -> None:
    """Blur every lit page in place, let CK leak into CD45, add glare around very bright CK."""
    for page in range(PAGES):
        if item.levels[page] > 0:
            light[page] = optics.blur(light[page], page, item.defocus_px)
    if item.levels[CK] > GLARE_FROM:
        light[CK] += optics.glare(light[CK])
    if item.leak > 0:
        light[CD45] += item.leak * _leaking(light[CK], rng)


def _leaking(ck: Field, rng: np.random.Generator) -> Field:
    """CK light that reaches the CD45 page: uneven, and now and then only from the cell's rim."""
    if rng.random() < HOLLOW_LEAK:
        ck = np.maximum(ck - 0.8 * ndimage.gaussian_filter(ck, 4.0), 0)
    return np.asarray(ck * mottle(ck.shape, 2.2, 0.45, rng), dtype=np.float32)


def _cell(item: Item, y: Field, x: Field, rng: np.random.Generator) -> _Light:
    body = draw_shape(item.diameter_um, item.elongation, item.roughness, rng)
    distance: Field = np.hypot(y, x, dtype=np.float32)
    theta: Field = np.arctan2(y, x, dtype=np.float32)
    edge = body.radius(theta)
    u: Field = np.divide(distance, edge, dtype=np.float32)
    mask = np.clip(edge - distance + 0.5, 0, 1)
    stain = nuclei(item.nucleus, item.nucleus_um, body, y, x, rng)
    light = np.zeros((PAGES, *mask.shape), dtype=np.float32)
    light[DAPI] = item.levels[DAPI] * np.maximum(stain * mottle(mask.shape, 1.2, 0.25, rng), CYTOPLASM_DAPI * mask)
    light[MARKER] = item.levels[MARKER] * mask
    if item.ck_positive:
        light[CK] = item.levels[CK] * mask * ck_texture(item.texture, u, theta, stain, rng)
    if item.levels[CD45] > 0:
        light[CD45] = item.levels[CD45] * mask * membrane(u, rng)
    if not item.ck_positive and item.nucleus != "none":
        return light, stain > NUCLEUS_EDGE, None
    grown = _saturation_growth(item)
    return light, distance < edge + grown, (body.radius(ANGLES) + grown)[:, None] * DIRECTIONS


def _saturation_growth(item: Item) -> float:
    """How much further out (px) the half-maximum edge lies when the camera clips the CK peak at 4095."""
    clipped = min(1.0, WHITE / item.levels[CK]) if item.ck_positive else 1.0
    return optics.psf_px(CK, item.defocus_px) * optics.edge_shift(0.5 * clipped)


def _thread(item: Item, y: Field, x: Field, rng: np.random.Generator) -> _Light:
    band = draw_band(item.diameter_um, item.elongation, item.roughness, rng)
    depth = band.depth(y, x)
    half = np.float32(np.median(band.widths))
    ragged = depth + RAGGED * half * (mottle(depth.shape, 3.0, 1.0, rng) - 1)
    body = np.clip(ragged / (0.6 * half) + 0.2, 0, 1) * mottle(depth.shape, 5.0, 0.25, rng)
    light = np.stack([level * body * mottle(depth.shape, 2.2, 0.25, rng) for level in item.levels])
    return light.astype(np.float32), depth > -0.5, band.outline()


def _hull(inside: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Convex outline (RAYS, 2) of a mask in its own pixels: the furthest pixel in every direction."""
    points = np.argwhere(inside).astype(float)
    if len(points) == 0:
        return np.full((RAYS, 2), inside.shape[0] / 2)
    corners: NDArray[np.float64] = points[np.argmax(points @ DIRECTIONS.T, axis=0)] + 0.5 * DIRECTIONS
    return corners
