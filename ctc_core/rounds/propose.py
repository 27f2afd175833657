"""Begin a round: what it would hold, and opening it with these cells in an expert's queue."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ctc_core.errors import UserError
from ctc_core.relabel.evidence import Selection
from ctc_core.relabel.registry import strategy as named
from ctc_core.rounds.evidence import within
from ctc_core.rounds.second import SECOND_READING, second_readings
from ctc_core.rounds.situation import Situation, situation
from ctc_core.store import Round, RoundDraft, Store

COLD_START = "typiclust"
NEED_NO_CLASSIFIER = ("random", "core-set", "probcover", COLD_START)
"""Strategies that make sense before the first classifier; any other is replaced by `COLD_START`, and that is said."""

_starting = threading.Lock()
"""Two experts who start at once must not be given the same cells."""


@dataclass(frozen=True, eq=False)
class Proposal:
    """What a round would hold."""

    situation: Situation
    strategy: str
    summary: str
    notes: tuple[str, ...]
    cluster: int | None
    """The one cluster that was chosen, if one was."""
    predicted: int | None
    cells: pd.DataFrame
    """cell_id, cluster, probability (NaN: no classifier), reason, blind; in the order of the queue."""


def propose(
    store: Store,
    *,
    strategy: str,
    n: int,
    seed: int,
    reader: str,
    encoder_id: str | None = None,
    cluster: int | None = None,
    second_share: float = 0.0,
) -> Proposal:
    """Choose up to `n` cells; changes nothing.

    Args:
        strategy: name in the registry. Without a classifier one that needs it is replaced by `COLD_START`.
        seed: equal store, arguments and seed give an equal choice.
        reader: whose second readings are chosen: of cells that only others have read.
        cluster: only cells of this cluster of the map.
        second_share: share (0..1) of the `n` cells that are blind second readings.

    Raises:
        SettingsError: no such strategy.
        UserError: `n` or `second_share` out of range, or there is no cell to choose.
    """
    _require_sense(n, second_share)
    named(strategy)
    now = situation(store, encoder_id=encoder_id)
    second = second_readings(store, now, reader, round(n * second_share), seed)
    used, notes = _strategy(strategy, now)
    chosen, rows = _choose(now, used, n - len(second), seed, cluster)
    if not len(rows) and not len(second):
        raise UserError(_nothing(now, cluster, chosen))
    cells = _mixed(_cells(now, chosen, rows), second.assign(reason=SECOND_READING, blind=True), seed)
    return Proposal(now, used, chosen.summary, notes, chosen.cluster, chosen.predicted, cells)


def _require_sense(n: int, second_share: float) -> None:
    if n < 1 or not 0 <= second_share <= 1:
        message = f"{n} cells, {second_share} of them second readings: ask for one cell or more, and a share of 0 to 1."
        raise UserError(message)


def _strategy(asked: str, now: Situation) -> tuple[str, tuple[str, ...]]:
    if now.model is not None or asked in NEED_NO_CLASSIFIER:
        return asked, now.notes
    instead = f"'{named(asked).title}' needs a classifier, so '{named(COLD_START).title}' is used."
    return COLD_START, (*now.notes, instead)


def _choose(
    now: Situation, strategy: str, n: int, seed: int, cluster: int | None
) -> tuple[Selection, NDArray[np.int64]]:
    """The selection, and its rows in the whole pool."""
    if cluster is None:
        selection = named(strategy).choose(now.evidence, n, seed)
        return selection, selection.rows
    evidence, rows = within(now.evidence, cluster)
    selection = named(strategy).choose(evidence, n, seed)
    return selection, rows[selection.rows]


def _nothing(now: Situation, cluster: int | None, chosen: Selection) -> str:
    where = "" if cluster is None else f" in cluster {cluster}"
    if not (now.evidence.pool_cluster == cluster).any() if cluster is not None else not now.pool.cell_ids:
        return f"No unlabelled cell of a training patient is left{where}. Read another cartridge of a training patient."
    return f"This strategy finds no cell to ask for{where}. {chosen.summary} Choose another strategy."


def _cells(now: Situation, chosen: Selection, rows: NDArray[np.int64]) -> pd.DataFrame:
    known = now.model is not None
    return pd.DataFrame(
        {
            "cell_id": pd.Series([now.pool.cell_ids[i] for i in rows], dtype=str),
            "cluster": now.pool.clusters[rows],
            "probability": now.evidence.pool_probability[rows].astype(float) if known else np.nan,
            "reason": pd.Series(list(chosen.reasons), dtype=str),
            "blind": False,
        }
    )


def _mixed(first: pd.DataFrame, second: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Second readings somewhere among the others, which keep their order."""
    both = pd.concat([part for part in (first, second) if len(part)], ignore_index=True)
    places = np.random.default_rng([seed, 2]).permutation(len(both))
    at = np.concatenate([np.sort(places[: len(first)]), places[len(first) :]])
    return both.iloc[np.argsort(at, kind="stable")].reset_index(drop=True)


def start_round(
    store: Store,
    *,
    strategy: str,
    n: int,
    seed: int,
    reader: str,
    session: str,
    minutes: float | None = None,
    second_share: float = 0.0,
    cluster: int | None = None,
    run_id: str | None = None,
    threshold: float = 0.5,
) -> Round:
    """Open a round of the cells that `propose` chooses.

    Args:
        minutes: timer that the queue shows; None: none.
        run_id: the run that this round continues; None begins one.
        threshold: P(CTC) from which a cell counts as called, before and after the round.

    Raises:
        UserError: as `propose`.
        StoreError: a chosen cell was labelled elsewhere in the meantime; start again.
    """
    with _starting:
        made = propose(
            store,
            strategy=strategy,
            n=n,
            seed=seed,
            reader=reader,
            cluster=cluster,
            second_share=second_share,
        )
        asked = {"n": n, "seed": seed, "second_share": second_share, "asked": strategy, "cluster": cluster}
        parameters = {**asked, "threshold": threshold, "notes": list(made.notes)}
        draft = _draft(made, parameters, minutes, run_id)
        return store.open_round(draft, reader=reader, session=session)


def _draft(made: Proposal, parameters: dict[str, object], minutes: float | None, run_id: str | None) -> RoundDraft:
    now, cells = made.situation, made.cells
    return RoundDraft(
        encoder_id=now.encoder_id,
        strategy=made.strategy,
        cell_ids=tuple(cells.cell_id),
        reasons=tuple(cells.reason),
        clusters=tuple(cells.cluster.tolist()),
        probabilities=tuple(cells.probability.tolist()),
        blind=tuple(cells.blind.tolist()),
        map_id=now.latent_map.model_id if now.latent_map else None,
        cluster=made.cluster,
        predicted=made.predicted,
        summary=made.summary,
        parameters=parameters,
        model_before=now.model.model_id if now.model else None,
        minutes=minutes,
        run_id=run_id,
    )
