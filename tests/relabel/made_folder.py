"""A small features folder with background cells, and evidence for strategies."""

from dataclasses import replace

import numpy as np

from ctc_core.features import FeaturesFolder, Part
from ctc_core.relabel.evidence import Evidence
from tests.reliability.features_folder import CENTRES, part


def made_folder(n_train: int = 260) -> FeaturesFolder:
    """Three clusters, the last of which is hard; cells far from all centres are background."""
    test, unlabelled = part(200, 2, cases="test"), part(250, 3, cases="pool", labelled=False)
    groups = [with_background(group) for group in (test, unlabelled)]
    xy = np.concatenate([group.xy for group in groups])
    return FeaturesFolder(part(n_train, 1, cases="train"), groups[0], groups[1], xy)


def with_background(group: Part) -> Part:
    far = np.linalg.norm(group.xy[:, None] - CENTRES, axis=2).min(axis=1) > 4
    return replace(group, table=group.table.assign(cluster=np.where(far, -1, group.table.cluster)))


def made_evidence(n_pool: int = 300, n_train: int = 60, **changes: object) -> Evidence:
    """Two features; cluster 0 is easy and large, cluster 1 hard, cluster 2 small."""
    rng = np.random.default_rng(5)
    share = [0.6, 0.3, 0.1]
    pool_cluster, train_cluster = (rng.choice(3, n, p=share) for n in (n_pool, n_train))
    centres = np.array([[0, 0], [8, 0], [0, 8]])
    pool, train = (
        (centres[c] + rng.normal(size=(len(c), 2))).astype(np.float32) for c in (pool_cluster, train_cluster)
    )
    values = {
        "pool": pool,
        "pool_probability": (1 / (1 + np.exp(-2 * (pool[:, 0] - 8 * (pool_cluster == 1))))).astype(np.float32),
        "pool_cluster": pool_cluster,
        "train": train,
        "train_label": (train[:, 0] > 0).astype(np.int64),
        "train_cluster": train_cluster,
        "cluster_f1": {0: 0.9, 1: 0.4, 2: 0.7},
        "cluster_n": {0: 36, 1: 18, 2: 6},
        "wrong_class": {0: 0, 1: 1},
    }
    return Evidence(**(values | changes))  # type: ignore[arg-type]
