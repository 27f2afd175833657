"""Training state on disk, as safetensors: no pickle, all of it or none of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch

from ctc_core._torch import nn, torch
from ctc_core.encoder.targets import Targets
from ctc_core.errors import ModelError


@dataclass
class State:
    """What changes during training. Views and schedules follow from the step, so no generator is kept."""

    student: nn.Sequential
    teacher: nn.Sequential
    optimizer: torch.optim.Optimizer
    centre: torch.Tensor
    targets: Targets | None = None
    """Of the description; taken from the first chunk, so not saved. None: nothing is described."""
    step: int = 0


def save_checkpoint(path: Path, state: State, plan: Mapping[str, Any]) -> None:
    """Replace the checkpoint in one move."""
    moments = state.optimizer.state_dict()["state"]
    tensors = {
        "centre": state.centre,
        **{f"student.{name}": tensor for name, tensor in state.student.state_dict().items()},
        **{f"teacher.{name}": tensor for name, tensor in state.teacher.state_dict().items()},
        **{f"optimizer.{i}.{name}": tensor for i, values in moments.items() for name, tensor in values.items()},
    }
    part = path.with_suffix(".part")
    safetensors.torch.save_file(tensors, part, metadata={"step": str(state.step), "plan": json.dumps(plan)})
    part.replace(path)


def load_checkpoint(path: Path, state: State, plan: Mapping[str, Any]) -> None:
    """Fill `state` from the file.

    Raises:
        ModelError: not a checkpoint, or one of another plan.
    """
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        saved = json.loads(metadata["plan"])
    except (safetensors.SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        message = f"{path}: not a checkpoint of ours ({error}). Start without --resume."
        raise ModelError(message) from error
    if saved != dict(plan):
        changed = ", ".join(key for key in {*saved, *plan} if saved.get(key) != plan.get(key))
        message = f"{path}: made with another {changed}. Give the same options, or start without --resume."
        raise ModelError(message)
    state.step = int(metadata["step"])
    state.centre = tensors["centre"]
    state.student.load_state_dict(_under("student.", tensors))
    state.teacher.load_state_dict(_under("teacher.", tensors))
    groups = state.optimizer.state_dict()["param_groups"]
    state.optimizer.load_state_dict({"state": _moments(_under("optimizer.", tensors)), "param_groups": groups})


def _under(prefix: str, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _moments(tensors: Mapping[str, torch.Tensor]) -> dict[int, dict[str, torch.Tensor]]:
    moments: dict[int, dict[str, torch.Tensor]] = {}
    for name, tensor in tensors.items():
        index, _, key = name.partition(".")
        moments.setdefault(int(index), {})[key] = tensor
    return moments
