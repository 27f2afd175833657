"""Images that DINO learns from in a second, ours beside a plain torch loop."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ctc_core._torch import nn, torch
from ctc_core.bench.loop import timed
from ctc_core.encoder import augment, data, dino
from ctc_core.encoder.checkpoint import State
from ctc_core.encoder.network import build_network
from ctc_core.encoder.plan import Plan
from ctc_core.encoder.preprocess import to_range, to_unit
from ctc_core.encoder.step import train_step
from ctc_core.simulate import render_crops


@dataclass(frozen=True)
class Views:
    """Two wide ones of each cell and some local ones, edges in px."""

    wide_px: int
    local_px: int
    locals: int

    def __str__(self) -> str:
        return f"2 views of {self.wide_px} px, {self.locals} of {self.local_px}"


PUBLISHED = Views(224, 96, 5)
"""Of the published training."""


def measure(*, batch: int, repeats: int, threads: int) -> dict[str, Any]:
    """One step of ours, and of a plain loop at the published sizes of the views, in turn."""
    if threads:
        torch.set_num_threads(threads)
    crops, _, _ = render_crops(batch, seed=0, patients=list(data.VALIDATION_PATIENTS[:2]), ctc_share=0.4)
    plan = Plan(iterations=1000, seed=0, batch=batch, warm_start=0, describe=0.0)
    ours, plain = _state(plan), _state(plan)
    own = Views(plan.global_px, plan.local_px, 2 * plan.locals)
    rows = []
    for name, views in (("a step of DINO", PUBLISHED), ("the same, plain with our views", own)):
        row = timed(
            name, batch, lambda: train_step(plan, ours, crops), repeats,
            plain=lambda views=views: plain_step(plain, crops, views),  # type: ignore[misc]
        )  # fmt: skip
        rows.append({**row, "note": _note(batch, row, own, views)})
    about = f"CPU, {torch.get_num_threads()} threads, 32 bits; median of {repeats} steps in turn. No GPU was measured."
    return {"rows": rows, "about": about}


def _note(batch: int, row: dict[str, Any], own: Views, views: Views) -> str:
    said = [f"{batch / row[what]:.1f} cells/s ({v})" for what, v in (("seconds", own), ("baseline", views))]
    return f"{said[0]}, plain {said[1]}"


def _state(plan: Plan) -> State:
    head = dino.Head(out_dim=plan.out_dim, hidden=plan.hidden)
    student = nn.Sequential(build_network(seed=0), head)
    teacher = copy.deepcopy(student).requires_grad_(False)
    optimizer = torch.optim.AdamW(dino.parameter_groups(student), lr=plan.learning_rate)
    return State(student.train(), teacher.train(), optimizer, torch.zeros(plan.out_dim))


def plain_step(state: State, crops: NDArray[np.uint8], views_of: Views = PUBLISHED) -> None:
    """DINO as its paper describes it: every view through the network by itself."""
    generator = torch.Generator().manual_seed(0)
    wide_kind, local_kind = augment.views(views_of.wide_px, views_of.local_px, views_of.locals)
    pixels, n = to_unit(crops), len(crops)
    (wide,) = augment.multi_crop(pixels.repeat(2, 1, 1, 1), (wide_kind,), augment.Jitter(), generator)
    (local,) = augment.multi_crop(pixels, (local_kind,), augment.Jitter(), generator)
    views = [*torch.split(to_range(wide), n), *torch.split(to_range(local), n)]
    with torch.no_grad():
        target = torch.stack([state.teacher(view) for view in views[:2]])
    said = torch.stack([state.student(view) for view in views])
    loss = dino.dino_loss(said, target, state.centre)
    state.optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    state.optimizer.step()
    dino.update_teacher(state.teacher, state.student, 0.996)
    state.centre = dino.update_centre(state.centre, target)
