"""The map as a component: all cells on one canvas, clusters as outlines, one cluster or one area selected.

The points travel once, in bytes, by `send_points`; the drawing (`scatter`) names them by the hash of their content and
waits for them. A selection therefore costs a few hundred bytes however many cells there are, and comes back as a
cluster number or as the outline of an area, from which `select` finds the cells on the server.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from ctc_core.map_view import MapView, Place, by_f1, cluster_name, figures
from ctc_core.ui.outlines import Rings, outlines

UNITS = 65_535
"""The longer side of the map in the browser's whole units: finer than a pixel at 60-fold zoom."""
MARGIN = 0.05
"""Share of the longer side that is kept free around the map's own cells."""
MAX_CORNERS = 500
"""Of an area drawn by hand; the browser thins its lines to fewer (scatter.js)."""
REACH = 100 * UNITS
"""No honest corner lies further out."""

_HERE = Path(__file__).parent


def _read(*names: str) -> str:
    return "\n".join((_HERE / name).read_text(encoding="utf-8") for name in names)


_POINTS = st.components.v2.component("ctc_points", js=_read("points.js"))
_SCATTER = st.components.v2.component(
    "ctc_scatter",
    html=_read("scatter.html"),
    css=_read("scatter.css"),
    js=_read("scatter_view.js", "scatter_draw.js", "scatter.js"),
)


@dataclass(frozen=True)
class Points:
    """What the browser gets about every cell, once."""

    id: str
    """Hash of `data`."""
    data: bytes


@dataclass(frozen=True, eq=False)
class Selection:
    """What a person picked on the map."""

    cluster: int | None
    """Its number; None for an area drawn by hand."""
    members: NDArray[np.intp]
    """Positions in the view's arrays, ascending."""


def units(view: MapView) -> NDArray[np.uint16]:
    """(n, 2) coordinates in whole units 0..`UNITS`, the same scale on both axes.

    The frame is that of the map's own cells with `MARGIN` around them, so outlines and areas stay where they are when
    another patient is looked at; a patient's cell further out is drawn at the frame's edge.
    """
    exact = view.xy.astype(np.float64)
    own = exact[view.place != Place.PATIENT]
    own = own if len(own) else exact
    if len(own) == 0:
        return np.zeros((0, 2), np.uint16)
    low, span = own.min(axis=0), float(np.ptp(own, axis=0).max()) or 1.0
    share = ((exact - low) / span + MARGIN) / (1 + 2 * MARGIN)
    whole: NDArray[np.uint16] = np.rint(np.clip(share, 0, 1) * UNITS).astype(np.uint16)
    return whole


def encode(view: MapView) -> Points:
    """The points in the order points.js reads: 16 characters id, n, then little-endian columns, 7 bytes a point."""
    marks = view.place | view.mistake.astype(np.uint8) << 2
    body = b"".join([
        np.array([len(marks)], "<u4").tobytes(), units(view).astype("<u2").tobytes(),
        view.cluster.astype("<i2").tobytes(), marks.astype("u1").tobytes(),
    ])  # fmt: skip
    id_ = hashlib.sha256(body).hexdigest()[:16]
    return Points(id_, id_.encode("ascii") + body)


@st.cache_resource(max_entries=8, show_spinner=False)
def _outlines_of(map_id: str, _view: MapView) -> dict[int, Rings]:
    """Of everything but the patient's cells, so that they are those of the map whoever is looked at."""
    return outlines(units(_view), _view.cluster, _view.place)


def send_points(view: MapView, *, key: str) -> Points:
    """Send the points of the map `key`. Call it outside the fragment of the map; what has been sent is not sent again.

    Streamlit keeps large messages in the browser and repeats them by their hash, so a rerun with the same points sends
    some hundred bytes; within a rerun of the map's fragment nothing is sent at all.
    """
    points = encode(view)
    _POINTS(key=f"{key}_points", data=points.data, height=1)
    return points


def scatter(view: MapView, points: Points, *, key: str) -> Selection | None:
    """Draw the map and return what is selected; at first the weakest cluster, where there is one.

    Args:
        view: what to draw.
        points: the points that `send_points` sends for this view.
        key: one map per page and key.
    """
    result = _SCATTER(
        key=key,
        data={
            "points": points.id,
            "map": view.map_id,
            "cells": len(view.cell_ids),
            "clusters": described(view, _outlines_of(view.map_id, view)),
            "weakest": view.weakest,
        },
        on_selection_change=lambda: None,
    )
    message = result.get("selection")
    untouched = not isinstance(message, Mapping) or message.get("map") != view.map_id
    return select(view, {"map": view.map_id, "cluster": view.weakest} if untouched else message)


def described(view: MapView, drawn: Mapping[int, Rings]) -> list[dict[str, Any]]:
    """Each cluster as the browser lists and draws it, lowest F1 first."""
    return [
        {
            "id": row.cluster,
            "name": cluster_name(row.cluster),
            "figures": figures(row),
            "f1": [row.f1.estimate, row.f1.low, row.f1.high] if row.f1 else None,
            "weakest": row.cluster == view.weakest,
            "rings": drawn.get(row.cluster, []),
        }
        for row in by_f1(view.rows)
    ]


def select(view: MapView, message: object) -> Selection | None:
    """What a browser's message selects; None for nothing, another map, or what is no valid message.

    A cluster's members are all its cells, an area's all cells inside its outline (even-odd rule); the patient's cells
    are among them.
    """
    if not isinstance(message, Mapping) or message.get("map") != view.map_id:
        return None
    cluster, area = message.get("cluster"), message.get("area")
    if isinstance(cluster, int) and cluster in {row.cluster for row in view.rows}:
        return Selection(cluster, np.flatnonzero(view.cluster == cluster))
    corners = _corners(area)
    return None if corners is None else Selection(None, np.flatnonzero(inside(units(view), corners)))


def _corners(area: object) -> NDArray[np.float64] | None:
    """(k, 2) corners in units; None unless these are 3 to `MAX_CORNERS` pairs of numbers near the map."""
    if not isinstance(area, list) or not 3 <= len(area) <= MAX_CORNERS:
        return None
    if not all(isinstance(pair, list) and len(pair) == 2 for pair in area):
        return None
    if not all(isinstance(value, int | float) and abs(value) <= REACH for pair in area for value in pair):
        return None
    return np.array(area, np.float64)


def inside(points: NDArray[np.uint16], corners: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(n,) which points lie inside a closed outline of (k, 2) corners; the same sums as `inside` in scatter_view.js."""
    x, y = points[:, 0].astype(np.float64), points[:, 1].astype(np.float64)
    odd = np.zeros(len(points), np.bool_)
    for (x0, y0), (x1, y1) in pairwise([corners[-1], *corners]):
        if y0 == y1:
            continue
        odd ^= ((y1 > y) != (y0 > y)) & (x < (x0 - x1) * (y - y1) / (y0 - y1) + x1)
    return odd
