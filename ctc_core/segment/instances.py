"""From what StarDist's network says of every pixel to outlines, with StarDist's own suppression and geometry.

`stardist.nms` and `stardist.geometry` do without TensorFlow; only `stardist.models` needs it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ctc_core.segment.outlines import Outlines, tidy

MARGIN = 2
"""Pixels of the grid at the page's edge that are never a cell's centre (StarDist's `b`)."""

MIN_DISTANCE = 1e-3
"""Rays are at least this long, px (StarDist's `_prep`)."""


def outlines(
    probability: NDArray[np.float32],
    distances: NDArray[np.float32],
    shape: tuple[int, int],
    *,
    grid: tuple[int, int],
    prob: float,
    nms: float,
) -> Outlines:
    """What `StarDist2D.predict_instances` finds: candidates, non-maximum suppression, polygons.

    Args:
        probability: (h, w) of each pixel of the grid of the padded page.
        distances: (h, w, rays) px.
        shape: of the page before it was padded below and to the right.
        prob, nms: the network's thresholds.
    """
    from stardist.geometry import dist_to_coord
    from stardist.nms import non_maximum_suppression_sparse

    rows, cols = candidates(probability, prob)
    points = np.stack([rows * grid[0], cols * grid[1]], axis=1)
    inside = np.flatnonzero((points < shape).all(axis=1))
    rays = np.maximum(distances[rows[inside], cols[inside]], np.float32(MIN_DISTANCE))
    kept, probabilities, lengths, _ = non_maximum_suppression_sparse(
        rays, probability[rows[inside], cols[inside]], points[inside], nms_thresh=nms
    )
    coordinates = np.asarray(dist_to_coord(lengths, kept), np.float32).reshape(-1, 2, distances.shape[2])
    return tidy(np.moveaxis(coordinates, 1, 2), np.asarray(probabilities, np.float32), shape)


def candidates(probability: NDArray[np.float32], threshold: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows and columns of the grid (h, w) that may be a cell's centre."""
    inner = probability[MARGIN:-MARGIN, MARGIN:-MARGIN] > threshold
    rows, cols = np.nonzero(inner)
    return rows + MARGIN, cols + MARGIN
