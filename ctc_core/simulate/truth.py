"""What is known about the objects of a frame: one row each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ctc_core.simulate.objects import Item, Stamp

TRUTH_COLUMNS = (
    "object_id", "kind", "phenotype", "is_ctc", "ck_positive", "frame", "y", "x", "diameter_um", "outline",
    "dapi_mean", "marker_mean", "ck_mean", "cd45_mean", "cut_by_border",
)  # fmt: skip


def truth(
    stamps: Sequence[tuple[int, Item, Stamp]], scene: NDArray[np.uint16], origin: tuple[int, int], frame: int
) -> pd.DataFrame:
    """One row per object with a part of its body in the frame, columns `TRUTH_COLUMNS`.

    y, x, outline: frame pixels, possibly outside the frame for an object that a border cuts. outline: list of [y, x]
    corners of the CK-positive body (of the nucleus where there is no CK). *_mean: mean 12-bit grey value, background
    included, of the body's part within the frame. The same `object_id` in two frames is the same object.
    """
    size = scene.shape[1], scene.shape[2]
    rows = (_truth_row(number, item, stamp, scene, origin, size, frame) for number, item, stamp in stamps)
    return pd.DataFrame([row for row in rows if row is not None], columns=list(TRUTH_COLUMNS))


def _truth_row(
    number: int,
    item: Item,
    stamp: Stamp,
    scene: NDArray[np.uint16],
    origin: tuple[int, int],
    size: tuple[int, int],
    frame: int,
) -> tuple[object, ...] | None:
    where = overlap(stamp, origin, size)
    if where is None:
        return None
    rows, cols, stamp_rows, stamp_cols = where
    inside = stamp.inside[stamp_rows, stamp_cols]
    if not inside.any():
        return None
    means = [float(page[rows, cols][inside].mean()) for page in scene]
    outline = stamp.outline() - origin
    cut = bool((outline < 0).any() or (outline > (size[0] - 1, size[1] - 1)).any())
    position = item.y - origin[0], item.x - origin[1]
    corners = outline.round(2).tolist()
    return (
        number, item.kind, item.phenotype, item.is_ctc, item.ck_positive, frame, *position, item.diameter_um, corners,
        *means, cut,
    )  # fmt: skip


def overlap(stamp: Stamp, origin: tuple[int, int], size: tuple[int, int]) -> tuple[slice, slice, slice, slice] | None:
    """(rows, cols) of the frame and (rows, cols) of the stamp where both lie; None when they do not meet."""
    top, left = stamp.top - origin[0], stamp.left - origin[1]
    edge = stamp.inside.shape[0]
    y0, y1, x0, x1 = max(top, 0), min(top + edge, size[0]), max(left, 0), min(left + edge, size[1])
    if y0 >= y1 or x0 >= x1:
        return None
    return slice(y0, y1), slice(x0, x1), slice(y0 - top, y1 - top), slice(x0 - left, x1 - left)
