"""What the reliability map shows, as plain values: where cells lie, what is known of them, how clusters fare."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from ctc_core.errors import StoreError
from ctc_core.intervals import Interval
from ctc_core.latent import BACKGROUND
from ctc_core.reliability import Area, ClusterMetrics, DrawReliability


class Place(IntEnum):
    """What a cell is on the map."""

    UNLABELLED = 0
    TRAIN = 1
    TEST = 2
    PATIENT = 3
    """Of the patient at hand, labelled or not; but labelled test cells stay `TEST`, with their mistakes."""


class Mistake(IntEnum):
    """How the classifier is wrong about a labelled test cell."""

    NONE = 0
    FALSE_CTC = 1
    """Called a CTC; the readers say non-CTC."""
    MISSED_CTC = 2
    """Called non-CTC; the readers say CTC."""


@dataclass(frozen=True)
class ClusterRow:
    """One cluster (or the background) in figures."""

    cluster: int
    cells: int
    """Cells of the map in it, without the patient's."""
    test: ClusterMetrics
    """On test patients, whose labels chose nothing."""
    area: Area
    """From validation folds of the training patients."""
    share: float | None = None
    """Share of this patient's cells that lie in it, 0..1; None without a patient."""

    @property
    def f1(self) -> Interval | None:
        """F1 of the class CTC; None without enough labels, and where no CTC is or was called: 1 by convention only."""
        known = self.test.enough and self.test.counts.n_ctc + self.test.counts.fp > 0
        return self.test.f1 if known else None


@dataclass(frozen=True, eq=False)
class MapView:
    """Everything the map page shows about n cells. All arrays and `cell_ids` have the same order.

    Raises:
        StoreError: lengths differ or a coordinate is not finite.
    """

    map_id: str
    cell_ids: tuple[str, ...]
    xy: NDArray[np.float32]
    """(n, 2), UMAP coordinates, any range."""
    cluster: NDArray[np.int16]
    """(n,), `BACKGROUND` where in none."""
    place: NDArray[np.uint8]
    """(n,) of `Place`."""
    mistake: NDArray[np.uint8]
    """(n,) of `Mistake`."""
    label: NDArray[np.int8]
    """(n,), 1 CTC, 0 non-CTC, -1 not labelled."""
    probability: NDArray[np.float32]
    """(n,), P(CTC), NaN where not scored."""
    rows: tuple[ClusterRow, ...]
    """Every cluster of the map and the background, any order."""
    weakest: int | None
    """`Reliability.weakest`: chosen on validation folds; None where none can be named."""
    draw: DrawReliability | None = None
    """The patient's draw; None without a patient."""

    def __post_init__(self) -> None:
        arrays = (self.xy, self.cluster, self.place, self.mistake, self.label, self.probability)
        if {len(array) for array in arrays} != {len(self.cell_ids)}:
            lengths = ", ".join(str(len(array)) for array in arrays)
            message = f"map {self.map_id}: {len(self.cell_ids)} cells, but columns of {lengths}. Build the map again."
            raise StoreError(message)
        if not np.isfinite(self.xy).all():
            raise StoreError(f"map {self.map_id}: a coordinate is not a number. Build the map again.")


def by_f1(rows: Iterable[ClusterRow]) -> list[ClusterRow]:
    """Lowest F1 first; those without one last, in the order given."""
    return sorted(rows, key=lambda row: row.f1.estimate if row.f1 else np.inf)


def cluster_name(cluster: int) -> str:
    """How people call it."""
    return "Background" if cluster == BACKGROUND else f"Cluster {cluster}"


def figures(row: ClusterRow) -> str:
    """F1 with interval and n, or why there is none."""
    if row.f1 is None:
        return f"{why_no_figure(row)} (n = {row.test.counts.n})"
    return f"F1 {row.f1.estimate:.2f} ({row.f1.low:.2f} to {row.f1.high:.2f}), n = {row.test.counts.n}"


def why_no_figure(row: ClusterRow) -> str:
    """Why a cluster has no F1; nothing where it has one."""
    if row.f1 is not None:
        return ""
    return "no CTC and no false CTC" if row.test.enough else "not enough labels"
