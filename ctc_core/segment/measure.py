"""Size, shape and grey values of every cell of a frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ctc_core.cartridge.grey import restore_page
from ctc_core.segment.outlines import Outlines
from ctc_core.types import CROP_CHANNELS, PIXEL_UM, Channel, Frame

STATISTICS = ("mean", "max", "sd", "background")

CELL_COLUMNS: tuple[str, ...] = (
    *("frame", "y", "x", "diameter_um", "area_um2", "eccentricity", "polygon", "probability", "at_border"),
    *(f"{channel}_{statistic}" for channel in CROP_CHANNELS for statistic in STATISTICS),
)
"""Columns that every table of cells has; `marker_<statistic>` follow where the archive has a marker page."""

BORDER_PX = 1.5
"""A polygon this near to the frame's edge belongs to a cell that is cut by it."""


@dataclass(frozen=True)
class Regions:
    """The pixels of n polygons, one after the other; pixels of overlapping polygons occur more than once."""

    rows: NDArray[np.int64]
    cols: NDArray[np.int64]
    starts: NDArray[np.int64]
    """(n,) where each polygon's pixels begin."""

    @property
    def areas(self) -> NDArray[np.int64]:
        """(n,) pixels."""
        return np.diff(self.starts, append=len(self.rows))

    def sums(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Sum over each polygon of `values`, one per pixel."""
        return np.add.reduceat(values.astype(np.float64), self.starts)

    def means(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Mean over each polygon of `values`, one per pixel."""
        return self.sums(values) / self.areas


def measure(frame: Frame, outlines: Outlines) -> pd.DataFrame:
    """One row per cell, in the order of `outlines`, with `CELL_COLUMNS`.

    `y`, `x`: centre of mass of the polygon, frame px. `diameter_um`: of the circle of the same area. `eccentricity`: of
    the ellipse with the same second moments, 0 = circle. `<channel>_mean`, `_max`, `_sd`: over the polygon's pixels,
    restored grey values 0..4095; `_background`: median of all pixels of the frame outside every polygon. A page the
    archive does not have gives NaN.
    """
    regions = rasterise(outlines.polygons, frame.stretched.shape[1:])
    area_um2 = regions.areas * PIXEL_UM**2
    columns: dict[str, Any] = {
        "frame": np.full(len(outlines), frame.number, np.int64),
        "y": outlines.centroids[:, 0].astype(float),
        "x": outlines.centroids[:, 1].astype(float),
        "diameter_um": np.sqrt(4 * area_um2 / np.pi),
        "area_um2": area_um2,
        "eccentricity": eccentricity(regions),
        "polygon": pd.Series(outlines.polygons.tolist(), dtype=object),
        "probability": outlines.probability.astype(float),
        "at_border": at_border(outlines.polygons, frame.stretched.shape[1:]),
    }
    for channel in (*CROP_CHANNELS, *({Channel.MARKER} & set(frame.channels))):
        columns |= _grey_values(frame, channel, regions)
    return pd.DataFrame(columns)


def rasterise(polygons: NDArray[np.float32], shape: tuple[int, ...]) -> Regions:
    """Pixels whose centres lie in each polygon (n, k, 2) of a frame (h, w); at least one each, the nearest to the
    first vertex.
    """
    from skimage.draw import polygon

    pixels = [polygon(outline[:, 0], outline[:, 1], shape) for outline in polygons]
    nearest = np.rint(polygons[:, 0]).astype(np.int64)
    pixels = [found if len(found[0]) else (one[:1], one[1:]) for found, one in zip(pixels, nearest, strict=True)]
    rows, cols = (
        np.concatenate([np.empty(0, np.int64), *(found[axis] for found in pixels)]).astype(np.int64) for axis in (0, 1)
    )
    lengths = [len(found[0]) for found in pixels]
    return Regions(rows, cols, np.cumsum([0, *lengths])[: len(lengths)].astype(np.int64))


def eccentricity(regions: Regions) -> NDArray[np.float64]:
    """(n,) eccentricity from the second central moments (as scikit-image's `regionprops`); 0 for a single pixel."""
    y = regions.rows - np.repeat(regions.means(regions.rows), regions.areas)
    x = regions.cols - np.repeat(regions.means(regions.cols), regions.areas)
    yy, xx, xy = regions.means(y * y), regions.means(x * x), regions.means(x * y)
    middle, half = (yy + xx) / 2, np.hypot((yy - xx) / 2, xy)
    ratio = np.divide(middle - half, middle + half, out=np.ones_like(middle), where=middle > 0)
    found: NDArray[np.float64] = np.sqrt(np.clip(1 - ratio, 0, 1))
    return found


def at_border(polygons: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """(n,) whether a polygon reaches the edge of a frame (h, w) to within `BORDER_PX`."""
    far = np.array(shape) - 1 - BORDER_PX
    return np.asarray(((polygons <= BORDER_PX) | (polygons >= far)).any(axis=(1, 2)))


def _grey_values(frame: Frame, channel: Channel, regions: Regions) -> dict[str, NDArray[np.float64]]:
    """Restored grey values of the polygons only, and each grey level of the page once: nothing for every pixel."""
    if channel not in frame.channels:
        return {f"{channel}_{statistic}": np.full(len(regions.starts), np.nan) for statistic in STATISTICS}
    index = frame.channels.index(channel)
    stored = frame.stretched[index]
    counts = np.bincount(stored.ravel())
    present = np.flatnonzero(counts)
    grey = np.zeros(len(counts), np.float32)
    grey[present] = restore_page(present.astype(stored.dtype), frame.limits[index])
    values = grey[stored[regions.rows, regions.cols]].astype(np.float64)
    means = regions.means(values)
    spread = np.sqrt(regions.means((values - np.repeat(means, regions.areas)) ** 2))
    covered = stored.ravel()[np.unique(regions.rows * stored.shape[1] + regions.cols)]
    background = _median(grey, counts - np.bincount(covered, minlength=len(counts)))
    found = (means, np.maximum.reduceat(values, regions.starts), spread, np.full(len(means), background))
    return {f"{channel}_{statistic}": column for statistic, column in zip(STATISTICS, found, strict=True)}


def _median(values: NDArray[np.float32], counts: NDArray[np.int64]) -> float:
    """Median of ascending `values` that occur `counts` times; NaN of none."""
    below = np.cumsum(counts)
    if below[-1] == 0:
        return float("nan")
    middle = [(below[-1] - 1) // 2, below[-1] // 2]
    return float(values[np.searchsorted(below, middle, side="right")].mean())
