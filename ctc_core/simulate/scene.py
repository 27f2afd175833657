"""Frames and crops: objects seen through the microscope by the camera, with the truth about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ctc_core.simulate import camera, optics
from ctc_core.simulate.artefacts import OPEN, Chamber, add_background, draw_chamber
from ctc_core.simulate.objects import CD45, CK, DAPI, PAGES, Item, Stamp, paint
from ctc_core.simulate.patient import Group, Patient, draw_patient
from ctc_core.simulate.population import populate
from ctc_core.simulate.shapes import Field
from ctc_core.simulate.truth import overlap, truth
from ctc_core.types import CROP_PX, PIXEL_UM

FRAME_HEIGHT, FRAME_WIDTH = 1036, 1384
ROWS, COLS = 5, 35
"""Frames of the cartridge that single frames and crops are taken from."""


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

    It is any frame of the patient's cartridge (its upper left part, where it is smaller), those at the rim included.
    ctcs: range (inclusive) of the number of CTCs in the frame; None: the patient's density. The truth has one row per
    object that shows, columns `TRUTH_COLUMNS`, frame 1; see `truth`.
    """
    origin, chamber = _some_frame(patient, rng)
    items = populate(patient, height, width, rng, ctcs=ctcs, origin=origin, chamber=chamber)
    return render_region(patient, Crowd(items), origin, (height, width), rng, chamber=chamber)


def _some_frame(patient: Patient, rng: np.random.Generator) -> tuple[tuple[int, int], Chamber]:
    """Corner (cartridge pixels) of any frame of the patient's cartridge, and that cartridge."""
    origin = int(rng.integers(ROWS)) * FRAME_HEIGHT, int(rng.integers(COLS)) * FRAME_WIDTH
    chamber = draw_chamber(patient, ROWS * FRAME_HEIGHT, COLS * FRAME_WIDTH)
    return origin, chamber.near(origin, (FRAME_HEIGHT, FRAME_WIDTH))


def render_region(
    patient: Patient,
    crowd: Crowd,
    origin: tuple[int, int],
    size: tuple[int, int],
    rng: np.random.Generator,
    *,
    frame: int = 1,
    chamber: Chamber = OPEN,
) -> tuple[NDArray[np.uint16], pd.DataFrame]:
    """The frame of `size` (h, w) whose upper left corner lies at cartridge pixel `origin`, and its truth.

    crowd: all objects of the cartridge; those out of reach are skipped. chamber: its rim and bubbles. `rng` draws the
    camera's noise.
    """
    stamps = [(number, item, paint(item)) for number, item in crowd.near(origin, size)]
    light = np.zeros((PAGES, *size), dtype=np.float32)
    for _, _, stamp in stamps:
        _add(light, stamp, origin, range(PAGES))
    add_background(patient, chamber, light, origin, range(PAGES))
    scene = _photograph(patient, light, (0, 0), rng, range(PAGES))
    return scene, truth(stamps, scene, origin, frame)


def _add(light: Field, stamp: Stamp, origin: tuple[int, int], pages: Sequence[int]) -> None:
    where = overlap(stamp, origin, (light.shape[1], light.shape[2]))
    if where is not None:
        rows, cols, stamp_rows, stamp_cols = where
        light[:, rows, cols] += stamp.light[list(pages), stamp_rows, stamp_cols]


def _photograph(
    patient: Patient, light: Field, corner: tuple[int, int], rng: np.random.Generator, pages: Sequence[int]
) -> NDArray[np.uint16]:
    """Lamp and camera for `light` (pages, h, w), which lies at `corner` of its frame; changes `light`."""
    height, width = light.shape[1:]
    columns = slice(corner[1], corner[1] + width)
    stripes = camera.column_stripes(patient.seed, patient.stripes, max(FRAME_WIDTH, corner[1] + width))[columns]
    gain = camera.column_gain(patient.seed, max(FRAME_WIDTH, corner[1] + width))[columns]
    for layer, page in zip(light, pages, strict=True):
        layer *= optics.shading(height, width, patient.bright_spot[page], patient.vignette, corner)
        layer *= gain
    return camera.expose(light, stripes, rng)


# ---- crops ----------------------------------------------------------------------------------------------------------

CROP_PAGES = (DAPI, CK, CD45)


def render_crops(
    n: int,
    seed: int,
    *,
    patients: Sequence[int] | None = None,
    ctc_share: float = 0.25,
    crops_per_patient: int = 32,
    group: Group = "metastatic",
) -> tuple[NDArray[np.uint8], NDArray[np.str_], NDArray[np.bool_]]:
    """`n` crops at CK-positive objects: (n, 3, 48, 48) uint8 DAPI/CK/CD45 stretched as in an archive, kinds, is_ctc.

    patients: seeds of the patients to take turns; None: every `crops_per_patient` crops a new patient from `seed`.
    ctc_share: expected share of CTCs (in a real cartridge below 1 %). group: of all patients; where it has no CTCs,
    there are none here. Deterministic in all arguments.
    """
    crops, items = render_items(
        n, seed, patients=patients, ctc_share=ctc_share, crops_per_patient=crops_per_patient, group=group
    )
    return crops, np.array([item.kind for item in items], dtype=np.str_), np.array([item.is_ctc for item in items])


def render_items(
    n: int,
    seed: int,
    *,
    patients: Sequence[int] | None,
    ctc_share: float,
    crops_per_patient: int,
    group: Group = "metastatic",
) -> tuple[NDArray[np.uint8], list[Item]]:
    """As `render_crops`, with all there is to know about each object. An object may come more than once."""
    rng = np.random.default_rng([seed, 48])
    crops = np.empty((n, 3, CROP_PX, CROP_PX), dtype=np.uint8)
    chosen: list[Item] = []
    while len(chosen) < n:
        turn = len(chosen) // crops_per_patient
        number = patients[turn % len(patients)] if patients else int(rng.integers(2**31))
        view = _view(draw_patient(number, group=group), rng)
        for item in _choose(view, min(crops_per_patient, n - len(chosen)), ctc_share, rng):
            crops[len(chosen)] = _crop(view, item, rng)
            chosen.append(item)
    return crops, chosen


@dataclass(frozen=True)
class _View:
    """One frame of a patient, of which crops are rendered without the rest."""

    patient: Patient
    chamber: Chamber
    crowd: Crowd
    origin: tuple[int, int]
    limits: NDArray[np.float64]


def _view(patient: Patient, rng: np.random.Generator) -> _View:
    """Any frame of the patient's cartridge, with more CTCs than it would have, so that each looks different."""
    origin, chamber = _some_frame(patient, rng)
    ctcs = (24, 36) if patient.ctcs else (0, 0)
    items = populate(patient, FRAME_HEIGHT, FRAME_WIDTH, rng, ctcs=ctcs, origin=origin, chamber=chamber)
    limits = typical_limits(patient, items, backdrop(patient, chamber, origin))
    return _View(patient, chamber, Crowd(items), origin, limits)


def _choose(view: _View, count: int, ctc_share: float, rng: np.random.Generator) -> list[Item]:
    """CK-positive items within the frame, a CTC with probability `ctc_share`."""
    (y0, x0), items = view.origin, view.crowd.items
    seen = [i for i in items if i.ck_positive and 0 <= i.y - y0 < FRAME_HEIGHT and 0 <= i.x - x0 < FRAME_WIDTH]
    tumour, other = [i for i in seen if i.is_ctc], [i for i in seen if not i.is_ctc]
    wants = [tumour if rng.random() < ctc_share else other for _ in range(count)]
    pools = [pool or tumour or other for pool in wants]
    return [pool[int(rng.integers(len(pool)))] for pool in pools]


def _crop(view: _View, item: Item, rng: np.random.Generator) -> NDArray[np.uint8]:
    y, x = item.y - view.origin[0] + rng.normal(0, 0.6), item.x - view.origin[1] + rng.normal(0, 0.6)
    top = min(max(round(y) - CROP_PX // 2, 0), FRAME_HEIGHT - CROP_PX)
    left = min(max(round(x) - CROP_PX // 2, 0), FRAME_WIDTH - CROP_PX)
    place = view.origin[0] + top, view.origin[1] + left
    light = np.zeros((3, CROP_PX, CROP_PX), dtype=np.float32)
    for _, near in view.crowd.near(place, (CROP_PX, CROP_PX)):
        _add(light, paint(near), place, CROP_PAGES)
    add_background(view.patient, view.chamber, light, place, CROP_PAGES)
    grey = _photograph(view.patient, light, (top, left), rng, CROP_PAGES)
    return np.stack([camera.stretch(page, *limit) for page, limit in zip(grey, view.limits, strict=True)])


COARSE = 14
"""Frame pixels between the samples of a coarse view."""


def backdrop(patient: Patient, chamber: Chamber, origin: tuple[int, int]) -> NDArray[np.float32]:
    """(3, 74, 99) DAPI, CK and CD45 of the frame at `origin` without objects and lamp, every `COARSE` pixels."""
    light = np.zeros((3, FRAME_HEIGHT // COARSE, FRAME_WIDTH // COARSE), dtype=np.float32)
    add_background(patient, chamber, light, origin, CROP_PAGES, COARSE)
    return light


def typical_limits(patient: Patient, items: Sequence[Item], empty: NDArray[np.float32]) -> NDArray[np.float64]:
    """(3, 2) low and high grey value of DAPI, CK and CD45 that a frame with `items` would be stretched to: extremes.

    empty: the frame's `backdrop`.
    """
    limits = np.empty((3, 2))
    for row, page in enumerate(CROP_PAGES):
        ground, least, most = float(np.median(empty[row])), float(empty[row].min()), float(empty[row].max())
        noise = np.sqrt(ground / camera.ELECTRONS_PER_LEVEL + camera.READ_NOISE_LEVELS**2)
        low = least * (1 - 0.5 * patient.vignette) - 3.5 * noise - 2 * patient.stripes
        peak = max((_peak(item, page) for item in items), default=0.0)
        limits[row] = max(low, 0), min(max(ground + peak, most + 6 * noise), camera.WHITE)
    return limits


def _peak(item: Item, page: int) -> float:
    """Highest expected grey value of the item above background: texture adds, blur takes from small ones."""
    level = 1.25 * item.levels[page] + (item.leak * item.levels[CK] if page == CD45 else 0)
    radius = (item.nucleus_um if page == DAPI else item.diameter_um) / 2 / PIXEL_UM
    return float(level * (1 - np.exp(-0.5 * (radius / optics.psf_px(page, item.defocus_px)) ** 2)))
