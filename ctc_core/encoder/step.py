"""One step of training: first, if planned, describing crops; then DINO."""

from __future__ import annotations

from typing import cast

from ctc_core._torch import nn, torch
from ctc_core.encoder import augment, data, dino
from ctc_core.encoder.checkpoint import State
from ctc_core.encoder.describe import descriptors
from ctc_core.encoder.plan import Plan, schedule
from ctc_core.encoder.preprocess import to_range, to_unit
from ctc_core.errors import ModelError

WARM_MOMENTUM = 0.97
"""Of the teacher while the student learns to describe."""

Record = dict[str, float | int]


def train_step(plan: Plan, state: State, crops: data.Crops) -> Record:
    """One batch; moves student, teacher and centre."""
    generator = torch.Generator().manual_seed(plan.seed * 1_000_003 + state.step)
    move = _warm_step if state.step < plan.warm_start else _dino_step
    record = move(plan, state, crops, generator)
    state.step += 1
    return {"step": state.step, "lr": state.optimizer.param_groups[0]["lr"], **record}


def _warm_step(plan: Plan, state: State, crops: data.Crops, generator: torch.Generator) -> Record:
    """The student describes crops, turned and mirrored; the teacher is its running mean."""
    (view,) = augment.multi_crop(to_unit(crops), (augment.turned(plan.input_px),), augment.FAINT, generator)
    loss = _description_loss(state, state.student[0](to_range(view)), crops)
    _update(plan, state, loss)
    dino.update_teacher(state.teacher, state.student, WARM_MOMENTUM)
    return {"description": loss.item()}


def _dino_step(plan: Plan, state: State, crops: data.Crops, generator: torch.Generator) -> Record:
    kinds = augment.views(plan.global_px, plan.local_px)
    *globals_, local = (to_range(v) for v in augment.multi_crop(to_unit(crops), kinds, augment.Jitter(), generator))
    wide = torch.cat(globals_)
    with torch.no_grad():
        embedding = state.teacher[0](wide)
        target = state.teacher[1](embedding).unflatten(0, (-1, plan.batch))
    features = torch.cat([state.student[0](wide), state.student[0](local)])
    loss = dino.dino_loss(state.student[1](features).unflatten(0, (-1, plan.batch)), target, state.centre)
    extra = _description_loss(state, features[: len(wide)], crops) if plan.warm_start else torch.zeros(())
    _update(plan, state, loss + plan.describe * extra)
    done, steps = state.step - plan.warm_start, plan.iterations - plan.warm_start
    dino.update_teacher(state.teacher, state.student, dino.cosine(done, steps, plan.momentum, 1.0))
    per_cell, of_mean = dino.teacher_entropy(target, state.centre)
    state.centre = dino.update_centre(state.centre, target)
    spread = float(embedding.std(dim=0).mean())
    losses = {"loss": loss.item(), "description": extra.item()}
    return {**losses, "entropy": per_cell, "entropy_of_mean": of_mean, "embedding_sd": spread}


def _description_loss(state: State, vectors: torch.Tensor, crops: data.Crops) -> torch.Tensor:
    """Smooth absolute error of standardised descriptors; `vectors`: one or more views of each crop, view after view."""
    target = (torch.from_numpy(descriptors(crops)) - state.mean) / state.sd
    views = len(vectors) // len(crops)
    return nn.functional.smooth_l1_loss(state.student[2](vectors), target.clamp(-5, 5).repeat(views, 1))


def _update(plan: Plan, state: State, loss: torch.Tensor) -> None:
    """One step of AdamW."""
    if not torch.isfinite(loss):
        message = f"step {state.step}: the loss is {loss.item()}. Train again with a lower learning rate."
        raise ModelError(message)
    rate, decay = schedule(plan, state.step)
    for group in state.optimizer.param_groups:
        group.update({"lr": rate, "weight_decay": decay if group["decays"] else 0.0})
    state.optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    for parameter in state.student.parameters():
        if parameter.grad is not None:
            nn.utils.clip_grad_norm_(parameter, plan.clip)
    if state.step < plan.warm_start + plan.freeze_last:
        cast("dino.Head", state.student[1]).freeze_last()
    state.optimizer.step()
