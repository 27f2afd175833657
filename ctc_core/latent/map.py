"""The map: labelled training cells give its shape, test and unlabelled cells its clusters, new cells are put on it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ctc_core.errors import ModelError, NotEnoughLabels
from ctc_core.latent.clusters import cluster_notes, find_clusters, nearest_clusters
from ctc_core.latent.parameters import BACKGROUND, PUBLISHED, MapParameters
from ctc_core.latent.reduction import Reduction
from ctc_core.types import Progress, silent

MIN_TRAINING = 10
"""Fewest labelled training cells that a map is fitted to: as many as a classifier needs."""


@dataclass(frozen=True)
class Cells:
    """Cells with their embedding vectors, row by row."""

    cell_ids: tuple[str, ...]
    vectors: NDArray[np.float32]
    """(n, 128)"""

    def __len__(self) -> int:
        return len(self.cell_ids)


@dataclass(frozen=True)
class Placed:
    """Cells on a map, row by row."""

    features: NDArray[np.float32]
    """(n, 32) principal components."""
    xy: NDArray[np.float32]
    """(n, 2)"""
    clusters: NDArray[np.int64]
    """(n,) 0.., -1 background."""


@dataclass(frozen=True)
class LatentMap:
    """A fitted map. `id` is the hash of what it was fitted on, so equal inputs give an equal id."""

    id: str
    encoder_id: str
    parameters: MapParameters
    reduction: Reduction
    curve: tuple[float, float]
    """UMAP's a and b."""
    train_ids: tuple[str, ...]
    train: Placed
    """Labelled training cells."""
    cell_ids: tuple[str, ...]
    """Labelled test cells, then unlabelled ones: the cells that were clustered, in this order."""
    n_test: int
    cells: Placed
    notes: tuple[str, ...]
    """What is odd about this map, as sentences."""

    @cached_property
    def cluster_ids(self) -> tuple[int, ...]:
        """Ids of the clusters, ascending, without background."""
        return tuple(sorted(set(self.cells.clusters.tolist()) - {BACKGROUND}))


def map_id(
    train: Cells, test: Cells, unlabelled: Cells, reduction: Reduction, *, encoder_id: str, parameters: MapParameters
) -> str:
    """Id that `fit_map` gives to the map of these inputs: known before anything is computed."""
    digest = hashlib.sha256()
    libraries = [version(name) for name in ("umap-learn", "hdbscan")]
    digest.update(json.dumps([encoder_id, asdict(parameters), libraries], sort_keys=True).encode())
    for part in (train, test, unlabelled):
        digest.update(json.dumps(list(part.cell_ids)).encode())
        digest.update(np.ascontiguousarray(part.vectors, np.float32).tobytes())
    digest.update(reduction.mean.tobytes() + reduction.components.tobytes())
    return f"map-{digest.hexdigest()[:12]}"


def fit_map(
    train: Cells,
    test: Cells,
    unlabelled: Cells,
    reduction: Reduction,
    *,
    encoder_id: str,
    parameters: MapParameters = PUBLISHED,
    progress: Progress = silent,
) -> LatentMap:
    """PCA -> UMAP -> HDBSCAN as published. Minutes for 50,000 cells; loads umap-learn.

    Args:
        train: labelled cells of training patients, to which UMAP is fitted.
        test: labelled cells of test patients.
        unlabelled: cells that have no label; clustered together with `test`.
        reduction: the classifier's own principal components (`Reduction.of`).
        progress: called after each of the four steps; may raise `Cancelled`.

    Raises:
        NotEnoughLabels: fewer than `MIN_TRAINING` training cells.
        ModelError: vectors that are not finite or not of this reduction's length.
    """
    from ctc_core.latent.layout import fit_layout

    _require_training(len(train))
    name = map_id(train, test, unlabelled, reduction, encoder_id=encoder_id, parameters=parameters)
    parts = [_features(part.vectors, reduction) for part in (train, test, unlabelled)]
    progress(1, 4, "Fitting the map")
    layout, (test_xy, unlabelled_xy) = fit_layout(parts[0], (parts[1], parts[2]), parameters)
    progress(2, 4, "Finding clusters")
    xy = np.concatenate([test_xy, unlabelled_xy])
    clusters = find_clusters(xy, parameters)
    progress(3, 4, "Assigning labelled cells")
    train_clusters = nearest_clusters(layout.xy, xy, clusters)
    progress(4, 4, "Map finished")
    return LatentMap(
        id=name,
        encoder_id=encoder_id,
        parameters=parameters,
        reduction=reduction,
        curve=(layout.a, layout.b),
        train_ids=train.cell_ids,
        train=Placed(parts[0], layout.xy, train_clusters),
        cell_ids=test.cell_ids + unlabelled.cell_ids,
        n_test=len(test),
        cells=Placed(np.concatenate(parts[1:]), xy, clusters),
        notes=_fit_notes(len(train), parameters) + cluster_notes(clusters, parameters),
    )


def place(
    latent_map: LatentMap, vectors: NDArray[np.float32], *, encoder_id: str, progress: Progress = silent
) -> Placed:
    """Put new cells, (n, 128) vectors, on a map without fitting it again; each gets its nearest cell's cluster.

    The same vector gets the same place whatever it is placed together with.

    Raises:
        ModelError: vectors of another encoder, not finite, or of another length.
    """
    if encoder_id != latent_map.encoder_id:
        message = (
            f"{latent_map.id}: a map of the encoder {latent_map.encoder_id}, but these are vectors of {encoder_id}. "
            "Fit a map for this encoder: python -m ctc_core map."
        )
        raise ModelError(message)
    from ctc_core.latent.layout import Layout
    from ctc_core.latent.layout import place as place_features

    train = latent_map.train
    layout = Layout(train.features, train.xy, *latent_map.curve, latent_map.parameters)
    features = _features(vectors, latent_map.reduction)
    xy = place_features(layout, features, progress)
    return Placed(features, xy, nearest_clusters(xy, latent_map.cells.xy, latent_map.cells.clusters))


def locate(latent_map: LatentMap, cells: Cells, *, encoder_id: str, progress: Progress = silent) -> Placed:
    """Cells on a map: where the map has them, or placed now, e.g. cells labelled since it was fitted.

    Raises:
        ModelError: as `place`.
    """
    known = {cell_id: (latent_map.cells, row) for row, cell_id in enumerate(latent_map.cell_ids)}
    known |= {cell_id: (latent_map.train, row) for row, cell_id in enumerate(latent_map.train_ids)}
    new = [i for i, cell_id in enumerate(cells.cell_ids) if cell_id not in known]
    placed = place(latent_map, cells.vectors[new], encoder_id=encoder_id, progress=progress)
    sources = known | {cells.cell_ids[i]: (placed, row) for row, i in enumerate(new)}
    rows = [sources[cell_id] for cell_id in cells.cell_ids]

    def gather(name: str, empty: NDArray[Any]) -> NDArray[Any]:
        return np.stack([getattr(source, name)[row] for source, row in rows]) if rows else empty

    return Placed(*(gather(name, getattr(placed, name)) for name in ("features", "xy", "clusters")))


def _features(vectors: NDArray[Any], reduction: Reduction) -> NDArray[np.float32]:
    if len(vectors) and not np.isfinite(vectors).all():
        message = "Some vectors are not finite numbers. Embed these cells again."
        raise ModelError(message)
    return reduction.transform(vectors)


def _require_training(n: int) -> None:
    if n < MIN_TRAINING:
        message = (
            f"{n} labelled cells of training patients: a map needs at least {MIN_TRAINING}. "
            "Label more cells of patients with the role 'train'."
        )
        raise NotEnoughLabels(message)


def _fit_notes(n: int, parameters: MapParameters) -> tuple[str, ...]:
    if n > parameters.n_neighbors:
        return ()
    message = (
        f"{n} labelled training cells are no more than the {parameters.n_neighbors} neighbours that the method looks "
        f"at, so {n - 1} were used: the map shows little structure. Label more cells."
    )
    return (message,)
