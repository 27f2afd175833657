"""What CellSearch's software shows of a cartridge, and what its operator makes of it.

The software presents images with DAPI and CK signals in close proximity (paper, Introduction). Its numbers here are
tuned to Table 2: 93-1,197 events, 16-143 CTCs, PPV .09-.37 per full cartridge.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ctc_core.cartridge import Grid
from ctc_core.simulate.objects import CK, DAPI, Item, paint
from ctc_core.simulate.patient import FULL_CARTRIDGE, LOW_CTCS, Patient
from ctc_core.simulate.population import FRAME_AREA
from ctc_core.types import Box, Event

PROXIMITY_PX = 12.0
"""How far a nucleus may lie from a CK signal to count as close (about a leukocyte's radius)."""

DIM_CK = 120.0
"""CK level (grey values above background) at which the software misses half of the CTCs."""

CONFUSING = {"double": 4.0, "crowded": 3.0, "shine-through": 2.0, "point": 1.5}
"""How many times likelier than others the operator takes these for CTCs."""


@dataclass(frozen=True)
class Shown:
    """One presented object."""

    event: Event
    object_id: int


def show(
    patient: Patient, items: Sequence[Item], grid: Grid, rng: np.random.Generator, *, share: float | None = None
) -> list[Shown]:
    """Events of a cartridge in frame order, boxes in frame pixels; `object_id` is the position in `items`.

    CTCs are shown unless they are dim. Of the other objects as many are shown as the patient's PPV demands, those with
    bright CK first. share: of the false events of a full cartridge that are due here; None: the share of its frames or
    of the patient's CTCs that are here, whichever is larger. Raises nothing; an empty cartridge has no events.
    """
    inside = [i for i, item in enumerate(items) if _on(item, grid)]
    tumour = [i for i in inside if items[i].is_ctc]
    found = [i for i in tumour if rng.random() < _detection(items[i], patient)]
    due = patient.false_events * (_share(patient, len(tumour), grid) if share is None else share)
    others = _false_events(due, items, inside, rng)
    chosen = sorted(found + others, key=lambda i: (_frame(items[i], grid), items[i].y, items[i].x))
    return [
        Shown(_event(str(number), items[i], grid, assigned=_assigned(patient, items[i], rng)), i)
        for number, i in enumerate(chosen, start=1)
    ]


def _on(item: Item, grid: Grid) -> bool:
    return item.ck_positive and 0 <= item.y < grid.rows * grid.height and 0 <= item.x < grid.cols * grid.width


def _detection(item: Item, patient: Patient) -> float:
    """Probability that a CTC is shown: falls for dim CK, relative to this patient's stain."""
    signal = item.levels[CK] / patient.stain[CK] / DIM_CK
    return 0.98 / (1 + signal**-4)


def _share(patient: Patient, ctcs: int, grid: Grid) -> float:
    frames = grid.frames * grid.height * grid.width / FRAME_AREA
    return max(ctcs / max(patient.ctcs, LOW_CTCS), frames / FULL_CARTRIDGE)


def _false_events(due: float, items: Sequence[Item], inside: Sequence[int], rng: np.random.Generator) -> list[int]:
    """About `due` non-CTCs that are shown; brightness decides which."""
    candidates = np.array([i for i in inside if not items[i].is_ctc and items[i].levels[DAPI] > 0], dtype=int)
    candidates = np.union1d(candidates, _beside_nuclei(items, inside)).astype(int)
    wanted = min(int(rng.poisson(due)), len(candidates))
    if wanted == 0:
        return []
    weights = np.array([min(items[i].levels[CK], 4000.0) for i in candidates])
    drawn: list[int] = rng.choice(candidates, wanted, replace=False, p=weights / weights.sum()).tolist()
    return drawn


def _beside_nuclei(items: Sequence[Item], inside: Sequence[int]) -> list[int]:
    """CK-positive objects without a nucleus that lie close to another object's nucleus."""
    nuclei: dict[tuple[int, int], list[Item]] = {}
    for item in items:
        if item.nucleus != "none" and item.levels[DAPI] > 0:
            nuclei.setdefault(_tile(item, 0, 0), []).append(item)

    def close(item: Item) -> bool:
        around = (n for dy in (-1, 0, 1) for dx in (-1, 0, 1) for n in nuclei.get(_tile(item, dy, dx), ()))
        return any(math.hypot(n.y - item.y, n.x - item.x) < PROXIMITY_PX for n in around)

    return [i for i in inside if items[i].nucleus == "none" and close(items[i])]


def _tile(item: Item, dy: int, dx: int) -> tuple[int, int]:
    return math.floor(item.y / PROXIMITY_PX) + dy, math.floor(item.x / PROXIMITY_PX) + dx


def _assigned(patient: Patient, item: Item, rng: np.random.Generator) -> bool:
    """The operator's call."""
    error = patient.false_positive_rate * CONFUSING.get(item.kind, 1.0)
    return bool(rng.random() < (patient.sensitivity if item.is_ctc else error))


def _frame(item: Item, grid: Grid) -> int:
    return grid.frame_at(int(item.y // grid.height), int(item.x // grid.width))


def _event(rid: str, item: Item, grid: Grid, *, assigned: bool) -> Event:
    """The body's bounding box in the frame that holds its centre, cut at the frame's border."""
    frame = _frame(item, grid)
    row, col = grid.position(frame)
    outline = paint(item).outline() - (row * grid.height, col * grid.width)
    y0, x0 = np.maximum(np.floor(outline.min(axis=0)), 0)
    y1, x1 = np.minimum(np.ceil(outline.max(axis=0)), (grid.height - 1, grid.width - 1))
    box = Box(float(x0), float(y0), float(x1), float(y1))
    return Event(rid, frame, box, assigned, numselected=int(assigned))
