"""A features folder as the experiments need it: labels, features and clusters of training and test cells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ctc_core.errors import NotEnoughLabels, UserError
from ctc_core.features import FeaturesFolder, Part
from ctc_core.latent.clusters import nearest_clusters
from ctc_core.relabel.evidence import BACKGROUND

Whole = NDArray[np.int64]


@dataclass(frozen=True)
class Group:
    """Labelled cells, row by row."""

    features: NDArray[np.floating]
    """(n, d)"""
    labels: Whole
    """(n,) 1 CTC, 0 anything else."""
    clusters: Whole
    """(n,)"""

    def __len__(self) -> int:
        return len(self.labels)


def test_group(folder: FeaturesFolder) -> Group:
    """The test cells with the folder's own clusters."""
    return Group(folder.test.features, folder.test.labels, _own_clusters(folder.test, "df_labeled_test"))


def training_group(folder: FeaturesFolder, *, real_clusters_only: bool = False) -> Group:
    """The labelled training cells; each has the cluster of the nearest test or unlabelled cell on the map.

    real_clusters_only: the nearest cell outside the background decides, so that no training cell is background
        (wherever the folder has a cluster at all).

    Raises:
        UserError: test or unlabelled cells have no column `cluster`.
        NotEnoughLabels: the training cells are of one class.
    """
    clusters = np.concatenate(
        [_own_clusters(folder.test, "df_labeled_test"), _own_clusters(folder.unlabelled, "df_unlabeled_train")]
    )
    found = nearest_clusters(folder.train.xy, folder.clustered_xy, clusters)
    real, homeless = clusters != BACKGROUND, found == BACKGROUND
    if real_clusters_only and real.any():
        found[homeless] = nearest_clusters(folder.train.xy[homeless], folder.clustered_xy[real], clusters[real])
    if len(set(folder.train.labels.tolist())) < 2:
        message = "df_labeled_train: all labels are of one class. A classifier needs CTCs and non-CTCs; label both."
        raise NotEnoughLabels(message)
    return Group(folder.train.features, folder.train.labels, found)


def _own_clusters(part: Part, file: str) -> Whole:
    if part.clusters is None:
        message = (
            f"{file}: the column 'cluster' is missing. The experiments draw by cluster: write each cell's cluster id "
            "there, -1 for background; `experiment clusters` finds them."
        )
        raise UserError(message)
    return part.clusters
