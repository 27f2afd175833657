"""Which input size? Speed of the network at each, and what it can learn to tell apart at each from the same crops.

One view of each crop is rendered, turned and learned with its label: DINO needs seven views and a teacher, which at
224 px no CPU affords. So the figures compare sizes with each other; they are not those of an encoder trained by DINO.
Same starting weights, crops, order, steps and learning rate for every size. Weights trained at one size favour it.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from ctc_core._torch import nn, torch
from ctc_core.encoder import augment, data
from ctc_core.encoder.dino import warmup_cosine
from ctc_core.encoder.embedder import Embedder, load_network, run_network
from ctc_core.encoder.network import recalibrate
from ctc_core.encoder.preprocess import to_input, to_range, to_unit
from ctc_core.encoder.scores import decide, differences, f1, means
from ctc_core.encoder.sizes import check_input_px
from ctc_core.simulate import render_crops
from ctc_core.types import EMBEDDING_DIM, Progress, silent

SIZES = (48, 64, 96, 224)
BATCH = 16
RATE, WARMUP = 5e-4, 8
TIMED_CELLS = 32
REPEATS = 5
PATIENTS, CROPS_PER_PATIENT = 8, 24
"""Of each seed; half of the patients give labels for the other half, and the other way round."""

CTC_SHARE = 0.5

FAINT = augment.Jitter(gain=0.0, gamma=0.0, offset=0.0, noise=0.02)
"""Noise and nothing else."""


def compare_sizes(
    name_or_path: str,
    *,
    sizes: Sequence[int] = SIZES,
    crops: int = 1024,
    seeds: int = 6,
    threads: int = 0,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Cells per second and F1 on simulated validation patients for each input size, largest last.

    crops: labelled training crops that the encoder's weights learn from at each size; 0: the weights as they are.

    Returns:
        {encoder_id, threads, crops, seeds, cells_per_second: {px: cells/s, median of 5, sizes in turn},
        times_the_largest: {px: ratio of the medians}, seconds_of_training: {px: s}, f1: {px: {all: interval}},
        difference: {px: {all: interval of the first size - this one}}}.

    Raises:
        ModelError: no such encoder, or a size that the network cannot take.
    """
    edges = sorted(check_input_px(px) for px in sizes)
    embedder = Embedder.load(name_or_path, threads=threads)
    if threads:
        torch.set_num_threads(threads)
    start = load_network(embedder.folder)
    speed = cells_per_second(start, edges)
    networks, seconds = {}, {}
    for done, px in enumerate(edges):
        began = time.process_time()
        networks[px] = fine_tune(copy.deepcopy(start), px, crops)
        seconds[str(px)] = round(time.process_time() - began, 1)
        progress(done + 1, len(edges), f"learned at {px} px")
    runs = []
    for seed in range(seeds):
        runs.append(score(networks, seed))
        progress(seed + 1, seeds, "validation patients")
    return {
        "encoder_id": embedder.id,
        "data": "simulated, validation patients",
        "threads": torch.get_num_threads(),
        "crops": crops,
        "seeds": seeds,
        "cells_per_second": {str(px): round(rate, 1) for px, rate in speed.items()},
        "times_the_largest": {str(px): round(rate / speed[edges[-1]], 2) for px, rate in speed.items()},
        "seconds_of_training": seconds,
        "f1": means(runs),
        "difference": differences(runs, str(edges[0])),
    }


def cells_per_second(network: nn.Module, sizes: Sequence[int]) -> dict[int, float]:
    """Median of 5 for each size; sizes take turns, so that what else the machine does strikes all of them."""
    crops = np.zeros((TIMED_CELLS, 3, 48, 48), np.uint8)
    seconds: dict[int, list[float]] = {px: [] for px in sizes}
    for _ in range(REPEATS):
        for px in sizes:
            began = time.perf_counter()
            run_network(network, crops, input_px=px)
            seconds[px].append(time.perf_counter() - began)
    return {px: TIMED_CELLS / float(np.median(taken)) for px, taken in seconds.items()}


def fine_tune(network: nn.Module, px: int, n: int) -> nn.Module:
    """Learn CTC or not from `n` crops of training patients, each seen once, turned; in eval mode afterwards."""
    if n == 0:
        return network.eval()
    patients = data.TRAINING_PATIENTS[: max(n // CROPS_PER_PATIENT, 1)]
    crops, _, is_ctc = render_crops(
        n, seed=0, patients=patients, ctc_share=CTC_SHARE, crops_per_patient=CROPS_PER_PATIENT
    )
    order = np.random.default_rng(0).permutation(n)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        _learn(network.train(), px, crops[order], torch.from_numpy(is_ctc[order]).float())
    recalibrate(network, (to_input(crops[i : i + BATCH], px) for i in range(0, min(n, 512), BATCH)))
    return network


def _learn(network: nn.Module, px: int, crops: data.Crops, target: torch.Tensor) -> None:
    head = nn.Linear(EMBEDDING_DIM, 1)
    parameters = [*network.parameters(), *head.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=RATE, weight_decay=0.04)
    generator = torch.Generator().manual_seed(0)
    steps = len(crops) // BATCH
    for step in range(steps):
        rows = slice(step * BATCH, (step + 1) * BATCH)
        (view,) = augment.multi_crop(to_unit(crops[rows]), (augment.View(px, (1.0, 1.0), blur=0.0),), FAINT, generator)
        loss = nn.functional.binary_cross_entropy_with_logits(head(network(to_range(view)))[:, 0], target[rows])
        optimizer.param_groups[0]["lr"] = warmup_cosine(step, steps, WARMUP, RATE, RATE / 100)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()


def score(networks: dict[int, nn.Module], seed: int) -> dict[str, dict[str, float]]:
    """F1 by size on the validation patients of this seed: each half of them judged with the labels of the other."""
    first = data.VALIDATION_PATIENTS.start + 1_000_000 + seed * PATIENTS
    halves = [
        render_crops(
            PATIENTS // 2 * CROPS_PER_PATIENT,
            seed=2 * seed + half,
            patients=range(first + half * PATIENTS // 2, first + (half + 1) * PATIENTS // 2),
            ctc_share=CTC_SHARE,
            crops_per_patient=CROPS_PER_PATIENT,
        )
        for half in (0, 1)
    ]
    (crops_a, _, a), (crops_b, _, b) = halves
    scores = {}
    for px, network in networks.items():
        x_a, x_b = (run_network(network, crops, input_px=px, batch=64) for crops in (crops_a, crops_b))
        values = np.concatenate([decide(x_b, b, x_a), decide(x_a, a, x_b)])
        scores[str(px)] = {"all": f1(np.concatenate([a, b]), values > 0)}
    return scores
