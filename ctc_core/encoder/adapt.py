"""An encoder made to fit unlabelled tiles of another instrument: `adapt(encoder, tiles, out)`.

The network's batch norms learn what the tiles are like, after a short DINO if wanted; then class tokens and descriptors
are joined anew, without what a simulator knew (`Join.principal`). No label is used.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import safetensors.torch
from numpy.typing import NDArray

from ctc_core._torch import nn, torch
from ctc_core.encoder import dino
from ctc_core.encoder.checkpoint import State
from ctc_core.encoder.embedder import Embedder, load_network, run_network
from ctc_core.encoder.flow import SPLIT_SEED, Scale, load_flow
from ctc_core.encoder.join import Join, joined
from ctc_core.encoder.network import ARCHITECTURE, recalibrate
from ctc_core.encoder.plan import Plan
from ctc_core.encoder.preprocess import to_input
from ctc_core.encoder.step import train_step
from ctc_core.models import sha256, write_config
from ctc_core.types import EMBEDDING_DIM, Progress, silent

RATE = 2e-4
"""Learning rate: a fifth of a training's, for weights that already know cells."""

OUTPUTS = 1024
"""Of the head, for some two thousand tiles."""

LOCALS = 2
"""Local views of each of a tile's two turns as a photograph: there is only one photograph of it."""

WEIGHTS = "weights.safetensors"


def adapt(
    name_or_path: str,
    path: Path,
    out: Path,
    *,
    steps: int,
    batch: int = 32,
    seed: int = 0,
    threads: int = 0,
    progress: Progress = silent,
) -> Path:
    """Write the adapted encoder into `out`: weights with a join of their own, and config.json. Returns `out`.

    path: flow cells (`load_flow`); only the half of `FlowCells.split` that may be learned from is used, and no label.
    steps: of DINO, `batch` tiles each; 0: only the batch norms learn what the tiles are like.

    Raises:
        ModelError: no such encoder, no such cells, or a loss that runs away.
    """
    embedder = Embedder.load(name_or_path, threads=threads)
    if threads:
        torch.set_num_threads(threads)
    cells = load_flow(path)
    pool, _ = cells.split()
    crops = Scale.fit(cells.tiles[pool]).crops(cells.tiles[pool])
    plan = Plan(
        iterations=steps,
        input_px=embedder.input_px,
        batch=min(batch, len(crops)),
        locals=LOCALS,
        out_dim=OUTPUTS,
        describe=0,
        learning_rate=RATE,
        warmup=max(steps // 5, 1),
        freeze_last=max(steps // 5, 1),
        seed=seed,
    )
    backbone = _trained(plan, load_network(embedder.folder), crops, progress)
    recalibrate(backbone, (to_input(crops[i : i + 64], plan.input_px) for i in range(0, min(len(crops), 1024), 64)))
    join = Join.principal(joined(run_network(backbone, crops, input_px=plan.input_px), crops))
    return _export(backbone, join, embedder, plan, path, out)


def _trained(plan: Plan, backbone: nn.Module, crops: NDArray[np.uint8], progress: Progress) -> nn.Module:
    """The teacher after the plan's steps."""
    state = _start(plan, backbone)
    stream = _batches(crops, plan)
    for _ in range(plan.iterations):
        record = train_step(plan, state, next(stream))
        progress(state.step, plan.iterations, f"loss {record['loss']:.3f}")
    teacher: nn.Module = state.teacher[0]
    return teacher


def _start(plan: Plan, backbone: nn.Module) -> State:
    """Student and teacher with the encoder's weights and a new head each, the same."""
    with torch.random.fork_rng():
        torch.manual_seed(plan.seed)
        student = nn.Sequential(backbone, dino.Head(EMBEDDING_DIM, out_dim=plan.out_dim, hidden=plan.hidden)).train()
    teacher = copy.deepcopy(student).requires_grad_(False)
    optimizer = torch.optim.AdamW(dino.parameter_groups(student), lr=plan.learning_rate)
    return State(student, teacher, optimizer, torch.zeros(plan.out_dim))


def _batches(crops: NDArray[np.uint8], plan: Plan) -> Iterator[NDArray[np.uint8]]:
    """Endless batches, every tile once before any comes again (but for a remainder)."""
    rng = np.random.default_rng(plan.seed)
    while True:
        order = rng.permutation(len(crops))
        for i in range(0, len(crops) - plan.batch + 1, plan.batch):
            yield crops[order[i : i + plan.batch]]


def _export(backbone: nn.Module, join: Join, embedder: Embedder, plan: Plan, path: Path, out: Path) -> Path:
    out.mkdir(parents=True, exist_ok=True)
    added = {name: torch.from_numpy(value) for name, value in join.tensors().items()}
    safetensors.torch.save_file(backbone.state_dict() | added, out / WEIGHTS)
    (out / WEIGHTS).chmod(0o644)  # safetensors writes it for its owner only
    config = {
        "kind": "encoder",
        "name": out.resolve().name,
        "architecture": ARCHITECTURE,
        "input_px": plan.input_px,
        "method": "DINO",
        "started_from": embedder.id,
        "adapted_to": {"file": path.name, "sha256": sha256(path), "split_seed": SPLIT_SEED},
        "training": asdict(plan),
    }
    write_config(out, config, [WEIGHTS])
    return out
