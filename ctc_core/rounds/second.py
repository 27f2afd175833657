"""Blind second readings: cells that somebody else has read, to be read again by one who is not told what was said."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ctc_core.rounds.situation import Situation, clusters_of, lookup
from ctc_core.store import Round, Store
from ctc_core.types import Role

SECOND_READING = "Drawn at random from the cells of training patients."
"""True, and tells the reader nothing."""


def second_readings(store: Store, now: Situation, reader: str, n: int, seed: int) -> pd.DataFrame:
    """Up to `n` cells of training patients that one other reader has read: cell_id, cluster, probability (NaN: none).

    Equal arguments on an equal store give the same cells.
    """
    found = _read_by_another(store, now.encoder_id, reader) if n else []
    order = np.random.default_rng([seed, 1]).permutation(len(found))[:n]
    cells = [found[i] for i in order]
    return pd.DataFrame(
        {
            "cell_id": pd.Series(cells, dtype=str),
            "cluster": lookup(clusters_of(store, now.latent_map), cells),
            "probability": _probabilities(store, now, cells),
        }
    )


def _read_by_another(store: Store, encoder_id: str, reader: str) -> list[str]:
    """Cells with exactly one reader, who is another, and that wait in nobody's queue."""
    cartridges = store.cartridges()
    ours = cartridges[(cartridges.role == Role.TRAIN) & (cartridges.encoder_id == encoder_id)]
    readings = store.readings()
    readings = readings[readings.cartridge_id.isin(ours.cartridge_id)]
    readers = readings.groupby("cell_id").reader.agg(set)
    queued = {cell_id for round_ in store.rounds() if round_.state == "open" for cell_id in _queued(store, round_)}
    return [str(c) for c, who in readers.items() if len(who) == 1 and reader not in who and c not in queued]


def _queued(store: Store, round_: Round) -> list[str]:
    return list(store.queue(round_.round_id).cell_id)


def _probabilities(store: Store, now: Situation, cells: list[str]) -> pd.Series:
    """P(CTC) by the classifier in use."""
    if now.model is None or not cells:
        return pd.Series(np.nan, index=range(len(cells)), dtype=float)
    places = store.crop_places(cells)
    parts = [store.predictions(str(name), now.model.model_id) for name in sorted(set(places.cartridge_id))]
    known = pd.concat(parts).set_index("cell_id").probability
    return pd.Series(known.reindex(cells).to_numpy(float))
