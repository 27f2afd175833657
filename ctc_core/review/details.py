"""Everything that is told of a candidate beside its pictures, and that no decision about it changes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ctc_core.assessment import Trust
from ctc_core.count_knowledge import drawn, trust
from ctc_core.count_memory import imported
from ctc_core.enumeration.gates import Gate
from ctc_core.errors import UserError
from ctc_core.map_view import ClusterRow, cluster_name, figures
from ctc_core.nearest import LabelledCells
from ctc_core.reliability import Area, ClusterMetrics
from ctc_core.review.measured import measured
from ctc_core.review.nearest import nearest_of
from ctc_core.review.opinion import gate_opinions
from ctc_core.store import Store
from ctc_core.types import Label

AREAS = {Area.STRONG: "strong", Area.WEAK: "weak", Area.UNKNOWN: "not known"}


@dataclass(frozen=True, eq=False)
class Details:
    """Candidates with what is known of them."""

    rows: pd.DataFrame
    """One per cell asked for: candidate_id, `measured`'s columns, place, area, trust, unlike, near."""
    near_ids: tuple[str, ...]
    """Labelled cells whose pictures are shown; `near` holds positions in here."""
    near_is_ctc: tuple[bool, ...]
    notes: tuple[str, ...]
    """What is missing and why, as sentences."""

    def with_gate(self, gate: Gate) -> pd.DataFrame:
        """The rows with gate (its title), passes and failing."""
        found = gate_opinions(gate, self.rows)
        return self.rows.assign(gate=gate.title, passes=found.passes, failing=found.failing)


def details(store: Store, cartridge_id: str, cell_ids: list[str], threshold: float) -> Details:
    """What is known of some cells of one cartridge. What the store lacks for it is named in `notes`."""
    notes: list[str] = []
    rows = measured(store, cartridge_id, cell_ids)
    rows = rows.join(_reasons(store, cartridge_id, threshold, notes)).reindex(cell_ids)
    labelled, near = _nearest(store, cartridge_id, cell_ids)
    shown = np.unique(near)
    places = np.searchsorted(shown, near)
    return Details(
        rows.assign(candidate_id=cell_ids, near=list(places)).reset_index(drop=True),
        tuple(labelled.cell_ids[i] for i in shown) if labelled else (),
        tuple(labelled.labels[i] is Label.CTC for i in shown) if labelled else (),
        tuple(notes),
    )


def _reasons(store: Store, cartridge_id: str, threshold: float, notes: list[str]) -> pd.DataFrame:
    """place, area, trust and unlike by cell_id; empty where the map says nothing."""
    try:
        known = trust(store, threshold)
        found = drawn(store, cartridge_id, threshold)
    except UserError as error:
        notes.append(f"Nothing is said of clusters: {error}")
        return pd.DataFrame(columns=["cluster", "place", "area", "trust", "unlike"])
    told = {one.cluster: _told(known, one) for one in known.reliability.report}
    clusters = [int(cluster) for cluster in found.clusters]
    table = pd.DataFrame([told[cluster] for cluster in clusters], columns=["area", "trust"], index=list(found.cell_ids))
    place = [cluster_name(cluster) for cluster in clusters]
    return table.assign(cluster=clusters, place=place, unlike=found.reliability.unlike)


def _told(known: Trust, of_cluster: ClusterMetrics) -> tuple[str, str]:
    """Area of a cluster, and F1 with interval and n, as the map page says it."""
    assert of_cluster.cluster is not None
    area = known.reliability.areas[of_cluster.cluster]
    return AREAS[area], figures(ClusterRow(of_cluster.cluster, 0, of_cluster, area))


def _nearest(store: Store, cartridge_id: str, cell_ids: list[str]) -> tuple[LabelledCells | None, NDArray[np.int64]]:
    """Labelled cells of training patients and, of each cell, the rows of those nearest to it."""
    encoder_id = str(imported(store).set_index("cartridge_id").encoder_id[cartridge_id])
    labelled = LabelledCells.of(store, encoder_id)
    if not len(labelled):
        return None, np.empty((len(cell_ids), 0), np.int64)
    return labelled, nearest_of(store, labelled, encoder_id, cartridge_id, cell_ids)
