"""Training of the encoder on simulated crops: `train(out, iterations=...)`. The encoder is the teacher's backbone."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Iterator
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any, TextIO

import safetensors.torch

from ctc_core._torch import nn, torch
from ctc_core.encoder import data, dino
from ctc_core.encoder.checkpoint import State, load_checkpoint, save_checkpoint
from ctc_core.encoder.embedder import load_network, run_network
from ctc_core.encoder.network import ARCHITECTURE, build_network, recalibrate
from ctc_core.encoder.plan import Plan
from ctc_core.encoder.preprocess import to_input
from ctc_core.encoder.sizes import check_input_px
from ctc_core.encoder.step import train_step
from ctc_core.encoder.targets import Targets, describer
from ctc_core.errors import ModelError
from ctc_core.models import load_config, model_folder, write_config
from ctc_core.simulate.pairs import Pairs
from ctc_core.types import Progress, silent

WEIGHTS = "weights.safetensors"
CHECKPOINT = "checkpoint.safetensors"
LOG = "log.jsonl"


def train(
    out: Path,
    *,
    iterations: int,
    input_px: int = 48,
    seed: int = 0,
    resume: bool = False,
    deadline_hours: float | None = None,
    threads: int = 0,
    batch: int = 64,
    checkpoint_every: int = 100,
    progress: Progress = silent,
    **changes: Any,
) -> Path:
    """Train and write weights.safetensors, config.json, log.jsonl and a checkpoint into `out`; returns `out`.

    The schedules span `iterations`; at the deadline training stops where it is and exports that, config.json says so.
    resume: go on from `out`'s checkpoint, if there is one, with bitwise the same result as without the interruption.
    changes: further fields of `Plan`, `start` among them.

    Raises:
        ModelError: an input size that does not fit, no encoder to start from, or a checkpoint of another plan.
    """
    sizes = {"input_px": input_px} | {key: px for key, px in changes.items() if key in ("global_px", "local_px")}
    for px in sizes.values():
        check_input_px(px)
    plan = Plan(iterations=iterations, seed=seed, batch=batch, **(changes | sizes))
    if data.CHUNK % batch:
        message = f"batch {batch}: must divide {data.CHUNK}. Choose 16, 32, 64 or 128."
        raise ModelError(message)
    if threads:
        torch.set_num_threads(threads)
    out.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + deadline_hours * 3600 if deadline_hours is not None else None
    state = _start(plan, out / CHECKPOINT, resume=resume)
    _loop(plan, state, out, deadline, checkpoint_every, progress)
    return export(plan, state, out)


def _start(plan: Plan, checkpoint: Path, *, resume: bool) -> State:
    known = data.training_chunk(0, seed=plan.seed)
    targets = Targets.fit(known.clean, plan.whiten)
    student = _student(plan, known, targets)
    teacher = copy.deepcopy(student).requires_grad_(False)
    optimizer = torch.optim.AdamW(dino.parameter_groups(student), lr=plan.learning_rate)
    state = State(student, teacher, optimizer, torch.zeros(plan.out_dim), targets)
    if resume and checkpoint.is_file():
        load_checkpoint(checkpoint, state, asdict(plan))
    return state


def _student(plan: Plan, known: Pairs, targets: Targets) -> nn.Sequential:
    """Backbone, DINO head, describer of what the backbone says already; only the backbone is kept."""
    with torch.random.fork_rng():
        torch.manual_seed(plan.seed)
        backbone = load_network(model_folder(plan.start)) if plan.start else build_network()
        head = dino.Head(out_dim=plan.out_dim, hidden=plan.hidden)
        said = run_network(backbone.eval(), known.shots[:, 0], input_px=plan.input_px)
        return nn.Sequential(backbone, head, describer(torch.from_numpy(said), targets.of(known.clean)))


def _loop(plan: Plan, state: State, out: Path, deadline: float | None, every: int, progress: Progress) -> None:
    state.student.train()
    state.teacher.train()
    stream = data.batches(plan.batch, seed=plan.seed, start=state.step)
    started, first = time.monotonic(), state.step
    with _open_log(out / LOG, state.step) as log:
        while state.step < plan.iterations and (deadline is None or time.monotonic() < deadline):
            objects = next(stream)
            record = train_step(plan, state, objects.shots, objects.clean)
            seconds = time.monotonic() - started
            crops_per_second = (state.step - first) * plan.batch / seconds
            pace = {"seconds": round(seconds, 1), "crops_per_s": round(crops_per_second, 2)}
            log.write(json.dumps(record | pace) + "\n")
            log.flush()
            left = timedelta(seconds=round((plan.iterations - state.step) * plan.batch / crops_per_second))
            progress(state.step, plan.iterations, f"{crops_per_second:.1f} crops/s, {left} left")
            if state.step % every == 0:
                save_checkpoint(out / CHECKPOINT, state, asdict(plan))
    save_checkpoint(out / CHECKPOINT, state, asdict(plan))


def _open_log(path: Path, step: int) -> TextIO:
    """The log with a line for each of the first `step` steps, open for more; lines past the checkpoint go."""
    lines = path.read_text().splitlines(keepends=True)[:step] if path.is_file() else []
    path.write_text("".join(lines))
    return path.open("a")


def export(plan: Plan, state: State, out: Path) -> Path:
    """Write the teacher's backbone, its batch statistics taken anew from plain crops, and config.json."""
    backbone = build_network()
    backbone.load_state_dict(state.teacher[0].state_dict())
    recalibrate(backbone, _plain_batches(plan))
    safetensors.torch.save_file(backbone.state_dict(), out / WEIGHTS)
    (out / WEIGHTS).chmod(0o644)  # safetensors writes it for its owner only
    stages = [*_earlier(plan), _stage(plan, state)]
    config = {
        "kind": "encoder",
        "name": out.resolve().name,
        "architecture": ARCHITECTURE,
        "input_px": plan.input_px,
        "method": "DINO",
        "stages": stages,
        "objects_seen": sum(stage["objects_seen"] for stage in stages),
        "crops_seen": sum(stage["crops_seen"] for stage in stages),
        "crops": "patients from 10,000,000 up (ctc_core.encoder.data)",
    }
    write_config(out, config, [WEIGHTS])
    return out


def _earlier(plan: Plan) -> list[dict[str, Any]]:
    """Stages that the weights to start from went through."""
    if plan.start is None:
        return []
    config = load_config(model_folder(plan.start))
    return list(config.get("stages", []))


def _stage(plan: Plan, state: State) -> dict[str, Any]:
    """What this training did."""
    objects = state.step * plan.batch
    return {
        "training": asdict(plan),
        "iterations_done": state.step,
        "completed": state.step >= plan.iterations,
        "objects_seen": objects,
        "crops_seen": 2 * objects,
        "simulator": data.simulator_version(),
    }


def _plain_batches(plan: Plan, n: int = 1024, batch: int = 64) -> Iterator[torch.Tensor]:
    shots = data.training_chunk(0, seed=plan.seed).shots[:n, 0]
    return (to_input(shots[i : i + batch], plan.input_px) for i in range(0, len(shots), batch))
