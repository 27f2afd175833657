"""From cells to bytes, outlines and rows of pictures, and back from what a browser picks to cells."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from skimage.measure import points_in_poly

from ctc_core.errors import StoreError
from ctc_core.map_view import ClusterRow, MapView, Mistake, Place, figures
from ctc_core.reliability import Area, ClusterMetrics, Counts
from ctc_core.settings import ROOT
from ctc_core.ui.cell_rows import CellRow, table
from ctc_core.ui.cluster_figures import f1_chart, f1_table
from ctc_core.ui.latent_map import CELLS_PER_ROW, caption, gallery_rows, spread
from ctc_core.ui.outlines import outline, outlines
from ctc_core.ui.scatter import MAX_CORNERS, Selection, described, encode, inside, select, units
from tests.made_map import made_map, without_clusters

UI = ROOT / "ctc_core" / "ui"
THREE = MapView(
    map_id="three",
    cell_ids=("a", "b", "c"),
    xy=np.array([[-1.0, 2.0], [3.0, 2.0], [1.0, 4.0]], np.float32),
    cluster=np.array([-1, 0, 258], np.int16),
    place=np.array([Place.UNLABELLED, Place.TEST, Place.PATIENT], np.uint8),
    mistake=np.array([Mistake.NONE, Mistake.MISSED_CTC, Mistake.NONE], np.uint8),
    label=np.array([-1, 1, -1], np.int8),
    probability=np.array([np.nan, 0.125, 0.5], np.float32),
    rows=(),
    weakest=None,
)


# ------------------------------------------------------------------------------------------------------------ payload
def test_units_keep_the_shape_of_the_map() -> None:
    # its own two cells are 4 wide; with 0.2 around them 4.4
    assert units(THREE).tolist() == [[2979, 2979], [62_556, 2979], [32_768, 32_768]]
    assert units(replace(THREE, xy=np.ones((3, 2), np.float32))).tolist() == [[2979, 2979]] * 3
    assert units(made_map(0)).shape == (0, 2)


def test_another_patient_moves_nothing_on_the_map() -> None:
    elsewhere = replace(THREE, xy=np.array([[-1.0, 2.0], [3.0, 2.0], [90.0, -1.0]], np.float32))
    assert units(elsewhere)[:2].tolist() == units(THREE)[:2].tolist()
    assert units(elsewhere)[2].tolist() == [65_535, 0]  # at the edge
    nobody_else = replace(THREE, place=np.full(3, Place.PATIENT, np.uint8))
    assert units(nobody_else).tolist() == units(THREE).tolist()


def test_points_are_these_bytes() -> None:
    points = encode(THREE)
    body = bytes.fromhex("03000000" + "a30b a30b 5cf4 a30b 0080 0080" + "ffff 0000 0201" + "00 0a 03")
    assert points.data == points.id.encode() + body
    assert encode(replace(THREE, map_id="other")).id == points.id  # the content decides, not its name
    assert encode(replace(THREE, mistake=np.zeros(3, np.uint8))).id != points.id


def test_fifty_thousand_points_come_back_exactly() -> None:
    view = made_map(50_000)
    data, n = encode(view).data, 50_000
    assert len(data) == 20 + 7 * n
    assert np.frombuffer(data, "<u4", 1, 16)[0] == n
    xy = np.frombuffer(data, "<u2", 2 * n, 20).reshape(n, 2)
    marks = np.frombuffer(data, "u1", n, 20 + 6 * n)
    assert np.array_equal(np.frombuffer(data, "<i2", n, 20 + 4 * n), view.cluster)
    assert np.array_equal(marks & 3, view.place)
    assert np.array_equal(marks >> 2, view.mistake)
    own = view.xy[view.place != Place.PATIENT].astype(float)
    low, span = own.min(axis=0), float(np.ptp(own, axis=0).max())
    back = (xy / 65_535 * 1.1 - 0.05) * span + low
    assert np.abs(back - view.xy).max() < 1.1 * span / 65_535


def test_browser_and_server_mean_the_same() -> None:
    script = (UI / "scatter_draw.js").read_text(encoding="utf-8")
    (names,) = re.findall(r"const PLACE = \{(.*)\}", script)
    assert dict(re.findall(r"(\w+): (\d)", names)) == {place.name.lower(): str(int(place)) for place in Place}
    assert (int(Mistake.FALSE_CTC), int(Mistake.MISSED_CTC)) == (1, 2)
    assert 'mistake === 1 ? "falseCtc" : "missedCtc"' in script
    (most,) = re.findall(r"MOST_CORNERS = (\d+)", (UI / "scatter.js").read_text(encoding="utf-8"))
    assert int(most) <= MAX_CORNERS


@pytest.mark.parametrize("change", [{"cell_ids": ("a", "b")}, {"xy": np.full((3, 2), np.nan, np.float32)}])
def test_a_view_that_contradicts_itself_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(StoreError, match="map three"):
        replace(THREE, **change)  # type: ignore[arg-type]


# ----------------------------------------------------------------------------------------------------------- outlines
def enclosed(points: np.ndarray, rings: list[list[int]]) -> np.ndarray:
    """Even-odd rule over all rings, by scikit-image."""
    odd = np.zeros(len(points), bool)
    for ring in rings:
        odd ^= points_in_poly(points, np.reshape(ring, (-1, 2)))
    return odd


def test_outline_encloses_most_of_its_cluster() -> None:
    view = made_map(8000)
    whole = units(view)
    drawn = outlines(whole, view.cluster, view.place)
    assert sorted(drawn) == [0, 1, 2, 3, 4]
    for cluster, rings in drawn.items():
        own = enclosed(whole[view.cluster == cluster], rings).mean()
        others = enclosed(whole[(view.cluster != cluster) & (view.cluster >= 0)], rings).mean()
        assert 0.92 < own < 0.98, cluster
        assert others < 0.01, cluster
        assert all(ring[:2] == ring[-2:] for ring in rings)  # closed


def test_two_far_apart_halves_get_two_rings() -> None:
    rng = np.random.default_rng(1)
    halves = np.concatenate([rng.normal((9000, 9000), 700, (200, 2)), rng.normal((50_000, 40_000), 700, (200, 2))])
    assert len(outline(halves.astype(np.uint16))) == 2


@pytest.mark.parametrize("n", [1, 2, 15])
def test_equal_and_few_points_still_get_a_ring(n: int) -> None:
    (ring,) = outline(np.full((n, 2), 1000, np.uint16))
    assert enclosed(np.array([[1000, 1000]]), [ring]).all()


def test_the_patients_cells_and_the_background_have_no_outline() -> None:
    view = made_map(800)
    assert outlines(units(view), view.cluster, np.full(800, Place.PATIENT, np.uint8)) == {}
    assert outlines(units(view), np.full(800, -1, np.int16), view.place) == {}


def test_clusters_are_described_in_words() -> None:
    view = made_map(80)
    (cluster_2,) = [row for row in view.rows if row.cluster == 2]
    assert described(replace(view, rows=(cluster_2,)), {2: [[0, 0, 9, 0, 9, 9, 0, 0]]}) == [
        {
            "id": 2, "name": "Cluster 2", "figures": "F1 0.52 (0.36 to 0.68), n = 60",
            "f1": pytest.approx([0.52, 0.358, 0.678], abs=0.001), "weakest": True,
            "rings": [[0, 0, 9, 0, 9, 9, 0, 0]],
        }
    ]  # fmt: skip
    assert described(without_clusters(view), {})[0]["rings"] == []
    assert [row["f1"] is None for row in described(made_map(80), {})] == [False] * 5 + [True]
    assert json.dumps(described(made_map(80), outlines(units(view), view.cluster, view.place)))


@pytest.mark.parametrize(
    ("counts", "text"),
    [
        (Counts(tp=20, fp=0, fn=0, tn=0), "F1 1.00 (0.91 to 1.00), n = 20"),
        (Counts(tp=19, fp=0, fn=0, tn=0), "not enough labels (n = 19)"),
        (Counts(tp=0, fp=0, fn=0, tn=0), "not enough labels (n = 0)"),
        (Counts(tp=0, fp=0, fn=0, tn=20), "no CTC and no false CTC (n = 20)"),
        (Counts(tp=0, fp=1, fn=0, tn=19), "F1 0.00 (0.00 to 0.88), n = 20"),
    ],
)
def test_no_bare_figure_from_few_labels(counts: Counts, text: str) -> None:
    assert figures(ClusterRow(0, 300, ClusterMetrics.of(counts, 0), Area.UNKNOWN)) == text


def test_f1_that_is_1_by_convention_only_has_no_bar() -> None:
    """A cluster in which there is no CTC and none was called: nothing to draw, and last in every list."""
    view, quiet = made_map(80), ClusterMetrics.of(Counts(tp=0, fp=0, fn=0, tn=30), 0, 5)
    rows = tuple(replace(row, test=quiet) if row.cluster == 0 else row for row in view.rows)
    (listed,) = [row for row in described(replace(view, rows=rows), {}) if row["id"] == 0]
    assert (listed["f1"], listed["figures"]) == (None, "no CTC and no false CTC (n = 30)")
    table = f1_table(replace(view, rows=rows))
    assert table.iloc[-2:, :5].to_numpy().tolist() == [
        ["Cluster 0", "30", "0", "no CTC and no false CTC", "–"],
        ["Cluster 4", "7", "6", "not enough labels", "–"],
    ]


# ---------------------------------------------------------------------------------------------------------- selection
def test_inside_agrees_with_scikit_image() -> None:
    rng = np.random.default_rng(2)
    points, corners = rng.integers(0, 1000, (2000, 2)), rng.uniform(0, 1000, (9, 2))
    found = inside(points.astype(np.uint16), corners)
    assert np.array_equal(found, points_in_poly(points, corners))
    assert 0 < found.sum() < 2000


def test_an_area_selects_the_cells_in_it() -> None:
    selection = select(THREE, {"map": "three", "area": [[60_000, 0], [70_000, 0], [70_000, 5000], [60_000, 5000]]})
    assert selection is not None
    assert (selection.cluster, selection.members.tolist()) == (None, [1])


def test_a_cluster_selects_its_cells() -> None:
    view = made_map(80)
    selection = select(view, {"map": view.map_id, "cluster": 3})
    assert selection is not None
    assert (selection.cluster, selection.members.tolist()) == (3, list(range(3, 80, 8)))


@pytest.mark.parametrize(
    "message",
    [
        None, "cluster", {}, {"map": "made-80-0"}, {"map": "other", "cluster": 3},
        {"map": "made-80-0", "cluster": 99}, {"map": "made-80-0", "cluster": "3"},
        {"map": "made-80-0", "cluster": None},
        {"map": "made-80-0", "area": []}, {"map": "made-80-0", "area": [[0, 0], [1, 1]]},
        {"map": "made-80-0", "area": [[0, 0], [1, 1], ["x", 2]]}, {"map": "made-80-0", "area": [[0, 0], [1, 1], [2]]},
        {"map": "made-80-0", "area": [[0, 0], [1, 1], [float("nan"), 2]]},
        {"map": "made-80-0", "area": [[0, 0], [1, 1], [1e300, 2]]},
        {"map": "made-80-0", "area": [[0, 0], [1, 1]] * MAX_CORNERS},
    ],
)  # fmt: skip
def test_what_is_no_selection_selects_nothing(message: object) -> None:
    assert select(made_map(80), message) is None


# ------------------------------------------------------------------------------------------------------------ gallery
def test_rows_of_pictures() -> None:
    rows = gallery_rows(THREE, np.arange(3))
    assert rows == [
        CellRow("Labelled: 0", (), ()),
        CellRow("Misclassified: 1", ("b",), ("missed CTC, P 0.12",)),
        CellRow("Not labelled: 1", ("a",), ("not scored",)),
        CellRow("This patient: 1", ("c",), ("P 0.50",)),
    ]
    crops = np.arange(3 * 3 * 48 * 48).astype(np.uint8).reshape(3, 3, 48, 48)
    sent = table(rows, crops)
    assert sent.select(["row", "cell_id", "caption"]).to_pylist() == [
        {"row": 1, "cell_id": "b", "caption": "missed CTC, P 0.12"},
        {"row": 2, "cell_id": "a", "caption": "not scored"},
        {"row": 3, "cell_id": "c", "caption": "P 0.50"},
    ]
    assert sent["crop"].to_pylist() == [crop.tobytes() for crop in crops]


def test_rows_partition_the_selection() -> None:
    view = made_map(4000)
    selection = select(view, {"map": view.map_id, "cluster": 2})
    assert isinstance(selection, Selection)
    headings = [row.heading for row in gallery_rows(view, selection.members)]
    totals = [int(re.findall(r"[\d,]+", heading)[-1].replace(",", "")) for heading in headings]
    assert sum(totals) == 500
    assert all(len(row.cell_ids) <= CELLS_PER_ROW for row in gallery_rows(view, selection.members))


def test_labels_are_named() -> None:
    view = replace(THREE, mistake=np.array([0, 0, 1], np.uint8), label=np.array([0, 1, 0], np.int8))
    assert [caption(view, i) for i in range(3)] == ["non-CTC, not scored", "CTC, P 0.12", "false CTC, P 0.50"]


def test_pictures_are_spread_evenly() -> None:
    assert spread(np.arange(5), 8).tolist() == [0, 1, 2, 3, 4]
    assert spread(np.arange(100, 201), 5).tolist() == [100, 125, 150, 175, 200]


# -------------------------------------------------------------------------------------------------------------- chart
def test_chart_shows_no_dot_without_enough_labels() -> None:
    chart = f1_chart(made_map(800)).to_dict()
    (rows,) = chart["datasets"].values()
    assert [(row["cluster"], row["f1"] and round(row["f1"], 2), row["missing"]) for row in rows] == [
        ("Cluster 2, weakest", 0.52, ""), ("Background", 0.83, ""), ("Cluster 3", 0.87, ""), ("Cluster 1", 0.91, ""),
        ("Cluster 0", 0.97, ""), ("Cluster 4", None, "not enough labels (n = 7)"),
    ]  # fmt: skip
    assert [layer["mark"]["type"] for layer in chart["layer"]] == ["rule", "point", "text"]
