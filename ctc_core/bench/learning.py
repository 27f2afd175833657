"""Images that DINO learns from in a second, ours beside a plain torch loop."""

from __future__ import annotations

import copy
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

PUBLISHED_PX, PUBLISHED_LOCAL_PX, PUBLISHED_LOCALS = 224, 96, 5
"""Views of the published training: two of 224 px, five of 96."""


def measure(*, batch: int, repeats: int, threads: int) -> dict[str, Any]:
    """One step of ours, and of a plain loop at the published sizes of the views, in turn."""
    if threads:
        torch.set_num_threads(threads)
    crops, _, _ = render_crops(batch, seed=0, patients=list(data.VALIDATION_PATIENTS[:2]), ctc_share=0.4)
    plan = Plan(iterations=1000, seed=0, batch=batch, warm_start=0, describe=0.0)
    ours, plain = _state(plan), _state(plan)
    row = timed(
        "a step of DINO", batch, lambda: train_step(plan, ours, crops), repeats,
        plain=lambda: plain_step(plain, crops),
    )  # fmt: skip
    views = f"views {plan.global_px} and {plan.local_px} px"
    note = f"{batch / row['seconds']:.1f} cells/s ({views}), plain {batch / row['baseline']:.1f} (224 and 96 px)"
    about = f"CPU, {torch.get_num_threads()} threads, 32 bits; median of {repeats} steps in turn. No GPU was measured."
    return {"rows": [{**row, "note": note}], "about": about}


def _state(plan: Plan) -> State:
    head = dino.Head(out_dim=plan.out_dim, hidden=plan.hidden)
    student = nn.Sequential(build_network(seed=0), head)
    teacher = copy.deepcopy(student).requires_grad_(False)
    optimizer = torch.optim.AdamW(dino.parameter_groups(student), lr=plan.learning_rate)
    return State(student.train(), teacher.train(), optimizer, torch.zeros(plan.out_dim))


def plain_step(state: State, crops: NDArray[np.uint8]) -> None:
    """DINO as its paper describes it: every view through the network by itself."""
    generator = torch.Generator().manual_seed(0)
    wide_kind, local_kind = augment.views(PUBLISHED_PX, PUBLISHED_LOCAL_PX, PUBLISHED_LOCALS)
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
