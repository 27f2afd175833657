"""What to think of one cartridge: where its cells lie on the map, and what is known of the classifier there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ctc_core.assessment import Trust
from ctc_core.errors import NotEnoughLabels, UserError
from ctc_core.reliability import DrawReliability, Novelty, draw_reliability, remoteness
from ctc_core.store import Store


@dataclass(frozen=True, eq=False)
class DrawCells:
    """Cells of one cartridge on the map; series and arrays in the order of `cell_ids`."""

    cell_ids: tuple[str, ...]
    clusters: pd.Series
    probabilities: pd.Series
    """float32 P(CTC)."""
    remote: NDArray[np.float64]
    """(n,) `novelty.remoteness`."""
    novelty: Novelty
    """The labelled cells that it was measured against."""


@dataclass(frozen=True, eq=False)
class Draw:
    """One cartridge; arrays in the order of `cell_ids`."""

    cell_ids: tuple[str, ...]
    clusters: pd.Series
    called: pd.Series
    """Is a candidate."""
    reliability: DrawReliability


def draw_cells(store: Store, known: Trust, cartridge_id: str) -> DrawCells:
    """Where the cells of one cartridge lie. Whatever the threshold: half a second for 15,000 cells, so worth keeping.

    Raises:
        UserError: there is no such cartridge, or some of its cells have no vector, point or score.
        NotEnoughLabels: too few labelled cells to say what is unlike them.
    """
    built = known.built
    if cartridge_id not in set(store.cartridges().cartridge_id):
        message = f"{cartridge_id}: no such cartridge in the store. Ingest its archive first."
        raise UserError(message)
    if known.novelty is None:
        message = "Too few labelled cells to say what is unlike them. Label more cells of training and test patients."
        raise NotEnoughLabels(message)
    cell_ids, vectors = store.vectors(cartridge_id, built.latent_map.encoder_id)
    cells = pd.DataFrame({"cell_id": pd.Series(cell_ids, dtype=str)})
    cells = cells.merge(store.points(built.model.model_id, cartridge_id), on="cell_id", how="left")
    cells = cells.merge(store.predictions(cartridge_id, known.classifier_id), on="cell_id", how="left")
    _require_complete(cells, cartridge_id, len(store.cells(cartridge_id)))
    return DrawCells(
        tuple(cell_ids),
        cells.cluster.astype(np.int64),
        cells.probability.astype(np.float32),
        remoteness(known.novelty, built.latent_map.reduction.transform(vectors)),
        known.novelty,
    )


def draw(known: Trust, cells: DrawCells) -> Draw:
    """What to think of one cartridge."""
    found = draw_reliability(
        cells.remote,
        cells.probabilities.to_numpy(),
        cells.clusters.to_numpy(),
        threshold=known.threshold,
        areas=known.reliability.areas,
        rates=known.rates,
        novelty=cells.novelty,
    )
    return Draw(cells.cell_ids, cells.clusters, cells.probabilities >= known.threshold, found)


def _require_complete(cells: pd.DataFrame, cartridge_id: str, n: int) -> None:
    lacking = {
        "vectors of the map's encoder. Ingest the cartridge again with this encoder": n - len(cells),
        "a place on the map. Wait until the desk has placed them, or run: python -m ctc_core map": cells.x.isna().sum(),
        "a score. Run: python -m ctc_core score": cells.probability.isna().sum(),
    }
    for what, number in lacking.items():
        if number:
            message = f"{cartridge_id}: {number} of {n} cells are without {what}."
            raise UserError(message)
