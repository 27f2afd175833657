"""Clusters on the map: HDBSCAN on coordinates, and the cluster of the nearest cell for everything else."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ctc_core.latent.parameters import BACKGROUND, PUBLISHED, MapParameters

Coordinates = NDArray[np.float32]
Clusters = NDArray[np.int64]


def find_clusters(xy: Coordinates, parameters: MapParameters = PUBLISHED) -> Clusters:
    """Cluster id of each row of (n, 2) coordinates: (n,) int64, 0.., -1 for background.

    The order of rows decides the numbering: labelled test cells first, then unlabelled ones (published). Where HDBSCAN
    cannot say anything, which is with fewer rows than `min_samples`, all is background.
    """
    if len(xy) < max(parameters.min_samples, 2):
        return np.full(len(xy), BACKGROUND, np.int64)
    from hdbscan import HDBSCAN

    # The published `prediction_data=True` changes no id and is left out: new cells get their nearest cell's cluster.
    clusterer = HDBSCAN(
        min_cluster_size=parameters.min_cluster_size,
        min_samples=parameters.min_samples,
        cluster_selection_method=parameters.cluster_selection_method,
        cluster_selection_epsilon=parameters.cluster_selection_epsilon,
        core_dist_n_jobs=1,  # more would start processes
    )
    return np.asarray(clusterer.fit_predict(xy), np.int64)


def nearest_clusters(xy: Coordinates, clustered_xy: Coordinates, clusters: Clusters) -> Clusters:
    """Cluster of the nearest clustered cell for each row of `xy` (Euclidean, on the map): (n,) int64.

    Published for labelled training cells. New cells follow the same rule rather than `hdbscan.approximate_predict`: it
    needs nothing but coordinates, gives every clustered cell the cluster it has, and treats all cells alike.
    """
    if len(clustered_xy) == 0:
        return np.full(len(xy), BACKGROUND, np.int64)
    from scipy.spatial import KDTree

    _, nearest = KDTree(clustered_xy).query(xy)
    return np.asarray(clusters[nearest], np.int64)


def cluster_notes(clusters: Clusters, parameters: MapParameters) -> tuple[str, ...]:
    """What is odd about a clustering, as sentences; empty where there are at least two clusters."""
    found = sorted(set(clusters.tolist()) - {BACKGROUND})
    if len(clusters) < parameters.min_samples:
        message = (
            f"{len(clusters)} test and unlabelled cells are fewer than the {parameters.min_samples} that a cluster's "
            "density is judged by, so all cells are background. Ingest more cartridges."
        )
        return (message,)
    if not found:
        return (
            "No cluster was found: all cells are background, and reliability is known for all cells together only.",
        )
    if len(found) == 1:
        return ("Only one cluster was found: weak and strong areas can hardly be told apart.",)
    return ()
