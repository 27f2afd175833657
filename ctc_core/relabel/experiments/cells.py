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

KIND = "kind"
"""Column of a folder's tables that no published folder has: what sort of cell it is, e.g. "CTC dim"."""
LEAST_RARE = 10
"""Fewest CTCs of a kind, in training and in test, for its recall to say anything."""


@dataclass(frozen=True)
class Group:
    """Labelled cells, row by row."""

    features: NDArray[np.floating]
    """(n, d)"""
    labels: Whole
    """(n,) 1 CTC, 0 anything else."""
    clusters: Whole
    """(n,)"""
    rare: NDArray[np.bool_] | None = None
    """(n,) CTCs of the rarest kind; None where the folder names no kinds."""

    def __len__(self) -> int:
        return len(self.labels)


def test_group(folder: FeaturesFolder) -> Group:
    """The test cells with the folder's own clusters."""
    test = folder.test
    kind = rarest_kind(folder)
    rare = None if kind is None else (test.table[KIND] == kind).to_numpy() & (test.labels == 1)
    return Group(test.features, test.labels, _own_clusters(test, "df_labeled_test"), rare)


def rarest_kind(folder: FeaturesFolder) -> str | None:
    """The kind with the fewest CTCs among training cells of which there are `LEAST_RARE` or more CTCs in either part.

    None where the folder has no column `kind`, or no kind has that many. Of equals the first by name.
    """
    parts = [part for part in (folder.train, folder.test) if KIND in part.table]
    if len(parts) < 2:
        return None
    train, test = (part.table[KIND][part.labels == 1].value_counts() for part in parts)
    enough = {str(kind): int(n) for kind, n in train.items() if min(n, test.get(kind, 0)) >= LEAST_RARE}
    return min(enough, key=lambda kind: (enough[kind], kind)) if enough else None


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
