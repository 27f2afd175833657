"""The labelled cells that look most like each of many cells: what the classifier has learned from, as pictures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ctc_core.errors import UserError
from ctc_core.nearest import LabelledCells
from ctc_core.store import Store

NEAREST = 5
"""Pictures beside each cell."""
_ROWS = 256
"""Cells whose distances are held in memory together: 20 MB with 20,000 labelled cells."""


def nearest(
    labelled: NDArray[np.float32], vectors: NDArray[np.float32], *, k: int = NEAREST
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The k labelled cells (m, d) nearest to each of (n, d) vectors, the nearest first: (n, k) rows, (n, k) distances.

    Euclidean; k is smaller where there are fewer labelled cells. Equally near cells are in the order of `labelled`, but
    which of them are the last of k is not fixed.
    """
    k = min(k, len(labelled))
    near, distance = np.empty((len(vectors), k), np.int64), np.empty((len(vectors), k), np.float32)
    lengths = (labelled**2).sum(1)[None]
    for start in range(0, len(vectors) if k else 0, _ROWS):
        rows, some = slice(start, start + _ROWS), vectors[start : start + _ROWS].astype(np.float32)
        # |a - b|^2 = |a|^2 - 2 ab + |b|^2: one matrix product in place of n x m differences.
        squared = (some**2).sum(1)[:, None] - 2 * some @ labelled.T + lengths
        few = np.sort(np.argpartition(squared, k - 1, axis=1)[:, :k], axis=1)
        of_few = np.take_along_axis(squared, few, axis=1)
        order = np.argsort(of_few, axis=1, kind="stable")
        near[rows] = np.take_along_axis(few, order, axis=1)
        distance[rows] = np.sqrt(np.maximum(np.take_along_axis(of_few, order, axis=1), 0))
    return near, distance


def nearest_of(
    store: Store, labelled: LabelledCells, encoder_id: str, cartridge_id: str, cell_ids: Sequence[str]
) -> NDArray[np.int64]:
    """(n, k) rows of `labelled` nearest to cells of one cartridge, in the order asked for.

    Raises:
        UserError: a cell has no vector of this encoder.
    """
    known, vectors = store.vectors(cartridge_id, encoder_id)
    row = {cell_id: i for i, cell_id in enumerate(known)}
    if lacking := [cell_id for cell_id in cell_ids if cell_id not in row]:
        message = f"{lacking[0]}: no vector of {encoder_id}. Ingest the cartridge again with this encoder."
        raise UserError(message)
    return nearest(labelled.vectors, vectors[[row[cell_id] for cell_id in cell_ids]])[0]
