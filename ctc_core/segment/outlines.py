"""The outlines of the cells of one frame, and plain geometry on polygons."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MIN_AREA_PX = 4.0
"""Smaller polygons are collapsed rays, not objects: 1.6 um2, a tenth of the smallest CellSearch cell (4 um across)."""


@dataclass(frozen=True)
class Outlines:
    """The cells of one frame, in frame pixels, best probability first."""

    centroids: NDArray[np.float32]
    """(n, 2) [y, x] centre of mass of each polygon, inside the frame."""
    polygons: NDArray[np.float32]
    """(n, 32, 2) [y, x] vertices, inside the frame."""
    probability: NDArray[np.float32]
    """(n,) StarDist's object probability, 0..1."""

    def __len__(self) -> int:
        return len(self.probability)

    def at_least(self, probability: float) -> Outlines:
        """Only those of at least this probability: what segmenting with that threshold would have found."""
        kept = self.probability >= probability
        return Outlines(self.centroids[kept], self.polygons[kept], self.probability[kept])


def empty_outlines(rays: int = 32) -> Outlines:
    """A frame without cells."""
    return Outlines(*(np.zeros(shape, np.float32) for shape in ((0, 2), (0, rays, 2), (0,))))


def tidy(polygons: NDArray[np.float32], probability: NDArray[np.float32], shape: tuple[int, ...]) -> Outlines:
    """Keep vertices inside the frame, drop collapsed polygons, best probability first."""
    clipped = np.clip(polygons, 0, np.asarray(shape, np.float32) - 1)
    areas, centroids = areas_and_centroids(clipped)
    kept = np.flatnonzero(areas >= MIN_AREA_PX)
    order = kept[np.argsort(-probability[kept], kind="stable")]
    return Outlines(centroids[order], clipped[order], probability[order])


def areas_and_centroids(polygons: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Area (n,) in px2 and centre of mass (n, 2) of simple polygons (n, k, 2) (shoelace formula); both float32."""
    first = polygons[:, :1].astype(np.float64)
    y, x = np.moveaxis(polygons - first, 2, 0)
    y_next, x_next = np.roll(y, -1, axis=1), np.roll(x, -1, axis=1)
    cross = x * y_next - x_next * y
    doubled = cross.sum(axis=1)
    safe = np.where(doubled == 0, 1.0, doubled)
    offset = np.stack([((y + y_next) * cross).sum(axis=1), ((x + x_next) * cross).sum(axis=1)], axis=1) / (
        3 * safe[:, None]
    )
    return np.abs(doubled / 2).astype(np.float32), (first[:, 0] + offset).astype(np.float32)
