"""The tables that all formats are made from: one row for each cell, one for each CellSearch event.

`CELLS` and `EVENTS` are the data dictionary as well: name, type, unit and meaning of every column.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from ctc_core.enumeration import located, match
from ctc_core.exports.choice import Choice
from ctc_core.matched import cartridge_grid
from ctc_core.store import Store
from ctc_core.store.tags import together
from ctc_core.types import CROP_CHANNELS, PIXEL_UM


@dataclass(frozen=True)
class Column:
    """One column and what it means."""

    name: str
    type: pa.DataType
    unit: str
    meaning: str


_TEXT, _REAL, _WHOLE, _TRUTH, _TIME = pa.string(), pa.float64(), pa.int32(), pa.bool_(), pa.timestamp("us")
_GREY = "grey value, 0 to 4095, restored"
_WHAT = {
    "mean": "mean within the outline; the background is not subtracted",
    "max": "largest value within the outline",
    "sd": "standard deviation within the outline",
    "background": "median of the frame outside all outlines",
}

_PLACE = (
    Column("cartridge_id", _TEXT, "", "the cartridge"),
    Column("pseudonym", _TEXT, "", "the patient's pseudonym; nothing else about the patient is exported"),
    Column("role", _TEXT, "", "what the patient's cells may be used for: encoder, train, test or review"),
    Column("frame", _WHOLE, "", "number of the camera frame, from 1"),
    Column("y", _REAL, "pixel of 0.64 um", "down in the frame; a pixel's centre is a whole number"),
    Column("x", _REAL, "pixel of 0.64 um", "to the right in the frame; a pixel's centre is a whole number"),
    Column("cartridge_y_um", _REAL, "um", "down on the cartridge, on which frames touch without overlap"),
    Column("cartridge_x_um", _REAL, "um", "to the right on the cartridge"),
)
_DECIDED = (
    Column("label", _TEXT, "", "what readers agree on: ctc, non-ctc, unsure or artifact; missing: none, or a conflict"),
    Column("readers", _WHOLE, "", "number of readers whose decision stands"),
    Column("tags", _TEXT, "", "what any reader said besides: apoptotic, cluster; missing: nothing"),
)

CELLS = (
    Column("cell_id", _TEXT, "", "key of the cell"),
    *_PLACE,
    Column("diameter_um", _REAL, "um", "diameter of the circle of the same area"),
    Column("area_um2", _REAL, "um^2", "area within the outline"),
    Column("eccentricity", _REAL, "", "of the ellipse of the same second moments, 0 round to 1 a line"),
    Column("at_border", _TRUTH, "", "cut by the frame's border"),
    Column("segmentation_probability", _REAL, "", "the segmenter's own score of the outline, 0 to 1"),
    *(
        Column(f"{channel}_{what}", _REAL, _GREY, f"{channel.upper()}: {meaning}")
        for channel in CROP_CHANNELS
        for what, meaning in _WHAT.items()
    ),
    Column("p_ctc", _REAL, "", "P(CTC) by the classifier in use, 0 to 1; missing: not scored"),
    Column("is_candidate", _TRUTH, "", "p_ctc reaches the threshold; missing: not scored"),
    Column("cluster", _WHOLE, "", "cluster on the map in use, -1 background; missing: not on the map"),
    Column("map_x", _REAL, "", "UMAP coordinate on the map in use"),
    Column("map_y", _REAL, "", "UMAP coordinate on the map in use"),
    *_DECIDED,
    Column("event_rid", _TEXT, "", "CellSearch event at this place, one to one: within 6.2 um or half of its box"),
    Column("event_assigned", _TRUTH, "", "the CellSearch operator called that event a CTC"),
)
POLYGON = Column(
    "polygon", pa.list_(pa.list_(pa.float32())), "pixel of 0.64 um", "outline in the frame, [y, x] vertices"
)
EVENTS = (
    Column("event_rid", _TEXT, "", "record id of the event in the archive"),
    *_PLACE,
    *(Column(name, _REAL, "pixel of 0.64 um", "the event's box in the frame") for name in ("x0", "y0", "x1", "y1")),
    Column("assigned", _TRUTH, "", "the CellSearch operator called it a CTC"),
    Column("cell_id", _TEXT, "", "our cell at this place; missing: none, so that the event itself was decided on"),
    *_DECIDED,
)


def dictionary(columns: tuple[Column, ...]) -> list[dict[str, str]]:
    """Name, type, unit and meaning of each column, as plain values."""
    return [{"name": c.name, "type": str(c.type), "unit": c.unit, "meaning": c.meaning} for c in columns]


def schema(columns: tuple[Column, ...]) -> pa.Schema:
    """Arrow schema of `columns`."""
    return pa.schema([(column.name, column.type) for column in columns])


def cell_table(store: Store, cartridge_id: str, choice: Choice, *, polygons: bool = False) -> pd.DataFrame:
    """The chosen cells of one cartridge in the columns of `CELLS`, then crop_index (and polygon), by crop_index."""
    cells = store.cells(cartridge_id, polygons=polygons).rename(columns={"probability": "segmentation_probability"})
    table = _placed(store, cartridge_id, cells)
    table = table.merge(_scores(store, cartridge_id, choice.threshold), on="cell_id", how="left")
    table = table.merge(_points(store, cartridge_id), on="cell_id", how="left")
    table = table.merge(_labels(store, cartridge_id), on="cell_id", how="left", validate="one_to_one")
    matched = matches(table, _placed(store, cartridge_id, located(store.events(cartridge_id))))
    table = table.merge(matched, on="cell_id", how="left", validate="one_to_one")
    table["tags"] = table.cell_id.map(together(store.tags(cartridge_id)))
    names = [column.name for column in CELLS]
    return choice.of_cells(table)[[*names, "crop_index", *(["polygon"] if polygons else [])]].reset_index(drop=True)


def event_table(store: Store, cartridge_id: str) -> pd.DataFrame:
    """All CellSearch events of one cartridge in the columns of `EVENTS`; `label` of the matched cell, or their own."""
    events = _placed(store, cartridge_id, located(store.events(cartridge_id)))
    matched = matches(_placed(store, cartridge_id, store.cells(cartridge_id)), events)
    readings = store.cartridge_readings(cartridge_id)
    n = readings[readings.what == "review"].groupby("target").reader.nunique()
    own = store.current_reviews(cartridge_id)[["rid", "label"]].rename(columns={"rid": "event_rid"})
    own = own.assign(readers=own.event_rid.map(n).astype("Int32"))
    of_cell = matched.merge(_labels(store, cartridge_id), on="cell_id", how="left")[["event_rid", "label", "readers"]]
    decided = pd.concat([of_cell, own[~own.event_rid.isin(of_cell.event_rid)]], ignore_index=True)
    table = events.rename(columns={"rid": "event_rid"}).merge(matched[["event_rid", "cell_id"]], how="left")
    table = table.merge(decided, on="event_rid", how="left")
    words = together(store.tags(cartridge_id))
    table["tags"] = table.cell_id.map(words).fillna(("event:" + table.event_rid).map(words))
    return table[[column.name for column in EVENTS]]


def _placed(store: Store, cartridge_id: str, table: pd.DataFrame) -> pd.DataFrame:
    """Add where on the cartridge, and whose it is."""
    grid = cartridge_grid(store, cartridge_id)
    places = np.array([grid.position(int(frame)) for frame in table.frame], float).reshape(-1, 2)
    about = store.cartridges().set_index("cartridge_id").loc[cartridge_id]
    return table.assign(
        cartridge_id=cartridge_id,
        pseudonym=about.pseudonym,
        role=about.role,
        cartridge_y_um=PIXEL_UM * (table.y.to_numpy(float) + grid.height * places[:, 0]),
        cartridge_x_um=PIXEL_UM * (table.x.to_numpy(float) + grid.width * places[:, 1]),
    )


def matches(cells: pd.DataFrame, events: pd.DataFrame) -> pd.DataFrame:
    """cell_id, event_rid, event_assigned of the pairs that the desk makes."""
    position = ["cartridge_y_um", "cartridge_x_um"]
    of_cells, of_events = (table[position].to_numpy(float) / PIXEL_UM for table in (cells, events))
    pairs = match(of_cells, of_events, events.reach_um.to_numpy(float))
    rows, others = [i for i, _ in pairs], [j for _, j in pairs]
    return pd.DataFrame({
        "cell_id": cells.cell_id.iloc[rows].to_numpy(),
        "event_rid": events.rid.iloc[others].to_numpy(),
        "event_assigned": events.assigned.iloc[others].astype("boolean").array,
    })  # fmt: skip


def _scores(store: Store, cartridge_id: str, threshold: float) -> pd.DataFrame:
    active = store.active_model("classifier")
    scored = store.predictions(cartridge_id, active.model_id if active else "")
    called = (scored.probability >= threshold).astype("boolean")
    return scored.rename(columns={"probability": "p_ctc"}).assign(is_candidate=called)


def _points(store: Store, cartridge_id: str) -> pd.DataFrame:
    active = store.active_model("map")
    points = store.points(active.model_id if active else "", cartridge_id)
    return points.rename(columns={"x": "map_x", "y": "map_y"}).astype({"cluster": "Int32"})


def _labels(store: Store, cartridge_id: str) -> pd.DataFrame:
    """cell_id, label (the readers' consensus), readers."""
    readings = store.cartridge_readings(cartridge_id)
    n = readings[readings.what == "label"].groupby("target").reader.nunique()
    labels = store.current_labels(cartridge_id)[["cell_id", "label"]]
    return labels.assign(readers=labels.cell_id.map(n).astype("Int32"))


def as_arrow(table: pd.DataFrame, columns: tuple[Column, ...]) -> pa.Table:
    """The columns with their types; every kind of nothing becomes null."""
    wanted = schema(columns)
    arrays = [_array(table[field.name], field.type) for field in wanted]
    return pa.Table.from_arrays(arrays, schema=wanted)


def _array(values: pd.Series, kind: pa.DataType) -> Any:
    return pa.array(values.to_numpy() if kind == POLYGON.type else values, kind, from_pandas=True)
