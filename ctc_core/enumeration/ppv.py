"""Positive predictive values of this desk and of CellSearch side by side, as the paper's Table 2 and figure 4.

A predictive value is the share of CTCs, as readers of this desk decided, among the images that each side shows: the
classifier's candidates, and CellSearch's events. An image that both show is decided once and counts on both sides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from ctc_core.enumeration.candidates import proposed
from ctc_core.intervals import Proportion, wilson
from ctc_core.types import Label

SECONDS_PER_IMAGE = 3.0
"""Time to look at one image and decide, for the estimate of minutes saved (assumed, not measured)."""


@dataclass(frozen=True)
class Side:
    """What one side shows, and what readers made of it."""

    shown: int
    read: int
    """Decided, unsure included."""
    ctcs: int

    @property
    def ppv(self) -> Proportion | None:
        """CTCs of the images read, with 95 % Wilson interval; None while nothing is read."""
        return wilson(self.ctcs, self.read)

    def __add__(self, other: Side) -> Side:
        return Side(self.shown + other.shown, self.read + other.read, self.ctcs + other.ctcs)


@dataclass(frozen=True)
class Overlap:
    """CTCs by who shows them (figure 4)."""

    both: int
    model_only: int
    cellsearch_only: int

    def __add__(self, other: Overlap) -> Overlap:
        return Overlap(
            self.both + other.both,
            self.model_only + other.model_only,
            self.cellsearch_only + other.cellsearch_only,
        )


@dataclass(frozen=True)
class PpvRow:
    """One patient, or several together."""

    name: str
    model: Side
    cellsearch: Side
    overlap: Overlap
    assigned: int
    """CTCs by CellSearch's operator: beside the readers' count, never in place of it."""

    @property
    def complete(self) -> bool:
        """Every image of both sides was read. Without that predictive values are of the most likely images only."""
        return all(side.read == side.shown for side in (self.model, self.cellsearch))

    @property
    def images_saved(self) -> int:
        """Fewer images to read than in CellSearch's gallery; negative where there are more."""
        return self.cellsearch.shown - self.model.shown

    def minutes_saved(self, seconds_per_image: float = SECONDS_PER_IMAGE) -> float:
        """The same as reading time."""
        return self.images_saved * seconds_per_image / 60


def ppv_row(name: str, table: pd.DataFrame) -> PpvRow:
    """Figures of one cartridge.

    table: as from `candidate_table` with a column `label` (a `Label` value, or None while undecided).
    """
    model, cellsearch = pd.Series(proposed(table), table.index), table.event_rid.notna()
    ctc = table.label == Label.CTC.value

    def side(shown: pd.Series) -> Side:
        return Side(int(shown.sum()), int((shown & table.label.notna()).sum()), int((shown & ctc).sum()))

    both, ours, theirs = ctc & model & cellsearch, ctc & model & ~cellsearch, ctc & cellsearch & ~model
    overlap = Overlap(int(both.sum()), int(ours.sum()), int(theirs.sum()))
    assigned = int(table.assigned.map(lambda value: value is True).sum())
    return PpvRow(name, side(model), side(cellsearch), overlap, assigned)


def pooled(name: str, rows: Sequence[PpvRow]) -> PpvRow:
    """All images of several rows as if they were one patient's: a patient's cartridges, or the last row of Table 2."""
    nothing = PpvRow(name, Side(0, 0, 0), Side(0, 0, 0), Overlap(0, 0, 0), 0)
    for row in rows:
        nothing = PpvRow(
            name,
            nothing.model + row.model,
            nothing.cellsearch + row.cellsearch,
            nothing.overlap + row.overlap,
            nothing.assigned + row.assigned,
        )
    return nothing
