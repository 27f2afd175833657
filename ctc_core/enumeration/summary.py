"""What has been read of one cartridge so far."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ctc_core.enumeration.candidates import proposed
from ctc_core.intervals import Proportion, wilson
from ctc_core.types import PIXEL_UM, Label

CLOSE_UM = 10.0
"""Centres closer than most CTCs are wide (median 12.4 um) may belong to one cell."""


@dataclass(frozen=True)
class Summary:
    """One cartridge at one threshold, as far as it has been read."""

    model_shown: int
    model_ppv: Proportion | None
    """Confirmed CTCs of the candidates decided so far."""
    cellsearch_events: int
    cellsearch_assigned: int
    """CellSearch's own count, by its operator."""
    cellsearch_ppv: Proportion | None
    """The operator's CTCs of all events shown, as CellSearch's figure is published."""
    cellsearch_confirmed: int
    """Events that this desk's readers confirmed."""
    confirmed: int
    """CTCs confirmed by this desk's readers, each cell once."""
    undecided: int


def summarise(table: pd.DataFrame, events: pd.DataFrame) -> Summary:
    """Count what has been decided. `table` as from `candidate_table` with a column `label` (Label value or None)."""
    ctc = table.label == Label.CTC.value
    decided = table.label.notna()
    model = proposed(table)
    n_assigned = int(events.assigned.sum())
    return Summary(
        model_shown=int(model.sum()),
        model_ppv=wilson(int((ctc & model).sum()), int((decided & model).sum())),
        cellsearch_events=len(events),
        cellsearch_assigned=n_assigned,
        cellsearch_ppv=wilson(n_assigned, len(events)),
        cellsearch_confirmed=int((ctc & table.event_rid.notna()).sum()),
        confirmed=int(ctc.sum()),
        undecided=int((~decided).sum()),
    )


@dataclass(frozen=True)
class ClosePair:
    """Two confirmed candidates that may show one cell."""

    first: str
    second: str
    distance_um: float
    place: tuple[int, int, int]
    """Frame, y and x of the first, whole pixels."""


def close_pairs(table: pd.DataFrame) -> list[ClosePair]:
    """Confirmed CTCs less than `CLOSE_UM` apart on the cartridge, perhaps counted twice. `table` as in `summarise`.

    Frames touch there, so the halves of a cell that their border cuts are close to each other, too.
    """
    from scipy.spatial import KDTree

    ctcs = table[table.label == Label.CTC.value]
    places, ids = ctcs[["cartridge_y", "cartridge_x"]].to_numpy(float) * PIXEL_UM, ctcs.candidate_id.tolist()
    pairs = sorted(KDTree(places).query_pairs(CLOSE_UM)) if ids else []
    where = ctcs[["frame", "y", "x"]].round().astype(int).to_numpy().tolist()
    return [
        ClosePair(ids[i], ids[j], float(np.hypot(*(places[i] - places[j]))), (where[i][0], where[i][1], where[i][2]))
        for i, j in pairs
    ]
