"""Every physical cell once: not twice within a frame, and not as two halves on both sides of a frame border."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from ctc_core.cartridge import Grid

SAME_IOU = 0.5
"""Polygons of one frame that overlap by this much are one cell (our decision; the paper removes duplicates without
saying how).
"""

SAME_DISTANCE = 0.5
"""So are cells whose centres are nearer than this share of the smaller one's radius."""

TOUCH_PX = 2.5
"""Vertices this near to a border lie on it: StarDist looks at every second pixel and its rays are good to about one."""

SAME_CONTACT = 0.5
"""Halves on both sides of a border are one cell if their contacts with it overlap by this share of the shorter one."""


@dataclass(frozen=True)
class _Shapes:
    """Polygons (n, k, 2) float64 in frame px, their frames, and what follows from them."""

    polygons: NDArray[np.float64]
    areas: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def drop_duplicates(cells: pd.DataFrame, grid: Grid) -> pd.DataFrame:
    """The rows of `cells` (columns `frame`, `y`, `x`, `area_um2`, `polygon`) without second copies; order and index are
    kept.

    Of two finds of one cell the larger stays. A cell cut by a corner of four frames is counted once, too. Frames of a
    cartridge do not overlap, so the halves of a cut cell are neighbours across the border.
    """
    if len(cells) < 2:
        return cells
    shapes = _shapes(cells)
    frames = cells["frame"].to_numpy(np.int64)
    pairs = np.concatenate([_within_frame(cells, shapes), *_across_borders(shapes, frames, grid)])
    return cells[_largest_of_each(pairs, cells["area_um2"].to_numpy(float))]


def _shapes(cells: pd.DataFrame) -> _Shapes:
    polygons = np.array([np.stack(list(outline)) for outline in cells["polygon"]], dtype=np.float64)
    return _Shapes(polygons, cells["area_um2"].to_numpy(float), polygons.min(axis=1), polygons.max(axis=1))


def _largest_of_each(pairs: NDArray[np.int64], areas: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(n,) mask of the largest of each group of cells that `pairs` (m, 2) connect; the first of equals."""
    n = len(areas)
    graph = coo_array((np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    groups, member = connected_components(graph, directed=False)
    order = np.lexsort((np.arange(n), -areas, member))
    kept = np.zeros(n, bool)
    kept[order[np.searchsorted(member[order], np.arange(groups))]] = True
    return kept


# --- within one frame ------------------------------------------------------------------------------------------------


def _within_frame(cells: pd.DataFrame, shapes: _Shapes) -> NDArray[np.int64]:
    """(m, 2) rows that are the same cell of the same frame."""
    extent = float((shapes.high - shapes.low).max())
    apart = cells["frame"].to_numpy(float) * 1e6  # px: farther than any two cells of one frame
    points = np.column_stack([cells["y"], cells["x"], apart]).astype(float)
    near: NDArray[np.int64] = cKDTree(points).query_pairs(extent, output_type="ndarray").astype(np.int64)
    if not len(near):
        return near.reshape(0, 2)
    first, second = near.T
    centres = np.linalg.norm(points[first] - points[second], axis=1)
    radius = np.ptp(shapes.polygons, axis=1).mean(axis=1) / 2
    close = centres < SAME_DISTANCE * np.minimum(radius[first], radius[second])
    same: NDArray[np.int64] = near[close | _overlapping(near, shapes)]
    return same


def _overlapping(near: NDArray[np.int64], shapes: _Shapes) -> NDArray[np.bool_]:
    """(m,) whether two polygons overlap by `SAME_IOU`. Only where their boxes leave that possible are polygons
    rasterised.
    """
    first, second = near.T
    edges = np.minimum(shapes.high[first], shapes.high[second]) - np.maximum(shapes.low[first], shapes.low[second])
    shared = np.prod(np.maximum(edges + 1, 0), axis=1)
    boxes = np.prod(shapes.high - shapes.low + 1, axis=1)
    # Polygons fill at least half of their box (a diamond); this only saves work.
    possible = np.flatnonzero(shared >= SAME_IOU * np.maximum(boxes[first], boxes[second]) / 2)
    same = np.zeros(len(near), bool)
    same[possible] = [_iou(shapes.polygons[first[k]], shapes.polygons[second[k]]) >= SAME_IOU for k in possible]
    return same


def _iou(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    from skimage.draw import polygon2mask

    origin = np.minimum(one.min(axis=0), other.min(axis=0)) - 1
    shape = np.ceil(np.maximum(one.max(axis=0), other.max(axis=0)) - origin).astype(int) + 2
    first, second = (polygon2mask(shape, outline - origin) for outline in (one, other))
    union = np.count_nonzero(first | second)
    return np.count_nonzero(first & second) / union if union else 0.0


# --- across a border -------------------------------------------------------------------------------------------------


def _across_borders(shapes: _Shapes, frames: NDArray[np.int64], grid: Grid) -> Iterator[NDArray[np.int64]]:
    """(m, 2) rows that are two halves of one cell, border by border."""
    by_frame = {int(frame): np.flatnonzero(frames == frame) for frame in np.unique(frames)}
    nothing = np.empty(0, np.int64)
    for row in range(grid.rows):
        for col in range(grid.cols):
            here = by_frame.get(grid.frame_at(row, col), nothing)
            if col + 1 < grid.cols:
                right = by_frame.get(grid.frame_at(row, col + 1), nothing)
                yield _halves(shapes, here, right, axis=1, edge=grid.width - 1)
            if row + 1 < grid.rows:
                below = by_frame.get(grid.frame_at(row + 1, col), nothing)
                yield _halves(shapes, here, below, axis=0, edge=grid.height - 1)


def _halves(
    shapes: _Shapes, before: NDArray[np.int64], after: NDArray[np.int64], *, axis: int, edge: int
) -> NDArray[np.int64]:
    """Pairs of rows (one of `before` at its far `edge` along `axis`, one of `after` at 0) that fit each other best,
    both ways.
    """
    before = before[shapes.high[before, axis] >= edge - TOUCH_PX]
    after = after[shapes.low[after, axis] <= TOUCH_PX]
    if not (len(before) and len(after)):
        return np.empty((0, 2), np.int64)
    one = _contacts(shapes.polygons[before], axis, edge)[:, None]
    other = _contacts(shapes.polygons[after], axis, 0)[None]
    overlap = np.minimum(one[..., 1], other[..., 1]) - np.maximum(one[..., 0], other[..., 0])
    shared = overlap / np.minimum(one[..., 1] - one[..., 0], other[..., 1] - other[..., 0])
    best = (shared == shared.max(axis=1, keepdims=True)) & (shared == shared.max(axis=0, keepdims=True))
    rows, columns = np.nonzero(best & (shared >= SAME_CONTACT))
    return np.column_stack([before[rows], after[columns]])


def _contacts(polygons: NDArray[np.float64], axis: int, edge: int) -> NDArray[np.float64]:
    """(n, 2) where the contact with a border begins and ends, along the border; at least one pixel long."""
    touching = np.abs(polygons[..., axis] - edge) <= TOUCH_PX
    along = polygons[..., 1 - axis]
    begin = np.where(touching, along, np.inf).min(axis=1)
    end = np.where(touching, along, -np.inf).max(axis=1)
    return np.column_stack([begin - 0.5, end + 0.5])
