"""One step of training: first, if planned, describing clean photographs; then DINO, and describing beside it."""

from __future__ import annotations

from typing import cast

from ctc_core._torch import nn, torch
from ctc_core.encoder import augment, data, dino
from ctc_core.encoder.checkpoint import State
from ctc_core.encoder.plan import Plan, schedule
from ctc_core.encoder.preprocess import to_range, to_unit
from ctc_core.errors import ModelError

WARM_MOMENTUM = 0.97
"""Of the teacher while the student learns to describe."""

Record = dict[str, float | int]


def train_step(plan: Plan, state: State, crops: data.Crops, clean: data.Crops | None = None) -> Record:
    """One batch; moves student, teacher and centre.

    crops: (n, 2, 3, 48, 48) uint8, two photographs of each object, or (n, 3, 48, 48), only one.
    clean: (n, 3, 48, 48) uint8, what is to be described; None: there is nothing to describe.
    """
    generator = torch.Generator().manual_seed(plan.seed * 1_000_003 + state.step)
    move = _warm_step if state.step < plan.warm_start else _dino_step
    shots = [crops, crops] if crops.ndim == 4 else [crops[:, 0], crops[:, 1]]
    record = move(plan, state, [to_unit(shot) for shot in shots], clean, generator)
    state.step += 1
    return {"step": state.step, "lr": state.optimizer.param_groups[0]["lr"], **record}


def _warm_step(
    plan: Plan, state: State, shots: list[torch.Tensor], clean: data.Crops | None, generator: torch.Generator
) -> Record:
    """The student describes; the teacher is its running mean."""
    kinds = augment.views(plan.global_px, plan.local_px, plan.locals)[:1]
    wide = torch.cat([augment.multi_crop(shot, kinds, augment.Jitter(), generator)[0] for shot in shots])
    vectors = state.student[0](to_range(wide))
    loss = _description_loss(state, vectors, clean)
    _update(plan, state, loss)
    dino.update_teacher(state.teacher, state.student, WARM_MOMENTUM)
    return {"description": loss.item(), "effective_rank": effective_rank(vectors.detach())}


def _dino_step(
    plan: Plan, state: State, shots: list[torch.Tensor], clean: data.Crops | None, generator: torch.Generator
) -> Record:
    kinds = augment.views(plan.global_px, plan.local_px, plan.locals)
    drawn = [augment.multi_crop(shot, kinds, augment.Jitter(), generator) for shot in shots]
    wide, local = (to_range(torch.cat(views)) for views in zip(*drawn, strict=True))
    n = len(shots[0])
    with torch.no_grad():
        embedding = state.teacher[0](wide)
        target = state.teacher[1](embedding).unflatten(0, (-1, n))
    features = torch.cat([state.student[0](view) for view in (wide, local) if len(view)])
    loss = dino.dino_loss(state.student[1](features).unflatten(0, (-1, n)), target, state.centre)
    extra = _description_loss(state, features[: len(wide)], clean) if plan.describe else torch.zeros(())
    _update(plan, state, loss + plan.describe * extra)
    done, steps = state.step - plan.warm_start, plan.iterations - plan.warm_start
    dino.update_teacher(state.teacher, state.student, dino.cosine(done, steps, plan.momentum, 1.0))
    per_cell, of_mean = dino.teacher_entropy(target, state.centre)
    state.centre = dino.update_centre(state.centre, target)
    losses = {"loss": loss.item(), "description": extra.item()}
    rank = effective_rank(embedding)
    return {**losses, "entropy": per_cell, "entropy_of_mean": of_mean, "effective_rank": rank}


def effective_rank(vectors: torch.Tensor) -> float:
    """exp of the entropy of the covariance's eigenvalues, 1 to 128 (Roy, Vetterli 2007); near 1: collapse."""
    share = torch.linalg.svdvals(vectors - vectors.mean(0)).square()
    return float(torch.special.entr(share / share.sum().clamp(min=1e-12)).sum().exp())


def _description_loss(state: State, vectors: torch.Tensor, clean: data.Crops | None) -> torch.Tensor:
    """Smooth absolute error of the targets; `vectors`: one or more views of each crop, view after view."""
    if clean is None or state.targets is None:
        return torch.zeros(())
    wanted = state.targets.of(clean)
    return nn.functional.smooth_l1_loss(state.student[2](vectors), wanted.repeat(len(vectors) // len(wanted), 1))


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
