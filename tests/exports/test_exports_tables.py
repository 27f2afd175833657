"""Parquet and CSV: what independent readers find in them."""

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from ctc_core.exports.names import Format, Which
from ctc_core.exports.write import export
from ctc_core.spreadsheet import safe
from ctc_core.store import Store
from ctc_core.store.tags import Tag, Tagging
from ctc_core.types import PIXEL_UM
from tests.exports.conftest import lone_event
from tests.mapped_store import CELLS

FIRST = ["cell_id", "cartridge_id", "pseudonym", "role", "frame", "y", "x", "cartridge_y_um", "cartridge_x_um"]
LAST = ["p_ctc", "is_candidate", "cluster", "map_x", "map_y", "label", "readers", "tags", "event_rid", "event_assigned"]


def test_parquet_has_every_cell_with_its_units(store: Store, tmp_path: Path) -> None:
    out = tmp_path / "new" / "r1.parquet"
    written = export(store, "R1", Format.PARQUET, out, threshold=0.5)
    assert written["cells"] == CELLS
    assert [Path(name).name for name in written["files"]] == [
        "r1.parquet",
        "r1.events.parquet",
        "r1.parquet.dictionary.json",
    ]
    found = pq.read_table(out)
    assert [*found.schema.names[:9], *found.schema.names[-11:-1]] == FIRST + LAST
    assert found.schema.field("ck_mean").metadata[b"unit"] == b"grey value, 0 to 4095, restored"
    table, cells = found.to_pandas(), store.cells("R1", polygons=True)
    assert table.cell_id.tolist() == cells.cell_id.tolist()
    np.testing.assert_array_equal(table.diameter_um, cells.diameter_um)
    assert [list(map(float, vertex)) for vertex in table.polygon[7]] == [list(map(float, v)) for v in cells.polygon[7]]
    assert table.label.tolist()[:4] == ["ctc", "ctc", "non-ctc", "unsure"] and pd.isna(table.label[4])
    assert set(table.pseudonym) == {"R1"} and set(table.role) == {"review"}
    assert (table.is_candidate == (table.p_ctc >= 0.5)).all()


def test_place_on_the_cartridge(store: Store, tmp_path: Path) -> None:
    """Frames of 1384 x 1036 pixels in 2 rows of 3; the second row is scanned from right to left."""
    export(store, "R1", Format.PARQUET, tmp_path / "r.parquet", threshold=0.5)
    table = pd.read_parquet(tmp_path / "r.parquet")
    column = table.frame.map({1: 0, 2: 1, 3: 2, 4: 2, 5: 1})
    row = table.frame.map({1: 0, 2: 0, 3: 0, 4: 1, 5: 1})
    np.testing.assert_allclose(table.cartridge_x_um, 0.64 * (table.x + 1384 * column))
    np.testing.assert_allclose(table.cartridge_y_um, 0.64 * (table.y + 1036 * row))
    assert PIXEL_UM == 0.64


def test_events_stand_beside_with_what_was_decided(store: Store, tmp_path: Path) -> None:
    export(store, "R1", Format.PARQUET, tmp_path / "r.parquet", threshold=0.5)
    cells, events = pd.read_parquet(tmp_path / "r.parquet"), pd.read_parquet(tmp_path / "r.events.parquet")
    known = store.events("R1")
    assert events.event_rid.tolist() == known.rid.tolist() and events.assigned.tolist() == known.assigned.tolist()
    matched = cells.dropna(subset=["event_rid"]).set_index("event_rid")
    assert events.dropna(subset=["cell_id"]).set_index("event_rid").cell_id.to_dict() == matched.cell_id.to_dict()
    assert len(matched) >= 2 * len(known) // 3
    lone = events.set_index("event_rid").loc[lone_event(store)]
    assert (lone.label, lone.readers) == ("ctc", 1) and pd.isna(lone.cell_id)


def test_tags_of_cells_and_of_lone_events_are_exported(store: Store, tmp_path: Path) -> None:
    cell, rid = str(store.cells("R1").cell_id.iloc[1]), lone_event(store)
    store.tag([
        Tagging("t1", "R1", cell, None, (Tag.CLUSTER,), "anna", "s"),
        Tagging("t2", "R1", cell, None, (Tag.APOPTOTIC,), "ben", "s"),
        Tagging("t3", "R1", None, rid, (Tag.APOPTOTIC,), "anna", "s"),
    ])  # fmt: skip
    export(store, "R1", Format.PARQUET, tmp_path / "r1.parquet", threshold=0.5)
    cells, events = (pd.read_parquet(tmp_path / name) for name in ("r1.parquet", "r1.events.parquet"))
    assert cells.set_index("cell_id").tags.dropna().to_dict() == {cell: "apoptotic cluster"}
    of_cell = {str(r): "apoptotic cluster" for r in cells[cells.cell_id == cell].event_rid.dropna()}
    assert events.set_index("event_rid").tags.dropna().to_dict() == {rid: "apoptotic"} | of_cell


def test_csv_reads_back_without_pandas(store: Store, tmp_path: Path) -> None:
    out = tmp_path / "r1.csv"
    assert export(store, "R1", Format.CSV, out, threshold=0.5)["cells"] == CELLS
    with out.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    cells = store.cells("R1")
    assert [row["cell_id"] for row in rows] == cells.cell_id.tolist()
    assert [float(row["x"]) for row in rows] == cells.x.tolist()
    assert [row["label"] for row in rows[:5]] == ["ctc", "ctc", "non-ctc", "unsure", ""]
    assert {row["is_candidate"] for row in rows} == {"True", "False"}
    assert {int(row["cluster"]) for row in rows} <= {-1, 0, 1, 2}
    words = json.loads((tmp_path / "r1.csv.dictionary.json").read_text())
    assert [entry["name"] for entry in words["cells"]] == list(rows[0])
    assert all(entry["meaning"] for entry in words["cells"] + words["events"])
    assert words["journal_hash"] == store.journal.head[1] and words["threshold"] == 0.5


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\r1", "＝1"])
def test_no_text_is_a_formula(text: str) -> None:
    assert safe(text) == "'" + text


@pytest.mark.parametrize("value", ["R-1", "a=b", "", None, -1, -0.5])
def test_other_values_stay_what_they_are(value: object) -> None:
    assert safe(value) == value


def test_a_hostile_event_id_is_harmless_in_csv(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events = store.events("R1")
    monkeypatch.setattr(store, "events", lambda _: events.assign(rid="=cmd|' /C calc'!A" + events.rid))
    export(store, "R1", Format.CSV, tmp_path / "r.csv", threshold=0.5)
    for name, column in (("r.csv", "event_rid"), ("r.events.csv", "event_rid")):
        with (tmp_path / name).open(encoding="utf-8", newline="") as file:
            texts = [row[column] for row in csv.DictReader(file) if row[column]]
        assert texts and all(text.startswith("'=cmd") for text in texts)


def test_no_reader_and_no_reason_leaves_the_store(store: Store, tmp_path: Path) -> None:
    export(store, "all", Format.CSV, tmp_path / "all.csv", threshold=0.5)
    for path in tmp_path.glob("all*"):
        assert "anna" not in path.read_text() and "HYPERLINK" not in path.read_text()


def test_all_cartridges_and_a_part_of_them(store: Store, tmp_path: Path) -> None:
    assert export(store, "all", Format.PARQUET, tmp_path / "a.parquet", threshold=0.5)["cells"] == 4 * CELLS
    ctcs = export(store, "R1", Format.PARQUET, tmp_path / "c.parquet", threshold=0.5, which=Which.CTC)
    assert ctcs["cells"] == 2
    assert pd.read_parquet(tmp_path / "c.parquet").label.tolist() == ["ctc", "ctc"]
    export(store, "R1", Format.PARQUET, tmp_path / "k.parquet", threshold=0.9, which=Which.CANDIDATES)
    assert (pd.read_parquet(tmp_path / "k.parquet").p_ctc >= 0.9).all()
    assert export(store, "R1", Format.CSV, tmp_path / "l.csv", threshold=0.5, which=Which.LABELLED)["cells"] == 4
