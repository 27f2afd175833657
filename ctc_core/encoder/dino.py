"""DINO: self-distillation without labels (Caron et al. 2021, arXiv:2104.14294), the parts that are mathematics.

A student sees every view of a crop, a teacher only the global ones; the student learns to say what the teacher says
about another view. The teacher is the running mean of the student.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from ctc_core._torch import nn, torch

STUDENT_TEMPERATURE = 0.1
TEACHER_TEMPERATURE = 0.04
CENTRE_MOMENTUM = 0.9


class Head(nn.Module):
    """128 -> `out_dim` scores: three layers (2048, 2048, 256), scaled to length 1, then rows of length 1."""

    def __init__(self, in_dim: int = 128, *, out_dim: int, hidden: int = 2048, bottleneck: int = 256) -> None:
        super().__init__()
        self.mlp = nn.Sequential(
            nn.Linear(in_dim, hidden), nn.GELU(), nn.Linear(hidden, hidden), nn.GELU(), nn.Linear(hidden, bottleneck)
        )
        for layer in self.mlp:
            if isinstance(layer, nn.Linear):
                nn.init.trunc_normal_(layer.weight, std=0.02)
                nn.init.zeros_(layer.bias)
        self.last = nn.utils.parametrizations.weight_norm(nn.Linear(bottleneck, out_dim, bias=False))
        length = self.last.parametrizations.weight.original0
        length.data.fill_(1)
        length.requires_grad = False

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, in_dim) -> (n, out_dim)."""
        scores: torch.Tensor = self.last(nn.functional.normalize(self.mlp(x), dim=-1))
        return scores

    def freeze_last(self) -> None:
        """Drop the last layer's gradients: it stays as it is in this step (the authors' cure for an unstable start)."""
        for parameter in self.last.parameters():
            parameter.grad = None


def dino_loss(student: torch.Tensor, teacher: torch.Tensor, centre: torch.Tensor) -> torch.Tensor:
    """Mean cross entropy of the student's views with the teacher's *other* views.

    student: (s, n, d) scores; teacher: (t, n, d) scores of the first t <= s views; centre: (d,).
    Caron et al., algorithm 1: teacher softmax((scores - centre) / 0.04), student softmax(scores / 0.1).
    """
    target = torch.softmax((teacher - centre) / TEACHER_TEMPERATURE, dim=-1).detach()
    log_p = torch.log_softmax(student / STUDENT_TEMPERATURE, dim=-1)
    cross_entropy = -torch.einsum("tnd,snd->ts", target, log_p) / student.shape[1]
    same_view = torch.eye(*cross_entropy.shape, dtype=torch.bool)
    return cross_entropy[~same_view].mean()


def update_centre(centre: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    """Running mean over (t, n, d) teacher scores; keeps one score from winning everywhere."""
    return CENTRE_MOMENTUM * centre + (1 - CENTRE_MOMENTUM) * teacher.mean(dim=(0, 1))


def teacher_entropy(teacher: torch.Tensor, centre: torch.Tensor) -> tuple[float, float]:
    """(per cell, of the mean), nats. Collapse: both near log(d) (uniform) or both near 0 (one score for all)."""
    p = torch.softmax((teacher - centre) / TEACHER_TEMPERATURE, dim=-1).flatten(0, 1)
    return float(torch.special.entr(p).sum(-1).mean()), float(torch.special.entr(p.mean(0)).sum())


@torch.no_grad()
def update_teacher(teacher: nn.Module, student: nn.Module, momentum: float) -> None:
    """teacher = momentum * teacher + (1 - momentum) * student, in place; buffers stay the teacher's own."""
    for mean, new in zip(teacher.parameters(), student.parameters(), strict=True):
        mean.lerp_(new, 1 - momentum)


def cosine(step: int, steps: int, start: float, end: float) -> float:
    """`start` at step 0, `end` at step `steps` and later, half a cosine between."""
    fraction = min(step / steps, 1.0) if steps > 0 else 1.0
    return end + 0.5 * (start - end) * (1 + math.cos(math.pi * fraction))


def warmup_cosine(step: int, steps: int, warmup: int, peak: float, end: float) -> float:
    """Linear from peak / warmup at step 0 to `peak` at step warmup - 1, then `cosine` to `end`."""
    if step < warmup:
        return peak * (step + 1) / warmup
    return cosine(step - warmup, steps - warmup, peak, end)


def parameter_groups(student: nn.Module) -> list[dict[str, object]]:
    """AdamW groups: matrices and filters decay; biases, norms and layer scales (one dimension) do not."""
    trained = [p for p in student.parameters() if p.requires_grad]
    decayed: Sequence[nn.Parameter] = [p for p in trained if p.ndim > 1]
    return [
        {"params": decayed, "decays": True},
        {"params": [p for p in trained if p.ndim <= 1], "decays": False, "weight_decay": 0.0},
    ]
