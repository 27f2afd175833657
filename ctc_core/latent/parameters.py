"""Settings of a map."""

from __future__ import annotations

from dataclasses import dataclass

BACKGROUND = -1
"""Cluster id of cells that belong to no cluster (HDBSCAN's noise)."""


@dataclass(frozen=True)
class MapParameters:
    """UMAP and HDBSCAN as published; the distance is Euclidean, the map has two dimensions."""

    n_neighbors: int = 200
    min_dist: float = 0.8
    seed: int = 42
    min_cluster_size: int = 15
    min_samples: int = 90
    cluster_selection_method: str = "leaf"
    cluster_selection_epsilon: float = 0.25


PUBLISHED = MapParameters()
