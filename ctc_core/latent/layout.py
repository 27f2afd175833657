"""UMAP: coordinates of the fitted cells, and places of new ones without fitting again.

A fitted UMAP model is not kept. What its `transform` reads are the fitted features, their coordinates and two numbers
of the curve; from these a model is made again that places cells in exactly the same way.
"""

from __future__ import annotations

import functools
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ctc_core._umap import umap_learn
from ctc_core.latent.parameters import MapParameters
from ctc_core.types import Progress, silent

log = logging.getLogger(__name__)

Features = NDArray[np.float32]
Coordinates = NDArray[np.float32]

EXACT_BELOW = 4096
"""From this number of fitted cells on, UMAP itself searches neighbours approximately."""
EPOCHS = 100
"""Steps that place a new cell: UMAP's number for small batches, here for batches of any size."""
BLOCK = 5000
"""Cells placed between two calls of `progress`."""


@dataclass(frozen=True)
class Layout:
    """A fitted layout: all that is needed to place new cells."""

    features: Features
    """(n, d) principal components of the fitted cells."""
    xy: Coordinates
    """(n, 2)"""
    a: float
    b: float
    """Curve 1 / (1 + a x^(2b)) that UMAP fits to `min_dist`."""
    parameters: MapParameters


def fit_layout(
    features: Features, others: tuple[Features, ...], parameters: MapParameters
) -> tuple[Layout, tuple[Coordinates, ...]]:
    """Fit UMAP to (n, d) features and transform each of `others` in one go, all as published.

    `n_neighbors` is lowered to n - 1 where there are fewer cells, as UMAP does.
    """
    model = _new_model(len(features), parameters)
    with _warnings_logged():
        model.fit(features)
        if len(features) < EXACT_BELOW:
            _search_exactly(model)
        placed = tuple(_transform(model, part) for part in others)
    xy = np.asarray(model.embedding_, np.float32)
    return Layout(features, xy, float(model._a), float(model._b), parameters), placed


def place(layout: Layout, features: Features, progress: Progress = silent) -> Coordinates:
    """Coordinates of new cells, (m, d) -> (m, 2), without fitting. The same cell gets the same place in any batch.

    UMAP's `transform` scales weights by the largest in the batch and takes fewer steps in large batches. A fitted cell
    in front of each batch, whose weight is the largest possible, and a fixed number of steps make places independent.
    """
    model = restore(layout)
    model.n_epochs = 3 * EPOCHS  # `transform` takes a third of it
    xy = np.empty((len(features), 2), np.float32)
    for start in range(0, len(features), BLOCK):
        batch = np.concatenate([layout.features[:1], features[start : start + BLOCK]])
        with _warnings_logged():
            xy[start : start + BLOCK] = _transform(model, batch)[1:]
        progress(min(start + BLOCK, len(features)), len(features), "Placing cells on the map")
    return xy


def restore(layout: Layout) -> Any:
    """The fitted `umap.UMAP`, made again from a layout; good for `transform` only."""
    model = _new_model(len(layout.features), layout.parameters)
    model._raw_data = np.ascontiguousarray(layout.features, np.float32)
    model.embedding_ = np.ascontiguousarray(layout.xy, np.float32)
    model._a, model._b = layout.a, layout.b
    model._initial_alpha = model.learning_rate
    model._n_neighbors = model.n_neighbors
    model._disconnection_distance = np.inf
    model._input_hash = None
    _search_exactly(model)
    return model


def _new_model(n: int, parameters: MapParameters) -> Any:
    return umap_learn().UMAP(
        n_components=2,
        n_neighbors=min(parameters.n_neighbors, n - 1),
        min_dist=parameters.min_dist,
        metric="euclidean",
        random_state=parameters.seed,
        n_jobs=1,  # a seed allows one thread only
    )


def _transform(model: Any, features: Features) -> Coordinates:
    if len(features) == 0:
        return np.empty((0, 2), np.float32)
    return np.asarray(model.transform(features), np.float32)


@contextmanager
def _warnings_logged() -> Iterator[None]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for warning in caught:
        log.info("umap: %s", warning.message)


# ---- neighbours -----------------------------------------------------------------------------------------------------


def _search_exactly(model: Any) -> None:
    """Give `transform` an exact search in place of one Python call per pair of cells."""
    model._small_data = False
    model._knn_search_index = _Neighbours(model._raw_data)


class _Neighbours:
    """Exact neighbours with the interface of pynndescent's index; the same distances, to the bit, as UMAP's own."""

    _angular_trees = False

    def __init__(self, features: Features) -> None:
        self.features = features

    def query(self, queries: Features, k: int, epsilon: float) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Indices and distances of the k nearest fitted cells, nearest first, (m, k) each. `epsilon` is not needed."""
        parts = [self._block(queries[start : start + 1000], k) for start in range(0, len(queries), 1000)]
        return np.concatenate([index for index, _ in parts]), np.concatenate([distance for _, distance in parts])

    def _block(self, queries: Features, k: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        distances = _pairwise()(queries, self.features)
        nearest = np.argpartition(distances, k, axis=1)[:, :k]
        found = np.take_along_axis(distances, nearest, axis=1)
        order = np.argsort(found, axis=1)
        return np.take_along_axis(nearest, order, axis=1), np.take_along_axis(found, order, axis=1)


@functools.cache
def _pairwise() -> Callable[[Features, Features], NDArray[np.float64]]:
    """Function (m, d), (n, d) -> (m, n) Euclidean distances, as umap-learn computes one of them."""
    import numba

    euclidean = umap_learn().distances.euclidean

    def distances(left: Features, right: Features) -> NDArray[np.float64]:
        out = np.empty((left.shape[0], right.shape[0]), dtype=np.float64)
        for i in range(left.shape[0]):
            for j in range(right.shape[0]):
                out[i, j] = euclidean(left[i], right[j])
        return out

    kernel: Callable[[Features, Features], NDArray[np.float64]] = numba.njit(distances)  # type: ignore[assignment]
    return kernel
