"""Cells of three kinds, and settings that suit a few hundred of them."""

import numpy as np

from ctc_core.latent import Cells, MapParameters

SMALL = MapParameters(n_neighbors=30, min_cluster_size=60, min_samples=20)
"""Fits a few hundred cells; everything else as published."""


def kinds_of_cells(n: int, seed: int, *, name: str) -> Cells:
    """Three well separated kinds in 128 numbers, taking turns."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(3, 128)) * 3
    vectors = (centres[np.arange(n) % 3] + rng.normal(size=(n, 128))).astype(np.float32)
    return Cells(tuple(f"{name}-{i}" for i in range(n)), vectors)
