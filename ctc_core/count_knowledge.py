"""What the desk knows of a draw beside the decisions in it: from earlier draws, readers' agreement and the map."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ctc_core.assessment import Draw, Trust, draw, trust
from ctc_core.enumeration.counts import Knowledge, decided
from ctc_core.enumeration.counts import confirmed as confirmed_rows
from ctc_core.enumeration.misses import UNKNOWN, Misses, misses
from ctc_core.enumeration.readers import ReaderErrors, reader_errors
from ctc_core.enumeration.recalibration import Belief, design, learn
from ctc_core.enumeration.worth import less_certain
from ctc_core.errors import UserError
from ctc_core.intervals import Interval
from ctc_core.store import Store
from ctc_core.types import Role
from ctc_core.workflows import candidates

THRESHOLDS = (0.4, 0.5, 0.6)
"""Compared in the paper."""
READ_SHARE = 0.8
"""Share of a draw's images that must be read before other draws learn from it: the first ones are the likeliest."""
REVIEWS = 20
"""Most reviewed draws that others learn from, the newest."""


@dataclass(frozen=True)
class AtThreshold:
    """What a threshold would mean for this draw; the last three are None where the map cannot say."""

    threshold: float
    images: int
    """Candidates of the classifier."""
    expected_ctcs: float | None
    expected_wrong: Interval | None
    expected_missed: Interval | None
    """CTCs below the threshold, whether CellSearch shows them or not."""


def gather(
    store: Store, cartridge_id: str, threshold: float, table: pd.DataFrame
) -> tuple[Knowledge, tuple[AtThreshold, ...], pd.DataFrame, tuple[str, ...]]:
    """What is known of a draw, what thresholds would mean, cells below that are worth a look, and what is not known."""
    belief, errors = learned(store, cartridge_id, threshold), errors_of_readers(store)
    notes = [] if belief.patients else [UNTAUGHT_NOTE]
    notes += [] if errors.n_ctc else [UNREAD_TWICE_NOTE]
    try:
        judged = _judge(store, cartridge_id, threshold)
    except UserError as error:
        note = f"Expected misses rest on what CellSearch shows alone, because the map says nothing: {error}"
        at = tuple(AtThreshold(value, _images(store, cartridge_id, value), None, None, None) for value in THRESHOLDS)
        return Knowledge(belief, errors, UNKNOWN), at, _no_cells(), (*notes, note)
    at = tuple(_at(store, cartridge_id, value) for value in THRESHOLDS)
    known = Knowledge(belief, errors, _misses(judged[1]))
    return known, at, _less_certain(store, cartridge_id, *judged, table), tuple(notes)


UNTAUGHT_NOTE = (
    "Fewer than three draws of this lab were read to four fifths: how likely images are CTCs is assumed, not learned."
)
UNREAD_TWICE_NOTE = "No cell was read by two people: error rates of readers are assumed, not measured."


def learned(store: Store, cartridge_id: str, threshold: float) -> Belief:
    """How likely images are CTCs in draws of other patients that the classifier was not fitted on."""
    cartridges = store.cartridges().sort_values("imported_at", ascending=False)
    own = cartridges.pseudonym[cartridges.cartridge_id == cartridge_id]
    others = cartridges[~cartridges.pseudonym.isin(own) & (cartridges.role == Role.REVIEW) & (cartridges.decided > 0)]
    reviews: list[tuple[NDArray[np.float64], NDArray[np.bool_]]] = []
    for other in others.cartridge_id:
        table = candidates(store, str(other), threshold)
        if len(table) and table.label.notna().mean() >= READ_SHARE and len(reviews) < REVIEWS:
            said = decided(table)
            reviews.append((design(table)[said], confirmed_rows(table)[said]))
    return learn(reviews)


def errors_of_readers(store: Store) -> ReaderErrors:
    """Error rates from cells that two or more people read."""
    consensus = store.consensus()
    labels = {str(cell): value for cell, value in zip(consensus.cell_id, consensus.label, strict=True)}
    return reader_errors(store.readings(), labels)


def _judge(store: Store, cartridge_id: str, threshold: float) -> tuple[Trust, Draw]:
    known = trust(store, threshold)
    return known, draw(store, known, cartridge_id)


def _misses(found: Draw) -> Misses:
    return misses(found.reliability.errors.missed)


def _at(store: Store, cartridge_id: str, threshold: float) -> AtThreshold:
    errors = _judge(store, cartridge_id, threshold)[1].reliability.errors
    images = _images(store, cartridge_id, threshold)
    return AtThreshold(threshold, images, images - errors.wrong.estimate, errors.wrong, errors.missed)


def _images(store: Store, cartridge_id: str, threshold: float) -> int:
    model = store.active_model("classifier")
    if model is None:
        return 0
    return int((store.predictions(cartridge_id, model.model_id).probability >= threshold).sum())


def _no_cells() -> pd.DataFrame:
    return pd.DataFrame(columns=["cell_id", "probability", "cluster", "area", "unlike", "chance"])


def _less_certain(store: Store, cartridge_id: str, known: Trust, found: Draw, table: pd.DataFrame) -> pd.DataFrame:
    """Cells below the threshold from weak and unknown areas that are not in the gallery, nor decided already."""
    unlike = pd.Series(found.reliability.unlike, index=list(found.cell_ids))
    clusters = pd.Series(found.clusters.to_numpy(), index=list(found.cell_ids))
    cells = store.predictions(cartridge_id, known.classifier_id)
    shown = set(table.cell_id) | set(store.current_labels(cartridge_id).cell_id)
    cells = cells[~cells.cell_id.isin(shown)]
    cells = cells.assign(cluster=cells.cell_id.map(clusters), unlike=cells.cell_id.map(unlike).astype(bool))
    missed = dict(zip(known.rates.clusters, found.reliability.errors.missed_by_cluster.tolist(), strict=True))
    areas = {cluster: area.value for cluster, area in known.reliability.areas.items()}
    return less_certain(cells, areas, missed, threshold=known.threshold, at_most=len(cells))
