"""Which objects lie where on a cartridge: free cells, CK-positive objects, crowds of nuclei, CTCs, their clusters."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

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


def populate(patient: Patient, height: int, width: int, rng: Rng, *, ctcs: tuple[int, int] | None = None) -> list[Item]:
    """All objects of an area of height x width px, origin at its upper left corner.

    ctcs: range (inclusive) of the number of CTCs; None: the patient's density, 16-143 per 175 full frames.
    """
    frames = height * width / FRAME_AREA
    items = _tumour_cells(patient, _ctc_count(patient, frames, ctcs, rng), height, width, rng)
    wide = (height + 2 * MARGIN_PX) * (width + 2 * MARGIN_PX) / FRAME_AREA

    def place() -> Place:
        return (
            float(rng.uniform(-MARGIN_PX, height + MARGIN_PX)),
            float(rng.uniform(-MARGIN_PX, width + MARGIN_PX)),
        )

    for kind, count in _counts(patient, wide, rng).items():
        if kind == "crowded":
            items += _crowds(patient, count, int(rng.poisson(patient.clumps * wide)), place, rng)
        else:
            items += [NON_CTC[kind](patient, place(), rng) for _ in range(count)]
    items += [leukocyte(patient, place(), rng) for _ in range(rng.poisson(patient.leukocytes * wide))]
    items += [dye_aggregate(patient, place(), rng) for _ in range(rng.poisson(patient.dye_aggregates * wide))]
    return items


def _ctc_count(patient: Patient, frames: float, ctcs: tuple[int, int] | None, rng: Rng) -> int:
    if ctcs is not None:
        return int(rng.integers(ctcs[0], ctcs[1] + 1))
    expected = patient.ctcs * frames / FULL_CARTRIDGE
    return int(expected + rng.random())


def _counts(patient: Patient, frames: float, rng: Rng) -> dict[str, int]:
    return {kind: int(rng.poisson(patient.ck_objects * frames * share)) for kind, share in patient.kind_shares.items()}


# ---- tumour cells ---------------------------------------------------------------------------------------------------


def _tumour_cells(patient: Patient, count: int, height: int, width: int, rng: Rng) -> list[Item]:
    """`count` CTCs, some of them side by side (clusters) or within a crowd of nuclei, whose leukocytes come along."""
    cells: list[Item] = []
    company: list[Item] = []
    phenotypes, shares = list(patient.ctc_shares), np.array(list(patient.ctc_shares.values()))
    while len(cells) < count:
        phenotype = str(rng.choice(phenotypes, p=shares / shares.sum()))
        place = float(rng.uniform(0, height)), float(rng.uniform(0, width))
        cell = ctc(patient, phenotype, place, rng)
        cells.append(cell)
        if phenotype == "cluster":
            cells += _companions(patient, cell, min(int(rng.integers(1, 4)), count - len(cells)), height, width, rng)
        if phenotype == "crowded":
            company += crowd(patient, place, [cell], rng)
    return cells + company


def _companions(patient: Patient, cell: Item, count: int, height: int, width: int, rng: Rng) -> list[Item]:
    """CTCs that touch `cell`, all within the area."""
    start, found = 2 * math.pi * rng.random(), []
    for k in range(count):
        other = ctc(patient, "cluster", (0.0, 0.0), rng)
        apart = 0.46 * (cell.diameter_um + other.diameter_um) / PIXEL_UM
        angle = start + 1.2 * k + rng.normal(0, 0.1)
        y = min(max(cell.y + apart * math.sin(angle), 0.0), height - 1.0)
        x = min(max(cell.x + apart * math.cos(angle), 0.0), width - 1.0)
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
