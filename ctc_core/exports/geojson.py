"""GeoJSON that QuPath opens: one detection per cell, with class, colour and measurements.

QuPath 0.4 and later (QuPathTypeAdapters): `id` is a UUID, `properties` hold objectType, classification {name, color},
measurements (finite numbers only) and metadata (texts). Coordinates are [x, y] in pixels from the image's upper left
corner, where pixel 0 reaches from 0 to 1; our pixel centres are whole numbers, so half a pixel is added.
"""

from __future__ import annotations

import json
import math
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from ctc_core.cartridge import Grid
from ctc_core.exports.about import about
from ctc_core.exports.cells import cell_table
from ctc_core.exports.choice import Choice
from ctc_core.exports.files import MARK, refuse_existing, refuse_folder, whole_file, whole_folder
from ctc_core.matched import cartridge_grid
from ctc_core.store import Store
from ctc_core.types import CROP_CHANNELS, Label, Progress

CLASSES: dict[str | None, tuple[str, tuple[int, int, int]]] = {
    Label.CTC: ("CTC", (213, 94, 0)),
    Label.NON_CTC: ("Non-CTC", (0, 114, 178)),
    Label.UNSURE: ("Unsure", (230, 159, 0)),
    Label.ARTIFACT: ("Artifact", (118, 130, 142)),
}
"""Label -> QuPath class and its colour: the desk's own colours (Okabe and Ito)."""
CANDIDATE = ("Candidate", (204, 121, 167))
"""Class of a candidate that nobody has decided on; other undecided cells have none."""
MEASURED = {
    "p_ctc": "P(CTC)", "diameter_um": "Diameter um", "area_um2": "Area um^2", "eccentricity": "Eccentricity",
    **{f"{c}_{what}": f"{c.upper()} {what}" for c in CROP_CHANNELS for what in ("mean", "max", "sd", "background")},
    "cluster": "Cluster",
}  # fmt: skip
_NAMES = uuid.UUID("5f1b2c7e-1d0a-5c55-9c0e-6b1f6a3d8a10")


def export_geojson(
    store: Store, choice: Choice, out: Path, *, per_frame: bool = False, force: bool, progress: Progress
) -> dict[str, Any]:
    """Write one cartridge to the file `out` in cartridge pixels, on which frames touch without overlap.

    With `per_frame`, or for several cartridges, `out` is a folder: `<cartridge>/<frame>.geojson` in frame pixels, or
    `<cartridge>.geojson`.
    """
    if len(choice.cartridge_ids) == 1 and not per_frame:
        refuse_existing([out], force=force)
        cells = cell_table(store, choice.cartridge_ids[0], choice, polygons=True)
        with whole_file(out) as path:
            _write(path, cells, cartridge_grid(store, choice.cartridge_ids[0]))
        return {"cells": len(cells), "files": [str(out)]}
    refuse_folder(out, force=force)
    n = 0
    with whole_folder(out) as folder:
        for i, cartridge_id in enumerate(choice.cartridge_ids, start=1):
            cells = cell_table(store, cartridge_id, choice, polygons=True)
            for name, rows, grid in _parts(store, cartridge_id, cells, per_frame=per_frame):
                (folder / name).parent.mkdir(exist_ok=True)
                _write(folder / name, rows, grid)
            n += len(cells)
            progress(i, len(choice.cartridge_ids), cartridge_id)
        pixels = "frame pixels" if per_frame else "cartridge pixels"
        words = {**about(store, choice), "format": "geojson", "coordinates": pixels}
        (folder / MARK).write_text(json.dumps(words, indent=1) + "\n")
    return {"cells": n, "files": [str(out)]}


def _parts(
    store: Store, cartridge_id: str, cells: pd.DataFrame, *, per_frame: bool
) -> Iterator[tuple[str, pd.DataFrame, Grid | None]]:
    if not per_frame:
        yield f"{cartridge_id}.geojson", cells, cartridge_grid(store, cartridge_id)
        return
    for frame in store.frames(cartridge_id).query("status == 'read'").frame:
        yield f"{cartridge_id}/{frame:03d}.geojson", cells[cells.frame == frame], None


def _write(path: Path, cells: pd.DataFrame, grid: Grid | None) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write('{"type": "FeatureCollection", "features": [')
        for i, row in enumerate(cells.to_dict("records")):
            file.write(",\n" if i else "\n")
            json.dump(feature({str(k): v for k, v in row.items()}, grid), file, allow_nan=False)
        file.write("\n]}\n")


def feature(cell: dict[str, Any], grid: Grid | None) -> dict[str, Any]:
    """One cell, a row of `cell_table` with its polygon. `grid` puts it on the cartridge, None leaves it."""
    row, column = grid.position(int(cell["frame"])) if grid else (0, 0)
    down, right = (grid.height * row + 0.5, grid.width * column + 0.5) if grid else (0.5, 0.5)
    ring = simple([[round(float(x) + right, 2), round(float(y) + down, 2)] for y, x in cell["polygon"]])
    properties: dict[str, Any] = {"objectType": "detection", "name": cell["cell_id"]}
    found = classification(cell)
    if found is not None:
        properties["classification"] = {"name": found[0], "color": list(found[1])}
    properties["measurements"] = {
        name: round(float(cell[key]), 4) for key, name in MEASURED.items() if _is_number(cell[key])
    }
    properties["metadata"] = {key: str(cell[key]) for key in ("cell_id", "cartridge_id", "pseudonym", "frame")}
    geometry = {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}
    id_ = str(uuid.uuid5(_NAMES, str(cell["cell_id"])))
    return {"type": "Feature", "id": id_, "geometry": geometry, "properties": properties}


def simple(ring: list[list[float]]) -> list[list[float]]:
    """A ring without vertices between two others on the same row or column.

    Where the frame's border cuts an outline, its vertices lie along the border, not always in order: such a ring meets
    itself, which geometry libraries (JTS, GEOS) call invalid.
    """
    around = zip(ring[-1:] + ring[:-1], ring, ring[1:] + ring[:1], strict=True)
    kept = [
        here
        for before, here, after in around
        if not any(a == b == c for a, b, c in zip(before, here, after, strict=True))
    ]
    return kept if len(kept) > 2 else ring


def classification(cell: dict[str, Any]) -> tuple[str, tuple[int, int, int]] | None:
    """QuPath class and colour: what was decided, else whether it is a candidate."""
    label = cell["label"] if isinstance(cell["label"], str) else None
    if label is not None:
        return CLASSES[label]
    return CANDIDATE if cell["is_candidate"] is True else None


def _is_number(value: Any) -> bool:
    return not pd.isna(value) and math.isfinite(value)
