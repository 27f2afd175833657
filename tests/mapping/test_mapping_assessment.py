"""What the store's labels say about the classifier, cluster by cluster and for one cartridge."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ctc_core import assessment, mapping
from ctc_core.draw_report import report
from ctc_core.errors import UserError
from ctc_core.exports.published import export_features
from ctc_core.features import UNLABELLED, read_features
from ctc_core.map_view import Mistake, Place
from ctc_core.mapped import map_crops, map_view
from ctc_core.store import Store
from ctc_core.types import Label
from tests.mapped_store import CELLS, STRANGE, kinds, label


@pytest.fixture
def store(mapped_store: Path) -> Iterator[Store]:
    with Store.open(mapped_store) as opened:
        yield opened


def test_test_patients_report_and_training_patients_choose(store: Store) -> None:
    known = assessment.trust(store, 0.5)
    tested = known.reliability.report
    assert [figures.cluster for figures in tested] == [-1, 0, 1, 2]
    assert sum(figures.counts.n for figures in tested) == 75
    assert sum(figures.counts.n for figures in known.reliability.ranking) == 120
    assert (known.reliability.test.counts.n, known.reliability.test.counts.n_ctc) == (75, 25)
    assert {figures.n_patients for figures in known.reliability.ranking if figures.counts.n} <= {1, 2}
    assert known.reliability.validation.n_patients == 2
    assert sorted(known.built.evidence.group.unique()) == ["test", "train"]


def test_a_wrong_label_counts_where_its_cell_lies(store: Store) -> None:
    before = assessment.trust(store, 0.5).reliability
    assert (before.test.counts.fp, before.test.counts.fn) == (0, 0)
    label(store, "E1", 0, Label.NON_CTC, "changed")
    after = assessment.trust(store, 0.5).reliability
    assert (after.test.counts.fp, after.test.counts.fn) == (1, 0)
    cluster = int(store.points(mapping.active_map(store).model_id, "E1").cluster[0])
    assert [figures.cluster for figures in after.report if figures.counts.fp] == [cluster]
    assert after.ranking == before.ranking


def test_what_is_kept_is_named_by_what_it_depends_on(store: Store) -> None:
    first = assessment.fingerprint(store)
    label(store, "R1", 0, Label.CTC)
    assert assessment.fingerprint(store) == first
    label(store, "E1", 0, Label.NON_CTC, "changed")
    assert assessment.fingerprint(store) != first


def test_the_report_of_a_cartridge(store: Store) -> None:
    found = report(store, "R1", 0.5)
    ids = store.cells("R1").cell_id.tolist()
    assert list(found) == [
        "cartridge_id", "map_id", "classifier_id", "threshold", "candidates", "cells", "unlike", "expected_wrong",
        "expected_missed", "weakest", "all", "clusters", "stale", "notes",
    ]  # fmt: skip
    assert ids[STRANGE] in found["unlike"]["cell_ids"]
    assert found["unlike"]["cells"] == len(found["unlike"]["cell_ids"]) < 10
    cells = found["cells"]
    assert cells["n"] == CELLS == cells["strong"] + cells["weak"] + cells["unknown"]
    assert cells["unknown_share"] == round(cells["unknown"] / CELLS, 4)
    assert found["candidates"]["n"] == sum(row["candidates_here"] for row in found["clusters"])
    assert sum(row["cells_here"] for row in found["clusters"]) == CELLS
    for name in ("expected_wrong", "expected_missed"):
        assert 0 <= found[name]["low"] <= found[name]["high"] <= CELLS
    assert (found["all"]["n"], found["all"]["f1"], found["all"]["note"]) == (75, 1.0, None)
    assert (found["stale"], found["threshold"]) == ([], 0.5)


def test_too_few_labels_give_no_figure(store: Store) -> None:
    for number in np.flatnonzero(kinds(75) == 0)[10:]:
        label(store, "E1", int(number), None, "withdrawn")
    rows = report(store, "R1", 0.5)["clusters"]
    few = [row for row in rows if row["n"] < 20]
    assert few and all(row["note"] == "not enough labels" and row["f1"] is None for row in few)
    assert all(row["note"] is None and row["f1"] is not None for row in rows if row["n"] >= 20)


def test_a_patient_of_training_is_told_apart(store: Store) -> None:
    assert any("used in fitting" in note for note in report(store, "T1", 0.5)["notes"])
    assert not any("used in fitting" in note for note in report(store, "R1", 0.5)["notes"])


def test_unknown_cartridges_and_unplaced_cells_are_named(store: Store) -> None:
    with pytest.raises(UserError, match="nope: no such cartridge in the store"):
        report(store, "nope", 0.5)
    with store._database.write() as cur:
        cur.execute("DELETE FROM latent_point WHERE cell_id = ?", [str(store.cells("R1").cell_id[0])])
    with pytest.raises(UserError, match="R1: 1 of 90 cells are without a place on the map"):
        report(store, "R1", 0.5)
    view, why_not = map_view(store, "R1", 0.5)
    assert view is not None and view.draw is None and why_not.startswith("R1: 1 of 90")


# ---- the page's view ------------------------------------------------------------------------------------------------


def test_the_view_holds_the_map_and_one_cartridge(store: Store) -> None:
    view, why_not = map_view(store, "R1", 0.5)
    assert view is not None and why_not == ""
    counts = {place: int((view.place == place).sum()) for place in Place}
    assert counts == {Place.UNLABELLED: 60, Place.TRAIN: 120, Place.TEST: 75, Place.PATIENT: CELLS}
    assert view.draw is not None and view.draw.cells.n == CELLS
    assert sum(row.cells for row in view.rows) == 255
    assert sum(row.share or 0 for row in view.rows) == pytest.approx(1.0)
    assert (view.mistake == Mistake.NONE).all() and not np.isnan(view.probability).any()
    first = view.cell_ids.index(str(store.cells("E1").cell_id[0]))
    assert (view.label[first], view.place[first]) == (1, Place.TEST)
    label(store, "E1", 0, Label.NON_CTC, "changed")
    changed, _ = map_view(store, "R1", 0.5)
    assert changed is not None and changed.mistake[first] == Mistake.FALSE_CTC


def test_labelled_cells_of_a_test_patient_stay_test_cells(store: Store) -> None:
    label(store, "E1", 0, Label.NON_CTC, "changed")
    view, _ = map_view(store, "E1", 0.5)
    assert view is not None
    assert (int((view.place == Place.TEST).sum()), int((view.place == Place.PATIENT).sum())) == (75, 15)
    assert int((view.mistake == Mistake.FALSE_CTC).sum()) == 1
    assert sum(row.cells for row in view.rows) == 180 and sum(row.share or 0 for row in view.rows) == pytest.approx(1)


def test_without_a_cartridge_there_is_only_the_map(store: Store) -> None:
    view, _ = map_view(store, None, 0.5)
    assert view is not None and view.draw is None
    assert len(view.cell_ids) == 255 and all(row.share is None for row in view.rows)


def test_crops_come_in_the_order_asked_for(store: Store) -> None:
    one, two = store.cells("R1"), store.cells("T1")
    found = map_crops(store, [str(one.cell_id[7]), str(two.cell_id[3]), str(one.cell_id[2])])
    expected = [store.crops("R1")[7], store.crops("T1")[3], store.crops("R1")[2]]
    np.testing.assert_array_equal(found, np.stack(expected))
    assert map_crops(store, []).shape == (0, 3, 48, 48)


# ---- export ---------------------------------------------------------------------------------------------------------


def test_the_features_folder_has_everything(store: Store, tmp_path: Path) -> None:
    out = tmp_path / "features"
    assert export_features(store, out) == {"labelled_train": 120, "labelled_test": 75, "unlabelled_train": 60}
    found = read_features(out)
    assert found.train.features.shape == (120, 32)
    assert set(found.train.table["case"]) == {"T1", "T2"} and set(found.test.table["case"]) == {"E1"}
    assert int(found.train.labels.sum()) == 40 and set(found.unlabelled.labels) == {UNLABELLED}
    points = store.points(mapping.active_map(store).model_id, "E1").set_index("cell_id")
    tested = found.test.table.set_index("cell_id")
    assert tested.cluster.tolist() == points.cluster[tested.index].tolist()
    np.testing.assert_allclose(found.test.xy, points.loc[tested.index, ["x", "y"]].to_numpy(), rtol=1e-6)
    cell_id = tested.index[4]
    number = store.cells("E1").cell_id.tolist().index(cell_id)
    picture = np.asarray(Image.open(str(out) + tested.ck_path[cell_id]))
    np.testing.assert_array_equal(picture, store.crops("E1")[number, 1])


def test_an_export_overwrites_nothing_else(store: Store, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(UserError, match="holds other files"):
        export_features(store, tmp_path)
