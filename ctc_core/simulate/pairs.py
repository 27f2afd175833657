"""Two photographs of the same object, and a clean one of it alone: what an encoder can learn from without labels.

What a page shows of an object depends on more than the object: how strongly it was stained, background, haze, focus,
noise, which neighbours lie beside it, and which bright spot elsewhere set the page's upper limit. Here an object's
light is drawn once and photographed twice under two draws of all that, so that what both have in common is the object.
The clean photograph shows the object by itself, before background, lamp, noise and page limits. No kind and no class is
told; but no microscope can make such pictures, they are the simulator's knowledge.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from ctc_core.simulate import camera, optics, scene
from ctc_core.simulate.artefacts import add_background
from ctc_core.simulate.objects import Item, Stamp, paint
from ctc_core.simulate.patient import Patient, draw_patient
from ctc_core.simulate.scene import CROP_PAGES, FRAME_HEIGHT, FRAME_WIDTH
from ctc_core.simulate.shapes import Field
from ctc_core.types import CROP_PX

STAIN_SD = 0.15
"""Of the log brightness of one photograph, per channel. Moderate: CD45 beside CK tells leukocytes from tumour cells."""

BACKGROUND_SD = 0.3
"""Of the log background of one photograph, per channel."""

LIMIT_SD = 0.35
"""Of the log range of a page: which bright object happens to lie in the same frame."""

DROPPED = 0.25
"""Share of the neighbours that a photograph lacks."""

SHIFT_PX = 0.8
"""Standard deviation of the crop's centre about the object's, either axis."""

DEFOCUS_PX = (0.3, 0.8)
"""Extra blur (sigma) of every other photograph."""

CAMERAS = 4
"""Other cartridges per patient whose lamp, haze and camera photographs are taken with."""

FAINT = 30.0
"""Grey value below which the clean photograph's logarithmic scale is about linear."""

Rng = np.random.Generator


@dataclass(frozen=True)
class Pairs:
    """Photographs, row by row of one object; channels DAPI, CK, CD45."""

    shots: NDArray[np.uint8]
    """(n, 2, 3, 48, 48), each stretched to its own limits, as in an archive."""
    clean: NDArray[np.uint8]
    """(n, 3, 48, 48), the object alone; see `compress`."""

    def __len__(self) -> int:
        return len(self.clean)

    def rows(self, chosen: NDArray[np.int64] | slice) -> Pairs:
        """The same of some objects."""
        return Pairs(self.shots[chosen], self.clean[chosen])


def render_pairs(
    n: int,
    seed: int,
    *,
    patients: Sequence[int] | None = None,
    ctc_share: float = 0.25,
    crops_per_patient: int = 32,
) -> Pairs:
    """`n` CK-positive objects, drawn like those of `render_crops`. Deterministic in all arguments.

    patients: seeds of the patients to take turns; None: every `crops_per_patient` objects a new patient from `seed`.
    ctc_share: expected share of CTCs; which ones they are is not told.
    """
    rng = np.random.default_rng([seed, 49])
    shots = np.empty((n, 2, 3, CROP_PX, CROP_PX), dtype=np.uint8)
    clean = np.empty((n, 3, CROP_PX, CROP_PX), dtype=np.uint8)
    for start in range(0, n, crops_per_patient):
        turn = start // crops_per_patient
        patient = draw_patient(patients[turn % len(patients)] if patients else int(rng.integers(2**31)))
        photographs = _of_patient(patient, min(crops_per_patient, n - start), ctc_share, rng)
        for row, (pair, alone) in enumerate(photographs, start):
            shots[row], clean[row] = pair, alone
    return Pairs(shots, clean)


def _of_patient(
    patient: Patient, count: int, ctc_share: float, rng: Rng
) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
    """Two photographs (2, 3, 48, 48) and the clean one (3, 48, 48) of each of `count` objects."""
    view = scene._view(patient, rng)
    cameras = [_camera(patient, rng) for _ in range(CAMERAS)]
    painted = cache(lambda number: paint(view.crowd.items[number]))
    numbers = {id(item): number for number, item in enumerate(view.crowd.items)}
    for item in scene._choose(view, count, ctc_share, rng):
        number = numbers[id(item)]
        taken = [
            _shot(view, number, painted, cameras[int(rng.integers(CAMERAS))], _corner(view, item, rng), rng)
            for _ in range(2)
        ]
        light = np.zeros((3, CROP_PX, CROP_PX), dtype=np.float32)
        scene._add(light, painted(number), _corner(view, item), CROP_PAGES)
        yield np.stack(taken), compress(light)


def _camera(patient: Patient, rng: Rng) -> Patient:
    """This patient's cartridge as another lamp and camera see it: a patient of whom only those are used."""
    dapi, marker, ck, cd45 = (np.array(patient.background) * np.exp(rng.normal(0, BACKGROUND_SD, 4))).tolist()
    return replace(draw_patient(int(rng.integers(2**31))), background=(dapi, marker, ck, cd45))


def _corner(view: scene._View, item: Item, rng: Rng | None = None) -> tuple[int, int]:
    """Cartridge pixel of the upper left corner of a crop around the item, within the frame; shaken by `rng`."""
    dy, dx = rng.normal(0, SHIFT_PX, 2) if rng else (0.0, 0.0)
    y, x = item.y + dy - view.origin[0], item.x + dx - view.origin[1]
    top = min(max(round(y) - CROP_PX // 2, 0), FRAME_HEIGHT - CROP_PX)
    left = min(max(round(x) - CROP_PX // 2, 0), FRAME_WIDTH - CROP_PX)
    return view.origin[0] + top, view.origin[1] + left


def _shot(
    view: scene._View, number: int, painted: Callable[[int], Stamp], seen_by: Patient, place: tuple[int, int], rng: Rng
) -> NDArray[np.uint8]:
    """One photograph (3, 48, 48) uint8 of the crop at cartridge pixel `place`."""
    light = np.zeros((3, CROP_PX, CROP_PX), dtype=np.float32)
    for other, _ in view.crowd.near(place, (CROP_PX, CROP_PX)):
        if other == number or rng.random() > DROPPED:
            scene._add(light, painted(other), place, CROP_PAGES)
    if rng.random() < 0.5:
        sigma = rng.uniform(*DEFOCUS_PX)
        light = np.stack([optics._smooth(page, sigma) for page in light])
    light *= np.exp(rng.normal(0, STAIN_SD, (3, 1, 1))).astype(np.float32)
    add_background(seen_by, view.chamber, light, place, CROP_PAGES)
    grey = scene._photograph(seen_by, light, (place[0] - view.origin[0], place[1] - view.origin[1]), rng, CROP_PAGES)
    return np.stack(
        [camera.stretch(page, *limit) for page, limit in zip(grey, _limits(view, seen_by, rng), strict=True)]
    )


def _limits(view: scene._View, seen_by: Patient, rng: Rng) -> NDArray[np.float64]:
    """(3, 2) low and high grey value to which the pages of one photograph are stretched."""
    ratio = np.array([seen_by.background[page] / view.patient.background[page] for page in CROP_PAGES])
    low = view.limits[:, 0] * ratio
    high = low + (view.limits[:, 1] - view.limits[:, 0]) * np.exp(rng.normal(0, LIMIT_SD, 3))
    return np.stack([low, np.minimum(high, camera.WHITE)], axis=1)


def compress(light: Field) -> NDArray[np.uint8]:
    """Grey values -> 0..255 on a logarithmic scale: 0 is 0, white (4095) is 255, about linear up to `FAINT`."""
    scale = 255 / np.log1p(camera.WHITE / FAINT)
    return np.asarray(np.rint(np.clip(np.log1p(np.maximum(light, 0) / FAINT) * scale, 0, 255)), dtype=np.uint8)
