"""How well vectors tell CTCs from the rest: the method's PCA and SVM on simulated patients nobody trained on.

Every seed draws its own patients, half to give labels and half to be tested, so the spread over seeds holds patients,
cells and the choice of labels. Our encoder, random weights and classical features see the same cells and labels, so
their differences are taken seed by seed. Numbers of cells and shares of CTCs are the paper's. F1 depends on that share:
with the rare CTCs of a whole cartridge it would be far lower.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ctc_core.encoder import data
from ctc_core.encoder.classical import classical_features
from ctc_core.encoder.descriptors import descriptors
from ctc_core.encoder.embedder import Embedder, run_network
from ctc_core.encoder.scores import decide, differences, draw, f1, f1_at, interval, means, standardised
from ctc_core.settings import Runtime
from ctc_core.simulate.scene import render_items
from ctc_core.types import Progress, silent

LABELS = (20, 100, 500)
RARER = 0.25
"""A second share of CTCs for which F1 is given."""

CROPS_PER_FRAME = 16
"""Every so many crops a new frame: a frame holds about 30 CTCs, and no cell is wanted twice."""


@dataclass(frozen=True)
class Mix:
    """What ten patients give."""

    cells: int
    ctcs: int


LABELLED, TESTED = Mix(2638, 1509), Mix(2773, 1214)
"""The paper's ten training and ten test patients."""

Vectors = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Of the cells that give labels, of those that are tested."""

Embed = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


@dataclass(frozen=True)
class Run:
    """One seed: what each method says of the tested cells."""

    test: data.Labelled
    values: Mapping[str, Mapping[str, NDArray[np.float64]]]
    """By method and number of labels: (n,) decision values, above 0 for CTC."""


def evaluate(
    name_or_path: str,
    *,
    seeds: int = 10,
    n_patients: int = 10,
    labels: Sequence[int] = LABELS,
    threads: int = 0,
    runtime: Runtime = Runtime.EXACT,
    validation: bool = False,
    progress: Progress = silent,
) -> dict[str, Any]:
    """F1 of CTC (class 1) by method and number of labels, and by kind of cell with all labels. See `summarise`.

    n_patients: patients that give labels, and as many others that are tested, per seed, about 270 cells each.
    labels: numbers of labels drawn at random; all of them are added as "all".
    validation: use the patients meant for choosing between trainings instead of those for reporting.

    Raises:
        ModelError: no such encoder.
    """
    embedder = Embedder.load(name_or_path, threads=threads, runtime=runtime)
    population = data.VALIDATION_PATIENTS if validation else data.EVALUATION_PATIENTS
    runs, shares = [], []
    for seed in range(seeds):
        pool, test = (_cells(population, 2 * seed + half, n_patients) for half in (0, 1))
        vectors = _vectors(embedder, pool, test, seed)
        runs.append(Run(test, {name: judge(pair, pool.is_ctc, labels, seed) for name, pair in vectors.items()}))
        shares.append((pool.is_ctc.mean(), test.is_ctc.mean()))
        progress(seed + 1, seeds, f"F1 {f1(test.is_ctc, runs[-1].values['ours']['all'] > 0):.3f}")
    return {
        "encoder_id": embedder.id,
        "data": "simulated, unseen patients",
        "seeds": seeds,
        "patients": {"labelled": n_patients, "tested": n_patients},
        "cells": {"labelled": len(pool), "tested": len(test)},
        "ctc_share": dict(zip(("labelled", "tested"), np.mean(shares, axis=0).tolist(), strict=True)),
        **summarise(runs),
    }


def _cells(population: range, block: int, n_patients: int) -> data.Labelled:
    first = population.start + block * n_patients
    return labelled_cells(range(first, first + n_patients), TESTED if block % 2 else LABELLED, seed=block)


def labelled_cells(patients: range, mix: Mix, *, seed: int) -> data.Labelled:
    """Different cells of these patients, as many per patient as in `mix`; CTCs about as many, since more of their
    kind come twice and are left out.

    Kinds are those of the simulator, with the phenotype of CTCs that are nothing else: "crowded", "CTC dim", ...
    """
    n = round(mix.cells * len(patients) / 10)
    crops, items = render_items(
        n + n // 3, seed, patients=patients, ctc_share=mix.ctcs / mix.cells, crops_per_patient=CROPS_PER_FRAME
    )
    _, first = np.unique([item.seed for item in items], return_index=True)
    rows = np.sort(first)[:n]
    kinds = [f"CTC {items[i].phenotype}" if items[i].kind == "ctc" else items[i].kind for i in rows]
    return data.Labelled(crops[rows], np.array([items[i].is_ctc for i in rows]), np.array(kinds, np.str_))


def _vectors(embedder: Embedder, pool: data.Labelled, test: data.Labelled, seed: int) -> dict[str, Vectors]:
    untrained = random_weights(seed, pool.crops, embedder.input_px)
    classical = classical_features(pool.crops), classical_features(test.crops)
    return {
        **_ours(embedder, pool.crops, test.crops),
        "random weights": (untrained(pool.crops), untrained(test.crops)),
        "classical": standardised(*classical),  # in different units; vectors are used as the method does, unscaled
    }


def _ours(embedder: Embedder, pool: NDArray[np.uint8], test: NDArray[np.uint8]) -> dict[str, Vectors]:
    """The encoder's vectors; where it joins class tokens and descriptors, those by themselves as well."""
    tokens = embedder.class_tokens(pool), embedder.class_tokens(test)
    if embedder.join is None:
        return {"ours": tokens}
    return {
        "ours": (embedder.join(tokens[0], pool), embedder.join(tokens[1], test)),
        "network alone": tokens,
        "descriptors alone": standardised(descriptors(pool), descriptors(test)),
    }


def random_weights(seed: int, crops: NDArray[np.uint8], input_px: int) -> Embed:
    """The same network untrained; its batch norms know the data, or it would be an unfairly weak rival."""
    from ctc_core.encoder.network import build_network, recalibrate
    from ctc_core.encoder.preprocess import to_input

    network = build_network(seed=seed)
    recalibrate(network, (to_input(crops[i : i + 64], input_px) for i in range(0, min(len(crops), 512), 64)))
    return lambda crops: run_network(network, crops, input_px=input_px)


def judge(
    vectors: Vectors, is_ctc: NDArray[np.bool_], labels: Sequence[int], seed: int
) -> dict[str, NDArray[np.float64]]:
    """Decision values of the tested cells by number of labels; numbers that the cells do not reach are left out."""
    x, x_test = vectors
    rows = {str(n): draw(is_ctc, n, seed) for n in labels if n < len(x)} | {"all": np.arange(len(x))}
    return {name: decide(x[chosen], is_ctc[chosen], x_test) for name, chosen in rows.items()}


def summarise(runs: Sequence[Run]) -> dict[str, Any]:
    """Mean with 95 % interval over seeds.

    Returns:
        {f1: {method: {labels: interval}}, difference: {rival: {labels: interval of ours - rival}}, f1_rarer: {method:
        {"all": interval}} as f1 with a quarter CTCs, right_by_kind: {method: {kind: {share, low, high, n, f1}}}},
        where share, low and high are over seeds, `n` counts cells, and f1 (an interval) needs kinds of both classes.
    """
    scores = [_by_method(run, f1) for run in runs]
    rarer = [_by_method(run, lambda truth, found: f1_at(RARER, truth, found)) for run in runs]
    methods = list(runs[0].values)
    return {
        "f1": means(scores),
        "difference": differences(scores),
        "f1_rarer": {method: {"all": by_labels["all"]} for method, by_labels in means(rarer).items()},
        "right_by_kind": {method: _by_kind(runs, method) for method in methods},
    }


Score = Callable[[NDArray[np.bool_], NDArray[np.bool_]], float]


def _by_method(run: Run, score: Score) -> dict[str, dict[str, float]]:
    return {m: {n: score(run.test.is_ctc, v > 0) for n, v in by_labels.items()} for m, by_labels in run.values.items()}


def _by_kind(runs: Sequence[Run], method: str) -> dict[str, dict[str, Any]]:
    kinds = sorted({str(kind) for run in runs for kind in run.test.kinds})
    return {kind: _kind([_of_kind(run, method, kind) for run in runs]) for kind in kinds}


Judged = tuple[NDArray[np.bool_], NDArray[np.bool_]]
"""CTC or not: truth, found."""


def _of_kind(run: Run, method: str, kind: str) -> Judged:
    rows = run.test.kinds == kind
    return run.test.is_ctc[rows], run.values[method]["all"][rows] > 0


def _kind(judged: Sequence[Judged]) -> dict[str, Any]:
    seen = [(truth, found) for truth, found in judged if len(truth)]
    right = interval([float((truth == found).mean()) for truth, found in seen])
    row: dict[str, Any] = {"share": right["mean"], "n": sum(len(truth) for truth, _ in seen)}
    if len(seen) > 1:
        row |= {"low": right["low"], "high": right["high"]}
    mixed = [(truth, found) for truth, found in seen if truth.any() and not truth.all()]
    if len(mixed) > 1:
        row["f1"] = interval([f1(truth, found) for truth, found in mixed])
    return row
