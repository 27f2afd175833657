"""What is measured and told of candidates: against the store's own columns, the bundle's marker page and the map."""

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ctc_core import count_knowledge
from ctc_core.enumeration.gates import PRESETS
from ctc_core.enumeration.nucleus import nucleus_ratio
from ctc_core.errors import UserError
from ctc_core.map_view import cluster_name
from ctc_core.review.details import details
from ctc_core.review.measured import measured
from ctc_core.store import Store, read_bundle, write_bundle
from ctc_core.types import PIXEL_UM, Role
from tests.mapped_store import STRANGE
from tests.small_store import CARTRIDGE, PATIENT, build_small_store, write_small_bundle

GREY = tuple(f"{channel}_{what}" for channel in ("dapi", "ck", "cd45") for what in ("mean", "max", "sd"))


def with_marker(folder: Path, values: dict[str, float]) -> Path:
    """The small bundle of a cartridge that has a fourth page, whose cells have these marker values times 1, 2, 3 ..."""
    plain = read_bundle(write_small_bundle(folder / "plain", n_cells=6))
    tables = {
        name: plain.table(name).to_pandas() for name in ("cartridge", "frames", "events", "cells", "quarantined_events")
    }
    tables["cartridge"]["channels"] = [["dapi", "ck", "cd45", "marker"]]
    tables["cells"] = tables["cells"].assign(**{name: value * np.arange(1, 7) for name, value in values.items()})
    arrays = {name: plain.array(name) for name in ("crops", "event_crops", "vectors")}
    return write_bundle(folder / "marked", kind="cartridge", parameters={}, inputs={}, tables=tables, arrays=arrays)


def measured_with(tmp_path: Path, values: dict[str, float]) -> pd.DataFrame:
    with Store.open(tmp_path / "data") as store:
        store.add_patient(PATIENT, Role.REVIEW, reader="tests", session="tests")
        store.add_bundle(with_marker(tmp_path, values))
        return measured(store, CARTRIDGE, list(store.cells(CARTRIDGE).cell_id))


def test_sizes_and_grey_values_above_the_background_in_the_order_asked_for(tmp_path: Path) -> None:
    with Store.open(build_small_store(tmp_path / "data")) as store:
        kept = store.cells(CARTRIDGE).set_index("cell_id")
        asked = [kept.index[7], kept.index[2]]
        found = measured(store, CARTRIDGE, asked)
        ratios = nucleus_ratio(store.crops(CARTRIDGE)).ratio
    assert list(found.index) == asked
    assert set(found) == {"diameter_um", "area_um2", "eccentricity", "size_px", "ratio", *GREY}
    for cell_id, number in zip(asked, (7, 2), strict=True):
        cell, got = kept.loc[cell_id], found.loc[cell_id]
        assert got.size_px == pytest.approx(cell.area_um2 / PIXEL_UM**2)
        assert got.ck_max == pytest.approx(cell.ck_max - cell.ck_background)
        assert got.cd45_mean == pytest.approx(cell.cd45_mean - cell.cd45_background)
        assert got.dapi_sd == pytest.approx(cell.dapi_sd)
        assert got.ratio == pytest.approx(ratios[number])


def test_a_marker_page_is_measured_where_there_is_one(tmp_path: Path) -> None:
    found = measured_with(
        tmp_path, {"marker_mean": 90.0, "marker_max": 200.0, "marker_sd": 7.0, "marker_background": 40.0}
    )
    assert found.marker_mean.tolist() == [50.0, 100.0, 150.0, 200.0, 250.0, 300.0]
    assert found.marker_max.tolist()[:2] == [160.0, 320.0]
    assert found.marker_sd.tolist()[:2] == [7.0, 14.0]


def test_a_marker_page_that_was_not_measured_whole_is_left_out(tmp_path: Path) -> None:
    assert not [name for name in measured_with(tmp_path, {"marker_mean": 90.0}) if name.startswith("marker")]


def test_without_map_and_labels_the_notes_say_what_is_missing(tmp_path: Path) -> None:
    with Store.open(build_small_store(tmp_path / "data")) as store:
        ids = list(store.cells(CARTRIDGE).cell_id[:3])
        found = details(store, CARTRIDGE, ids, 0.5)
    assert list(found.rows.candidate_id) == ids
    assert found.rows[["place", "area", "trust", "unlike"]].isna().all().all()
    assert (found.near_ids, found.near_is_ctc, [len(near) for near in found.rows.near]) == ((), (), [0, 0, 0])
    (note,) = found.notes
    assert note.startswith("Nothing is said of clusters: ")


def test_clusters_their_trust_and_the_nearest_labelled_cells(mapped_store: Path) -> None:
    with Store.open(mapped_store) as store:
        ids = list(store.cells("R1").cell_id[[0, 1, STRANGE, 3]])
        found = details(store, "R1", ids, 0.5)
        active = store.active_model("map")
        assert active is not None
        clusters = store.points(active.model_id, "R1").set_index("cell_id").cluster
        of_training = {str(id_): label == "ctc" for id_, label in store.readings()[["cell_id", "label"]].to_numpy()}
        roles = store.cartridges().set_index("cartridge_id").role
        assert {roles[id_.split("-")[0]] for id_ in found.near_ids} == {"train"}
    rows = found.rows
    assert list(rows.candidate_id) == ids and found.notes == ()
    assert list(rows.place) == [cluster_name(int(clusters[id_])) for id_ in ids]
    assert list(rows.unlike) == [False, False, True, False]
    assert set(rows.area) <= {"strong", "weak", "not known"} and rows.trust.str.len().gt(0).all()
    assert list(found.near_is_ctc) == [of_training[id_] for id_ in found.near_ids]
    truly = [0, 3]  # both CTCs: their nearest labelled cells are, too
    shown = itertools.chain.from_iterable(rows.near[row] for row in truly)
    assert {found.near_is_ctc[place] for place in shown} == {True}


def test_the_gate_adds_its_verdict_to_each_row(tmp_path: Path) -> None:
    gate = PRESETS["breast-ctc"]
    with Store.open(build_small_store(tmp_path / "data")) as store:
        found = details(store, CARTRIDGE, list(store.cells(CARTRIDGE).cell_id), 0.5)
        with_gate = found.with_gate(gate)
    assert set(with_gate.gate) == {"CTC, breast"}
    low = (found.rows.ck_sd > 50) & found.rows.size_px.between(75, 2000) & (found.rows.dapi_max > 170)
    assert with_gate.passes.tolist() == (low & (found.rows.cd45_max < 60)).tolist()
    assert (with_gate.failing == "").tolist() == with_gate.passes.tolist()


def test_a_draw_without_places_on_the_map_is_named(mapped_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def lacking(*_: object) -> None:
        raise UserError("R1: 3 cells have no place on the map.")

    monkeypatch.setattr(count_knowledge, "draw", lacking)
    with Store.open(mapped_store) as store:
        found = details(store, "R1", list(store.cells("R1").cell_id[:2]), 0.5)
    assert found.notes == ("Nothing is said of clusters: R1: 3 cells have no place on the map.",)
    assert [len(near) for near in found.rows.near] == [5, 5]
