"""How well vectors tell mitotic from other cells of an imaging flow cytometer: real cells, few labels, a rare class.

Half of the cells may be learned from (`FlowCells.split`); each seed draws its labels there and is tested on a part of
the other half that no other seed is tested on, so that the interval over seeds holds labels and tested cells. It does
not hold the chance in an adaptation, of which there is one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ctc_core.encoder.classical import classical_features
from ctc_core.encoder.descriptors import descriptors
from ctc_core.encoder.embedder import Embedder
from ctc_core.encoder.evaluate import random_weights
from ctc_core.encoder.flow import SPLIT_SEED, FlowCells, Scale, load_flow, parts
from ctc_core.encoder.scores import average_precision, decide, differences, draw, f1, means, standardised
from ctc_core.errors import ModelError, SettingsError
from ctc_core.models import load_config, sha256
from ctc_core.types import EMBEDDING_DIM, Progress, silent

LABELS = (50, 100, 500)

METRICS = ("f1", "average_precision", "f1_mixed", "average_precision_mixed")
"""`_mixed`: only tested cells of experiments that hold both classes (`FlowCells.mixed`)."""

Values = Mapping[str, Mapping[str, NDArray[np.float64]]]
"""Decision values of tested cells by method and number of labels."""


def evaluate_flow(
    name_or_path: str,
    path: Path,
    *,
    adapted: str | None = None,
    seeds: int = 10,
    labels: Sequence[int] = LABELS,
    threads: int = 0,
    progress: Progress = silent,
) -> dict[str, Any]:
    """F1 and average precision of mitotic cells by method and number of labels, with 95 % intervals over seeds.

    adapted: name or path of an encoder of `adapt`, for the method "ours, adapted".

    Returns:
        {encoder_id, adapted_id, data, seeds, cells: {labelled, tested}, mitotic: {labelled, tested}, and for each of
        `METRICS`: {score: {method: {labels: interval}}, difference: {method of ours: {rival: {labels: interval}}}}}.

    Raises:
        ModelError: no such encoder, no such cells, or an encoder adapted to tiles of another file or split.
        SettingsError: more seeds than parts of the tested cells that hold both classes.
    """
    cells = load_flow(path)
    embedders = {"ours": Embedder.load(name_or_path, threads=threads)}
    if adapted:
        embedders["ours, adapted"] = _adapted(adapted, path, threads)
    pool, test = cells.split()
    part = parts(cells.strata()[test], seeds, seed=0)
    _check(path, cells.mitotic[test][cells.mixed()[test]], part[cells.mixed()[test]], seeds)
    fixed, crops = _features(cells, embedders, pool, progress)
    runs = []
    for seed in range(seeds):
        tested = test[part == seed]
        runs.append(_run(cells, fixed, crops, pool, tested, labels, seed, embedders["ours"].input_px))
        progress(seed + 1, seeds, "labels and tested cells")
    return {
        "encoder_id": embedders["ours"].id,
        "adapted_id": embedders["ours, adapted"].id if adapted else None,
        "data": "real cells of an imaging flow cytometer, mitotic or not",
        "seeds": seeds,
        "cells": {"labelled": len(pool), "tested": len(test)},
        "mitotic": {"labelled": int(cells.mitotic[pool].sum()), "tested": int(cells.mitotic[test].sum())},
        **{metric: _summary([run[metric] for run in runs], list(embedders)) for metric in METRICS},
    }


def _adapted(name_or_path: str, path: Path, threads: int) -> Embedder:
    embedder = Embedder.load(name_or_path, threads=threads)
    known = load_config(embedder.folder).get("adapted_to", {})
    if (known.get("sha256"), known.get("split_seed")) != (sha256(path), SPLIT_SEED):
        message = f"{embedder.folder}: not adapted to {path.name}, so it may have seen tested cells. Adapt it anew."
        raise ModelError(message)
    return embedder


def _check(path: Path, mitotic: NDArray[np.bool_], part: NDArray[np.int64], seeds: int) -> None:
    enough = min(np.bincount(part[kind], minlength=seeds).min() for kind in (mitotic, ~mitotic))
    if not enough:
        message = f"{path}: {mitotic.sum()} mitotic cells to test cannot be spread over {seeds} seeds. Ask for fewer."
        raise SettingsError(message)


def _features(
    cells: FlowCells, embedders: Mapping[str, Embedder], pool: NDArray[np.int64], progress: Progress
) -> tuple[dict[str, NDArray[np.float32]], NDArray[np.uint8]]:
    """Vectors of all cells by method, and the encoder's crops. The classical ones see the tiles unrounded and uncut."""
    scale = Scale.fit(cells.tiles[pool])
    crops = scale.crops(cells.tiles)
    found = {}
    for done, (name, embedder) in enumerate(embedders.items()):
        found[name] = embedder.embed(crops)
        progress(done + 1, len(embedders), f"vectors: {name}")
    if any(embedder.join for embedder in embedders.values()):  # the part that is no network
        described = descriptors(crops)
        found["descriptors alone"] = standardised(described[pool], described)[1]
    classical = classical_features(scale.pixels(cells.tiles))
    return found | {"classical": standardised(classical[pool], classical)[1]}, crops


def _run(
    cells: FlowCells,
    fixed: Mapping[str, NDArray[np.float32]],
    crops: NDArray[np.uint8],
    pool: NDArray[np.int64],
    tested: NDArray[np.int64],
    labels: Sequence[int],
    seed: int,
    input_px: int,
) -> dict[str, dict[str, dict[str, float]]]:
    """One seed: {metric: {method: {labels: score}}}."""
    chosen = {str(n): pool[draw(cells.mitotic[pool], n, seed)] for n in labels if n < len(pool)}
    vectors = dict(fixed) | {"random weights": _untrained(crops, pool, [*chosen.values(), tested], seed, input_px)}
    values = {
        name: {n: decide(x[rows], cells.mitotic[rows], x[tested]) for n, rows in chosen.items()}
        for name, x in vectors.items()
    }
    return _scores(values, cells.mitotic[tested], cells.mixed()[tested])


def _untrained(
    crops: NDArray[np.uint8], pool: NDArray[np.int64], used: Sequence[NDArray[np.int64]], seed: int, input_px: int
) -> NDArray[np.float32]:
    """Vectors of an untrained network; only of the cells in `used`, the others stay 0: it is another one each seed."""
    rows = np.unique(np.concatenate(used))
    vectors = np.zeros((len(crops), EMBEDDING_DIM), np.float32)
    vectors[rows] = random_weights(seed, crops[pool], input_px)(crops[rows])
    return vectors


def _scores(
    values: Values, mitotic: NDArray[np.bool_], mixed: NDArray[np.bool_]
) -> dict[str, dict[str, dict[str, float]]]:
    scores = {}
    for suffix, rows in (("", np.ones(len(mitotic), bool)), ("_mixed", mixed)):
        truth = mitotic[rows]
        scores["f1" + suffix] = {
            m: {n: f1(truth, v[rows] > 0) for n, v in by_labels.items()} for m, by_labels in values.items()
        }
        scores["average_precision" + suffix] = {
            m: {n: average_precision(truth, v[rows]) for n, v in by_labels.items()} for m, by_labels in values.items()
        }
    return scores


def _summary(runs: Sequence[Mapping[str, Mapping[str, float]]], ours: Sequence[str]) -> dict[str, Any]:
    return {"score": means(runs), "difference": {name: differences(runs, name) for name in ours}}
