"""A made-up map: round clusters, a background, some labels, some mistakes, one patient's cells."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ctc_core.intervals import Interval
from ctc_core.map_view import ClusterRow, MapView, Mistake, Place
from ctc_core.reliability import Area, ClusterMetrics, Counts, DrawReliability, ExpectedErrors, Shares

CENTRES = np.array([[0.0, 0.0], [9.0, 1.0], [4.0, 7.0], [-6.0, 6.0], [12.0, 9.0]])
WEAKEST = 2
COUNTS = {
    -1: Counts(tp=10, fp=2, fn=2, tn=16),
    0: Counts(tp=30, fp=1, fn=1, tn=8),
    1: Counts(tp=20, fp=2, fn=2, tn=26),
    2: Counts(tp=13, fp=8, fn=16, tn=23),
    3: Counts(tp=30, fp=4, fn=5, tn=31),
    4: Counts(tp=5, fp=1, fn=1, tn=0),
}
"""Labelled test cells by cluster; seven in cluster 4 are too few."""


def made_map(n: int = 400, seed: int = 0) -> MapView:
    """Five clusters with an eighth of the cells each, the rest background."""
    rng = np.random.default_rng(seed)
    cluster = np.where(np.arange(n) % 8 < 5, np.arange(n) % 8, -1).astype(np.int16)
    spread = rng.normal(0, 1, (n, 2)) * np.array([1.0, 0.7])
    anywhere = rng.uniform([-10, -5], [16, 13], (n, 2))
    xy = np.where(cluster[:, None] >= 0, CENTRES[cluster] + spread, anywhere).astype(np.float32)
    place = rng.choice([Place.UNLABELLED, Place.TRAIN, Place.TEST, Place.PATIENT], n, p=[0.9, 0.04, 0.04, 0.02])
    place = np.where((cluster == 4) & (place == Place.TEST), Place.UNLABELLED, place).astype(np.uint8)
    known = (place == Place.TRAIN) | (place == Place.TEST)
    label = np.where(known, rng.integers(0, 2, n), -1).astype(np.int8)
    wrong = (place == Place.TEST) & (rng.random(n) < np.where(cluster == WEAKEST, 0.5, 0.1))
    mistake = np.where(wrong, np.where(label == 1, Mistake.MISSED_CTC, Mistake.FALSE_CTC), Mistake.NONE)
    return MapView(
        map_id=f"made-{n}-{seed}",
        cell_ids=tuple(f"MADE-{i:05d}" for i in range(n)),
        xy=xy,
        cluster=cluster,
        place=place,
        mistake=mistake.astype(np.uint8),
        label=label,
        probability=np.where(np.arange(n) % 10 == 0, np.nan, rng.random(n)).astype(np.float32),
        rows=tuple(_row(c, cluster, place) for c in COUNTS),
        weakest=WEAKEST,
        draw=made_draw(),
    )


def made_draw() -> DrawReliability:
    """312 cells, 50 of them candidates; nine cells unlike anything labelled."""
    errors = ExpectedErrors(Interval(3.2, 1.0, 6.0), Interval(0.4, 0.0, 2.0), np.zeros(6), np.zeros(6))
    unlike = np.arange(312) < 9
    return DrawReliability(Shares(50, 35, 6, 9), Shares(312, 240, 30, 42), unlike, 2, alarm=False, errors=errors)


def without_clusters(view: MapView) -> MapView:
    """The same cells, all of them background."""
    row = replace(view.rows[0], cells=len(view.cluster))
    return replace(view, cluster=np.full_like(view.cluster, -1), rows=(row,), weakest=None, draw=None)


def _row(cluster: int, clusters: np.ndarray, place: np.ndarray) -> ClusterRow:
    cells = int(((clusters == cluster) & (place != Place.PATIENT)).sum())
    area = {WEAKEST: Area.WEAK, 4: Area.UNKNOWN}.get(cluster, Area.STRONG)
    metrics = ClusterMetrics.of(COUNTS[cluster], cluster, 5)
    return ClusterRow(cluster, cells, metrics, area, 0.12 if cluster == WEAKEST else 0.1)
