"""Class token and values written down by hand, joined by one linear map into the encoder's vector.

A small network that saw a few hundred thousand crops still says less exactly how bright and how large each ring is than
a formula does; the formula knows nothing of neighbours, shapes and textures. Each lacks what the other has. The map is
fitted where the truth about the light is known without any label: on photographs of simulated objects, by ridge
regression on the description of their clean photographs. What neither can tell shrinks to nothing on the way, so that
distances between vectors are distances between what is known of two descriptions.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ctc_core.encoder.descriptors import N_DESCRIPTORS, descriptors
from ctc_core.errors import ModelError
from ctc_core.models import load_config
from ctc_core.types import EMBEDDING_DIM

PREFIX = "join."
"""Of the join's weights in the file with the network's."""

N_JOINED = EMBEDDING_DIM + N_DESCRIPTORS

RIDGE = 0.01
"""Added to each standardised column's variance; ten times more or less moves F1 by .002 on validation patients."""

TOKEN_SHARE = 0.5
"""Of a class token's standardised value beside a descriptor's, on tiles of another instrument. On a part of the flow
cells that may be learned from, F1 with 100 labels was .677, .672, .654 with .25, .5, 1 (descriptors alone .673)."""

BLOCK = 1024
"""Crops described at a time: a block takes some 100 MB."""

Values = NDArray[np.float32]


@dataclass(frozen=True)
class Join:
    """A linear map from class token and descriptors."""

    weight: Values
    """(128, `N_JOINED`)."""
    bias: Values
    """(128,)."""

    def __call__(self, tokens: Values, crops: NDArray[np.uint8]) -> Values:
        """(n, 128) class tokens of (n, 3, 48, 48) uint8 crops -> (n, 128) float32."""
        vectors = np.empty((len(crops), EMBEDDING_DIM), np.float32)
        for start in range(0, len(crops), BLOCK):
            part = slice(start, start + BLOCK)
            # BLAS sums in another order with another number of threads: the same cell would get other last digits.
            vectors[part] = np.einsum("nd,kd->nk", joined(tokens[part], crops[part]), self.weight) + self.bias
        return vectors

    @classmethod
    def fit(cls, known: Values, wanted: NDArray[np.floating]) -> Join:
        """Ridge regression (Hoerl, Kennard 1970, doi 10.1080/00401706.1970.10488634) of standardised columns.

        known: (n, `N_JOINED`) of `joined`; wanted: (n, 128), what the vectors are to say.
        """
        x, y = known.astype(np.float64), wanted.astype(np.float64)
        mean, sd = x.mean(0), x.std(0) + 1e-3
        x = (x - mean) / sd
        inner = x.T @ x / len(x) + RIDGE * np.eye(x.shape[1])
        weight = (np.linalg.solve(inner, x.T @ (y - y.mean(0)) / len(x)) / sd[:, None]).T
        # In C order: safetensors writes a transposed array as it lies in memory.
        return cls(weight.astype(np.float32, order="C"), (y.mean(0) - weight @ mean).astype(np.float32))

    @classmethod
    def principal(cls, known: Values) -> Join:
        """First 128 principal components of standardised columns, class tokens at `TOKEN_SHARE`.

        For tiles of which nothing is known: what is in the light of other instruments, no simulator tells.
        known: (n, `N_JOINED`) of `joined`.
        """
        x = known.astype(np.float64)
        mean, scale = x.mean(0), 1 / (x.std(0) + 1e-3)
        scale[:EMBEDDING_DIM] *= TOKEN_SHARE
        x = (x - mean) * scale
        axes = np.linalg.eigh(x.T @ x)[1][:, : -EMBEDDING_DIM - 1 : -1]
        weight = (axes * scale[:, None]).T
        return cls(weight.astype(np.float32, order="C"), (-weight @ mean).astype(np.float32))

    def tensors(self) -> dict[str, Values]:
        """By name, as `read_join` looks for them among the network's weights."""
        return {PREFIX + "weight": self.weight, PREFIX + "bias": self.bias}


def read_join(folder: Path) -> Join | None:
    """The join of a model folder; None: the class token is the vector.

    Raises:
        ModelError: changed, half a join, or one of other shapes.
    """
    import safetensors

    config = load_config(folder)
    try:
        (name,) = config["sha256"]
        with safetensors.safe_open(folder / name, framework="numpy") as file:
            found = {key.removeprefix(PREFIX): file.get_tensor(key) for key in file.keys() if key.startswith(PREFIX)}  # noqa: SIM118
    except (ValueError, OSError, safetensors.SafetensorError) as error:
        message = f"{folder}: its weights cannot be read ({error}). Restore the model folder."
        raise ModelError(message) from error
    shapes = {name: value.shape for name, value in found.items()}
    if found and shapes != {"weight": (EMBEDDING_DIM, N_JOINED), "bias": (EMBEDDING_DIM,)}:
        message = f"{folder}: a join of {shapes}, not of {EMBEDDING_DIM} x {N_JOINED}. Restore the model folder."
        raise ModelError(message)
    return Join(**found) if found else None


def joined(tokens: Values, crops: NDArray[np.uint8]) -> Values:
    """(n, 128) and (n, 3, 48, 48) uint8 -> (n, `N_JOINED`): class token, then descriptors."""
    return np.concatenate([tokens, descriptors(crops)], axis=1, dtype=np.float32)


def explained(vectors: Values, wanted: NDArray[np.floating]) -> float:
    """Share of the variance of all that is wanted, (n, 128) both."""
    return float(1 - ((wanted - vectors) ** 2).sum() / ((wanted - wanted.mean(0)) ** 2).sum())
