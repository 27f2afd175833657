"""What the encoder is to say of a clean photograph: the description's principal components, half whitened.

Described as they are, a few loud components (how bright, how large) take nearly all of the loss and later nearly all of
the vectors' variance, and the classifier, whose kernel measures distances between vectors, sees little else. Fully
whitened, rounding errors count as much as sizes. Between the two, component k has the variance lambda_k ** (1 - power).
The map from vectors to components is fixed and keeps angles (`readout`), so distances between vectors are distances
between descriptions. A term that spreads the vectors without saying over what (VICReg, Bardes et al. 2022,
arXiv:2105.04906) would spread nuisances as well.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ctc_core._torch import nn, torch
from ctc_core.encoder.describe import description
from ctc_core.types import EMBEDDING_DIM

N_TARGETS = 96
"""Components described; a vector's other dimensions are free, since the last layer norm gives vectors their length."""

LEAST_SHARE = 1e-4
"""Of the largest variance: a component with less is treated as if it had this much."""


@dataclass(frozen=True)
class Targets:
    """From clean photographs to what is to be said of them."""

    mean: torch.Tensor
    """(d,)."""
    axes: torch.Tensor
    """(d, `components`): standardises, turns, whitens by `power` and scales to a mean variance of 1."""

    @classmethod
    def fit(cls, clean: NDArray[np.uint8], power: float, components: int = N_TARGETS) -> Targets:
        """From (n, 3, 48, 48) uint8 clean photographs. power: 0, no whitening, to 1."""
        described = description(clean).astype(np.float64)
        mean, sd = described.mean(0), described.std(0) + 1e-2
        turn, variance = principal((described - mean) / sd)
        weight = np.maximum(variance, variance[0] * LEAST_SHARE) ** (-power / 2)
        axes = (turn * weight)[:, :components]
        axes /= sd[:, None] * np.sqrt((variance * weight**2)[:components].mean())
        return cls(torch.from_numpy(mean).float(), torch.from_numpy(axes).float())

    def of(self, clean: NDArray[np.uint8]) -> torch.Tensor:
        """(n, 3, 48, 48) uint8 -> (n, `components`)."""
        return (torch.from_numpy(description(clean)) - self.mean) @ self.axes


def principal(x: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Centred (n, d) -> axes (d, d), one a column, and their variances, the largest first."""
    variance, axes = np.linalg.eigh(x.T @ x / len(x))
    return axes[:, ::-1], np.maximum(variance[::-1], 0)


def describer(vectors: torch.Tensor, targets: torch.Tensor) -> nn.Linear:
    """`readout` as a layer that begins with the targets' mean: its weight is fixed, its bias is free."""
    layer = nn.Linear(EMBEDDING_DIM, N_TARGETS)
    weight = readout(vectors, targets)
    layer.load_state_dict({"weight": weight, "bias": targets.mean(0) - weight @ vectors.mean(0)})
    layer.weight.requires_grad = False
    return layer


def readout(vectors: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """(`N_TARGETS`, 128): of the projections that keep angles, the one whose (n, 128) vectors agree most with targets.

    The largest inner product, as in orthogonal Procrustes (Schönemann 1966, doi 10.1007/BF02289451), scaled so that
    both spread alike.
    """
    v, t = vectors - vectors.mean(0), targets - targets.mean(0)
    left, _, right = torch.linalg.svd(t.T @ v, full_matrices=False)
    scale = t.norm() / v.norm().clamp(min=1e-6)
    projection: torch.Tensor = scale * (left @ right)
    return projection


assert N_TARGETS <= EMBEDDING_DIM
