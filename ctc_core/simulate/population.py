"""Which objects lie where on a cartridge: free cells, CK-positive objects, crowds of nuclei, CTCs, their clusters."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ctc_core.simulate.artefacts import OPEN, Chamber
from ctc_core.simulate.cells import ctc, double, leukocyte, weak_leukocyte
from ctc_core.simulate.debris import bright_debris, debris, dye_aggregate, point, smear
from ctc_core.simulate.draws import Place, Rng, lognormal
from ctc_core.simulate.objects import DAPI, Item
from ctc_core.simulate.patient import FULL_CARTRIDGE, Patient
from ctc_core.types import PIXEL_UM

FRAME_AREA = 1036 * 1384
NON_CTC: dict[str, Callable[[Patient, Place, Rng], Item]] = {
    "debris": debris,
    "point": point,
    "leukocyte": weak_leukocyte,
    "shine-through": bright_debris,
    "double": double,
    "smear": smear,
}
"""How each kind of CK-positive object that is no CTC is drawn; `crowded` ones come with their crowd."""

MARGIN_PX = 40
"""Objects may lie this far outside the imaged area and still show in it."""


UNDER_BUBBLE = 0.4
"""Share of the objects under a bubble that stay; its surface pushes the others away (assumed, not verified)."""

MOST_DEFOCUS_PX = 5.0
"""More blurred than this, nothing is seen of an object."""


def populate(
    patient: Patient,
    height: int,
    width: int,
    rng: Rng,
    *,
    ctcs: tuple[int, int] | None = None,
    origin: tuple[int, int] = (0, 0),
    chamber: Chamber = OPEN,
) -> list[Item]:
    """All objects of an area of height x width px whose upper left corner lies at cartridge pixel `origin`.

    ctcs: range (inclusive) of the number of CTCs; None: the patient's density (`patient.ctcs` per 175 full frames).
    chamber: whose walls hold the objects, and which puts some of them out of focus.
    """
    frames = height * width / FRAME_AREA
    count = _ctc_count(patient, frames, ctcs, rng)
    area = Area(*origin, height, width)
    return _settle(_tumour_cells(patient, count, area, chamber, rng) + _others(patient, area, rng), chamber)


@dataclass(frozen=True)
class Area:
    """A rectangle of the cartridge: its upper left corner and its size, px."""

    top: int
    left: int
    height: int
    width: int

    def place(self, rng: Rng, margin: int = 0) -> Place:
        """Anywhere within the area or up to `margin` px outside."""
        y, x = rng.uniform(-margin, self.height + margin), rng.uniform(-margin, self.width + margin)
        return float(y) + self.top, float(x) + self.left

    def clamp(self, y: float, x: float) -> Place:
        """The nearest place within the area."""
        bottom, right = self.top + self.height - 1.0, self.left + self.width - 1.0
        return min(max(y, float(self.top)), bottom), min(max(x, float(self.left)), right)


def _others(patient: Patient, area: Area, rng: Rng) -> list[Item]:
    """Everything but CTCs and their company."""
    wide = (area.height + 2 * MARGIN_PX) * (area.width + 2 * MARGIN_PX) / FRAME_AREA

    def place() -> Place:
        return area.place(rng, MARGIN_PX)

    items: list[Item] = []
    for kind, count in _counts(patient, wide, rng).items():
        if kind == "crowded":
            items += _crowds(patient, count, int(rng.poisson(patient.clumps * wide)), place, rng)
        else:
            items += [NON_CTC[kind](patient, place(), rng) for _ in range(count)]
    items += [leukocyte(patient, place(), rng) for _ in range(rng.poisson(patient.leukocytes * wide))]
    items += [dye_aggregate(patient, place(), rng) for _ in range(rng.poisson(patient.dye_aggregates * wide))]
    return items


def _settle(items: list[Item], chamber: Chamber) -> list[Item]:
    """The items as the chamber holds and blurs them; CTCs all stay."""
    y, x = np.array([(item.y, item.x) for item in items]).reshape(-1, 2).T
    held, free, blur = chamber.holds(y, x), ~chamber.under_bubble(y, x), chamber.defocus(y, x)
    chance = np.array([item.seed % 1000 for item in items]) < 1000 * UNDER_BUBBLE
    stays = held & (free | chance) | np.array([item.is_ctc for item in items], dtype=bool)
    return [_blurred(items[i], float(blur[i])) for i in np.flatnonzero(stays).tolist()]


def _blurred(item: Item, blur: float) -> Item:
    if blur < 0.1:
        return item
    return replace(item, defocus_px=min(math.hypot(item.defocus_px, blur), MOST_DEFOCUS_PX))


def _ctc_count(patient: Patient, frames: float, ctcs: tuple[int, int] | None, rng: Rng) -> int:
    if ctcs is not None:
        return int(rng.integers(ctcs[0], ctcs[1] + 1))
    expected = patient.ctcs * frames / FULL_CARTRIDGE
    return int(expected + rng.random())


def _counts(patient: Patient, frames: float, rng: Rng) -> dict[str, int]:
    return {kind: int(rng.poisson(patient.ck_objects * frames * share)) for kind, share in patient.kind_shares.items()}


# ---- tumour cells ---------------------------------------------------------------------------------------------------


def _tumour_cells(patient: Patient, count: int, area: Area, chamber: Chamber, rng: Rng) -> list[Item]:
    """`count` CTCs, some of them side by side (clusters) or within a crowd of nuclei, whose leukocytes come along."""
    cells: list[Item] = []
    company: list[Item] = []
    phenotypes, shares = list(patient.ctc_shares), np.array(list(patient.ctc_shares.values()))
    while len(cells) < count:
        phenotype = str(rng.choice(phenotypes, p=shares / shares.sum()))
        cell = ctc(patient, phenotype, _within_walls(area, chamber, rng), rng)
        cells.append(cell)
        if phenotype == "cluster":
            cells += _companions(patient, cell, min(int(rng.integers(1, 4)), count - len(cells)), area, rng)
        if phenotype == "crowded":
            company += crowd(patient, (cell.y, cell.x), [cell], rng)
    return cells + company


def _within_walls(area: Area, chamber: Chamber, rng: Rng) -> Place:
    for _ in range(100):
        y, x = area.place(rng)
        if not chamber.edges or chamber.holds(np.array([y]), np.array([x]))[0]:
            break
    return y, x


def _companions(patient: Patient, cell: Item, count: int, area: Area, rng: Rng) -> list[Item]:
    """CTCs that touch `cell`, all within the area."""
    start, found = 2 * math.pi * rng.random(), []
    for k in range(count):
        other = ctc(patient, "cluster", (0.0, 0.0), rng)
        apart = 0.46 * (cell.diameter_um + other.diameter_um) / PIXEL_UM
        angle = start + 1.2 * k + rng.normal(0, 0.1)
        y, x = area.clamp(cell.y + apart * math.sin(angle), cell.x + apart * math.cos(angle))
        found.append(replace(other, y=y, x=x))
    return found


# ---- crowds ---------------------------------------------------------------------------------------------------------


def _crowds(patient: Patient, stained: int, bare: int, place: Callable[[], Place], rng: Rng) -> list[Item]:
    """Crowds that hold `stained` CK-positive objects in all, one to three each, and `bare` crowds without one."""
    items: list[Item] = []
    left = stained
    while left > 0:
        members = min(left, int(rng.integers(1, 4)))
        centre = place()
        inside = [_crowd_member(patient, centre, rng) for _ in range(members)]
        items += inside + crowd(patient, centre, inside, rng)
        left -= members
    for _ in range(bare):
        items += crowd(patient, place(), [], rng)
    return items


def _crowd_member(patient: Patient, centre: Place, rng: Rng) -> Item:
    """A CK-positive object among nuclei that is no CTC."""
    make = debris if rng.random() < 0.6 else weak_leukocyte
    where = centre[0] + float(rng.normal(0, 14)), centre[1] + float(rng.normal(0, 14))
    return replace(make(patient, where, rng), kind="crowded")


def crowd(patient: Patient, centre: Place, guests: list[Item], rng: Rng) -> list[Item]:
    """Leukocytes packed around `centre`, under one nuclear diameter apart; guests with a nucleus keep their place."""
    step = rng.uniform(0.60, 0.85) * 9.0 / PIXEL_UM
    dapi = rng.uniform(300, 900) * patient.stain[DAPI]
    places = _packed_places(min(int(12 + rng.exponential(22)), 90), step, rng) + centre
    taken = np.array([(g.y, g.x) for g in guests if g.nucleus != "none"]).reshape(-1, 1, 2)
    free = (np.linalg.norm(places - taken, axis=2) > 0.45 * step).all(axis=0)
    kept = [(y, x) for y, x in places[free].tolist()]
    return [_packed(leukocyte(patient, place, rng, phenotype=_crowd_type(rng)), dapi, rng) for place in kept]


def _packed_places(count: int, step: float, rng: Rng) -> NDArray[np.float64]:
    """(count, 2) places [y, x] on a shaken hexagonal grid around 0, within an oval with a ragged edge."""
    rings = math.ceil(1.3 * math.sqrt(count))
    row, col = np.mgrid[-rings:rings, -rings:rings].reshape(2, -1)
    y, x = 0.87 * step * row, step * (col + 0.5 * (row % 2))
    turn, long = math.pi * rng.random(), rng.uniform(1.0, 1.5)
    along, across = y * math.sin(turn) + x * math.cos(turn), y * math.cos(turn) - x * math.sin(turn)
    inmost = np.argsort(np.hypot(along / long, across * long) * rng.uniform(0.7, 1.3, len(y)))[:count]
    shaken: NDArray[np.float64] = np.stack([y, x], axis=1)[inmost] + rng.normal(0, 0.2 * step, (count, 2))
    return shaken


def _crowd_type(rng: Rng) -> str:
    return ("lymphocyte", "lymphocyte", "monocyte", "granulocyte")[int(rng.integers(4))]


def _packed(cell: Item, dapi: float, rng: Rng) -> Item:
    """A leukocyte as it looks in a crowd: nuclei of like brightness, large, a little out of focus, little CD45 seen."""
    _, marker, ck, cd45 = cell.levels
    levels = lognormal(dapi, 0.35, rng), marker, ck, 0.2 * cd45
    return replace(cell, levels=levels, nucleus_um=1.1 * cell.nucleus_um, defocus_px=cell.defocus_px + 0.5)
