"""Frames and crops: objects seen through the microscope by the camera, with the truth about them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ctc_core.simulate import camera, optics
from ctc_core.simulate.objects import CD45, CK, DAPI, PAGES, Item, Stamp, paint
from ctc_core.simulate.patient import Patient, draw_patient
from ctc_core.simulate.population import populate
from ctc_core.simulate.shapes import Field
from ctc_core.types import CROP_PX, PIXEL_UM

FRAME_HEIGHT, FRAME_WIDTH = 1036, 1384

TRUTH_COLUMNS = (
    "object_id", "kind", "phenotype", "is_ctc", "ck_positive", "frame", "y", "x", "diameter_um", "outline",
    "dapi_mean", "marker_mean", "ck_mean", "cd45_mean", "cut_by_border",
)  # fmt: skip


class Crowd:
    """All objects of a cartridge with an index by place. An object's id is its position in `items`."""

    def __init__(self, items: Sequence[Item]) -> None:
        self.items = items
        table = np.array([(item.y, item.x, item.reach_px) for item in items]).reshape(-1, 3)
        self._y, self._x, self._reach = table.T

    def near(self, origin: tuple[int, int], size: tuple[int, int]) -> list[tuple[int, Item]]:
        """(id, item) of all whose light may reach the region of `size` (h, w) at `origin`."""
        down = np.abs(self._y - origin[0] - size[0] / 2) <= size[0] / 2 + self._reach
        across = np.abs(self._x - origin[1] - size[1] / 2) <= size[1] / 2 + self._reach
        return [(i, self.items[i]) for i in np.flatnonzero(down & across).tolist()]


def render_frame(
    patient: Patient,
    rng: np.random.Generator,
    *,
    width: int = FRAME_WIDTH,
    height: int = FRAME_HEIGHT,
    ctcs: tuple[int, int] | None = None,
) -> tuple[NDArray[np.uint16], pd.DataFrame]:
    """One frame of this patient: (4, height, width) uint16 grey values 0..4095 (DAPI, marker, CK, CD45), and its truth.

    ctcs: range (inclusive) of the number of CTCs in the frame; None: the patient's density. The truth has one row per
    object that shows, columns `TRUTH_COLUMNS`, frame 1; see `truth`.
    """
    items = populate(patient, height, width, rng, ctcs=ctcs)
    return render_region(patient, Crowd(items), (0, 0), (height, width), rng)


def render_region(
    patient: Patient,
    crowd: Crowd,
    origin: tuple[int, int],
    size: tuple[int, int],
    rng: np.random.Generator,
    *,
    frame: int = 1,
) -> tuple[NDArray[np.uint16], pd.DataFrame]:
    """The frame of `size` (h, w) whose upper left corner lies at cartridge pixel `origin`, and its truth.

    crowd: all objects of the cartridge; those out of reach are skipped. `rng` draws background and noise.
    """
    stamps = [(number, item, paint(item)) for number, item in crowd.near(origin, size)]
    light = np.zeros((PAGES, *size), dtype=np.float32)
    for _, _, stamp in stamps:
        _add(light, stamp, origin, range(PAGES))
    scene = _photograph(patient, light, (0, 0), rng, range(PAGES))
    return scene, truth(stamps, scene, origin, frame)


def _overlap(stamp: Stamp, origin: tuple[int, int], size: tuple[int, int]) -> tuple[slice, slice, slice, slice] | None:
    """(rows, cols) of the frame and (rows, cols) of the stamp where both lie; None when they do not meet."""
    top, left = stamp.top - origin[0], stamp.left - origin[1]
    edge = stamp.inside.shape[0]
    y0, y1, x0, x1 = max(top, 0), min(top + edge, size[0]), max(left, 0), min(left + edge, size[1])
    if y0 >= y1 or x0 >= x1:
        return None
    return slice(y0, y1), slice(x0, x1), slice(y0 - top, y1 - top), slice(x0 - left, x1 - left)


def _add(light: Field, stamp: Stamp, origin: tuple[int, int], pages: Sequence[int]) -> None:
    where = _overlap(stamp, origin, (light.shape[1], light.shape[2]))
    if where is not None:
        rows, cols, stamp_rows, stamp_cols = where
        light[:, rows, cols] += stamp.light[list(pages), stamp_rows, stamp_cols]


def _photograph(
    patient: Patient, light: Field, corner: tuple[int, int], rng: np.random.Generator, pages: Sequence[int]
) -> NDArray[np.uint16]:
    """Background, lamp and camera for `light` (pages, h, w), which lies at `corner` of its frame; changes `light`."""
    height, width = light.shape[1:]
    columns = slice(corner[1], corner[1] + width)
    lamp = optics.shading(height, width, patient.bright_spot, patient.vignette, corner)
    stripes = camera.column_stripes(patient.seed, patient.stripes, max(FRAME_WIDTH, corner[1] + width))[columns]
    lamp *= camera.column_gain(patient.seed, max(FRAME_WIDTH, corner[1] + width))[columns]
    for layer, page in zip(light, pages, strict=True):
        layer += patient.background[page] * (1 + patient.haze[page] * optics.haze(height, width, rng))
        layer *= lamp
    return camera.expose(light, stripes, rng)


# ---- truth ----------------------------------------------------------------------------------------------------------


def truth(
    stamps: Sequence[tuple[int, Item, Stamp]], scene: NDArray[np.uint16], origin: tuple[int, int], frame: int
) -> pd.DataFrame:
    """One row per object with a part of its body in the frame, columns `TRUTH_COLUMNS`.

    y, x, outline: frame pixels, possibly outside the frame for an object that a border cuts. outline: list of [y, x]
    corners of the CK-positive body (of the nucleus where there is no CK). *_mean: mean 12-bit grey value, background
    included, of the body's part within the frame. The same `object_id` in two frames is the same object.
    """
    size = scene.shape[1], scene.shape[2]
    rows = (_truth_row(number, item, stamp, scene, origin, size, frame) for number, item, stamp in stamps)
    return pd.DataFrame([row for row in rows if row is not None], columns=list(TRUTH_COLUMNS))


def _truth_row(
    number: int,
    item: Item,
    stamp: Stamp,
    scene: NDArray[np.uint16],
    origin: tuple[int, int],
    size: tuple[int, int],
    frame: int,
) -> tuple[object, ...] | None:
    where = _overlap(stamp, origin, size)
    if where is None:
        return None
    rows, cols, stamp_rows, stamp_cols = where
    inside = stamp.inside[stamp_rows, stamp_cols]
    if not inside.any():
        return None
    means = [float(page[rows, cols][inside].mean()) for page in scene]
    outline = stamp.outline() - origin
    cut = bool((outline < 0).any() or (outline > (size[0] - 1, size[1] - 1)).any())
    position = item.y - origin[0], item.x - origin[1]
    corners = outline.round(2).tolist()
    return (
        number, item.kind, item.phenotype, item.is_ctc, item.ck_positive, frame, *position, item.diameter_um, corners,
        *means, cut,
    )  # fmt: skip


# ---- crops ----------------------------------------------------------------------------------------------------------

CROP_PAGES = (DAPI, CK, CD45)


def render_crops(
    n: int,
    seed: int,
    *,
    patients: Sequence[int] | None = None,
    ctc_share: float = 0.25,
    crops_per_patient: int = 32,
) -> tuple[NDArray[np.uint8], NDArray[np.str_], NDArray[np.bool_]]:
    """`n` crops at CK-positive objects: (n, 3, 48, 48) uint8 DAPI/CK/CD45 stretched as in an archive, kinds, is_ctc.

    patients: seeds of the patients to take turns; None: every `crops_per_patient` crops a new patient from `seed`.
    ctc_share: expected share of CTCs (in a real cartridge below 1 %). Deterministic in all arguments.
    """
    rng = np.random.default_rng([seed, 48])
    crops = np.empty((n, 3, CROP_PX, CROP_PX), dtype=np.uint8)
    chosen: list[Item] = []
    while len(chosen) < n:
        turn = len(chosen) // crops_per_patient
        number = patients[turn % len(patients)] if patients else int(rng.integers(2**31))
        patient = draw_patient(number)
        items = populate(patient, FRAME_HEIGHT, FRAME_WIDTH, rng, ctcs=(24, 36))
        limits, crowd = typical_limits(patient, items), Crowd(items)
        for item in _choose(items, min(crops_per_patient, n - len(chosen)), ctc_share, rng):
            crops[len(chosen)] = _crop(patient, crowd, item, limits, rng)
            chosen.append(item)
    return crops, np.array([item.kind for item in chosen], dtype=np.str_), np.array([item.is_ctc for item in chosen])


def _choose(items: Sequence[Item], count: int, ctc_share: float, rng: np.random.Generator) -> list[Item]:
    """CK-positive items within the frame, a CTC with probability `ctc_share`."""
    seen = [i for i in items if i.ck_positive and 0 <= i.y < FRAME_HEIGHT and 0 <= i.x < FRAME_WIDTH]
    tumour, other = [i for i in seen if i.is_ctc], [i for i in seen if not i.is_ctc]
    pools = [tumour if rng.random() < ctc_share or not other else other for _ in range(count)]
    return [pool[int(rng.integers(len(pool)))] for pool in pools]


def _crop(
    patient: Patient,
    crowd: Crowd,
    item: Item,
    limits: NDArray[np.float64],
    rng: np.random.Generator,
) -> NDArray[np.uint8]:
    centre = item.y + rng.normal(0, 0.6), item.x + rng.normal(0, 0.6)
    top = min(max(round(centre[0]) - CROP_PX // 2, 0), FRAME_HEIGHT - CROP_PX)
    left = min(max(round(centre[1]) - CROP_PX // 2, 0), FRAME_WIDTH - CROP_PX)
    light = np.zeros((3, CROP_PX, CROP_PX), dtype=np.float32)
    for _, near in crowd.near((top, left), (CROP_PX, CROP_PX)):
        _add(light, paint(near), (top, left), CROP_PAGES)
    grey = _photograph(patient, light, (top, left), rng, CROP_PAGES)
    return np.stack([camera.stretch(page, *limit) for page, limit in zip(grey, limits, strict=True)])


def typical_limits(patient: Patient, items: Sequence[Item]) -> NDArray[np.float64]:
    """(3, 2) low and high grey value of DAPI, CK and CD45 that a frame with `items` would be stretched to: extremes."""
    limits = np.empty((3, 2))
    for row, page in enumerate(CROP_PAGES):
        ground = patient.background[page]
        noise = np.sqrt(ground / camera.ELECTRONS_PER_LEVEL + camera.READ_NOISE_LEVELS**2)
        low = ground * (1 - 0.5 * patient.vignette - 2 * patient.haze[page]) - 3.5 * noise - 2 * patient.stripes
        peak = max((_peak(item, page) for item in items), default=0.0)
        limits[row] = max(low, 0), min(ground + max(peak, 6 * noise), camera.WHITE)
    return limits


def _peak(item: Item, page: int) -> float:
    """Highest expected grey value of the item above background: texture adds, blur takes from small ones."""
    level = 1.25 * item.levels[page] + (item.leak * item.levels[CK] if page == CD45 else 0)
    radius = (item.nucleus_um if page == DAPI else item.diameter_um) / 2 / PIXEL_UM
    return float(level * (1 - np.exp(-0.5 * (radius / optics.psf_px(page, item.defocus_px)) ** 2)))
