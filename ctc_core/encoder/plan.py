"""The numbers of a training, and the schedules that follow from them."""

from __future__ import annotations

from dataclasses import dataclass

from ctc_core.encoder.dino import cosine, warmup_cosine


@dataclass(frozen=True)
class Plan:
    """Everything the result depends on. Where the paper has a value it stands here, exceptions are explained."""

    iterations: int
    input_px: int = 48
    """Edge at inference."""
    start: str | None = None
    """Name or path of an encoder whose weights to go on from; None: random ones."""
    global_px: int = 40
    """Edge of a global view, in pixels of the crop too: the cell and what touches it, at its size."""
    local_px: int = 24
    """Likewise: the inside of the cell."""
    locals: int = 1
    """Local views of each photograph (paper 5 of each crop): they cost most of a step and pairs do their work."""
    batch: int = 64
    """Objects, each in two photographs. Paper 128; fewer crops a step, more steps when there are few crops."""
    hidden: int = 1024
    """Width of the head's layers (paper 2048)."""
    out_dim: int = 2048
    """Paper 65,536 for a million crops; with far fewer, most outputs would never be used and cost much of the time."""
    warm_start: int = 0
    """First steps, in which the network learns only to describe clean photographs; the paper has none."""
    warm_rate: float = 1e-3
    describe: float = 1.0
    """Weight of the description beside DINO's loss; 0: DINO alone."""
    whiten: float = 0.5
    """How far the description's components are whitened, 0 to 1 (`Targets`)."""
    learning_rate: float = 1e-3
    final_rate: float = 1e-6
    warmup: int = 100
    weight_decay: float = 0.04
    final_decay: float = 0.4
    momentum: float = 0.99
    """Teacher at the start (paper .995 in 30,000 steps); cosine to 1. Short training needs a teacher that keeps up."""
    clip: float = 3.0
    """Largest length of one parameter's gradient (authors' code)."""
    freeze_last: int = 50
    """Steps in which the last layer stays as it is (authors: one epoch)."""
    seed: int = 0


def schedule(plan: Plan, step: int) -> tuple[float, float]:
    """Learning rate and weight decay."""
    if step < plan.warm_start:
        return warmup_cosine(step, plan.warm_start, plan.warmup, plan.warm_rate, plan.warm_rate / 20), plan.weight_decay
    done, steps = step - plan.warm_start, plan.iterations - plan.warm_start
    rate = warmup_cosine(done, steps, plan.warmup, plan.learning_rate, plan.final_rate)
    return rate, cosine(done, steps, plan.weight_decay, plan.final_decay)
