"""Clusters as closed outlines: where most of their cells lie, smooth enough to look at."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ctc_core.latent import BACKGROUND
from ctc_core.map_view import Place

INSIDE = 0.95
"""Share of a cluster's cells that its outline encloses."""
BINS = 72
"""Cells of the density grid along the cluster's longer side, margin included."""
MARGIN = 8
"""Bins around the outermost cell, so that every outline closes."""
LEAST_SIDE = 2000.0
"""Units that the grid covers at least: a few equal cells still get an outline that can be seen and clicked."""
LEAST_RING = 0.02
"""Rings with a smaller share of the largest ring's area are left out: islands of one or two cells."""

Rings = list[list[int]]
"""Closed lines x0, y0, x1, y1, ... in the browser's units; filled by the even-odd rule."""


def outlines(points: NDArray[np.uint16], cluster: NDArray[np.int16], place: NDArray[np.uint8]) -> dict[int, Rings]:
    """Outline of each cluster that has cells.

    Args:
        points: (n, 2) x, y in the browser's units.
        cluster: (n,) numbers; the background has no outline.
        place: (n,) of `Place`; the patient's cells do not count.
    """
    counted = (place != Place.PATIENT) & (cluster != BACKGROUND)
    return {int(c): outline(points[counted & (cluster == c)]) for c in np.unique(cluster[counted])}


def outline(points: NDArray[np.uint16]) -> Rings:
    """Contour of the smoothed density of (n >= 1, 2) points that encloses `INSIDE` of them."""
    exact = points.astype(np.float64)
    low = exact.min(axis=0)
    bin_ = max(float(np.ptp(exact, axis=0).max()), LEAST_SIDE) / (BINS - 2 * MARGIN - 1)
    at = np.floor((exact - low) / bin_).astype(int) + MARGIN
    counts = np.zeros((BINS, BINS))
    np.add.at(counts, (at[:, 1], at[:, 0]), 1.0)
    density = _smoothed(counts, _bandwidth(exact, bin_))
    level = min(float(np.quantile(density[at[:, 1], at[:, 0]], 1 - INSIDE)), 0.5 * float(density.max()))
    return _rings(density, level, low - (MARGIN - 0.5) * bin_, bin_)


def _bandwidth(points: NDArray[np.float64], bin_: float) -> float:
    """Scott's rule in two dimensions (Scott 1992: n^(-1/6) standard deviations), in bins, within the grid's margin."""
    spread = float(points.std(axis=0).mean()) / bin_
    return float(np.clip(spread * len(points) ** (-1 / 6), 1.2, MARGIN / 2.5))


def _smoothed(counts: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    """Gaussian smoothing of a square grid as a product of matrices: no need to load SciPy's filters for it."""
    bins = np.arange(len(counts))
    kernel = np.exp(-((bins[:, None] - bins) ** 2) / (2 * sigma**2))
    return np.asarray(kernel @ counts @ kernel, np.float64)


def _rings(density: NDArray[np.float64], level: float, origin: NDArray[np.float64], bin_: float) -> Rings:
    from skimage.measure import find_contours

    found = [line for line in find_contours(density, level) if len(line) > 3]
    area = [abs(_area(line)) for line in found]
    kept = [line for line, a in zip(found, area, strict=True) if a > 0 and a >= LEAST_RING * max(area)]
    return [np.rint(origin + line[:, ::-1] * bin_).astype(int).ravel().tolist() for line in kept]


def _area(line: NDArray[np.float64]) -> float:
    """Signed area of a closed line (shoelace)."""
    y, x = line[:-1].T
    y1, x1 = line[1:].T
    return float((x * y1 - x1 * y).sum() / 2)
