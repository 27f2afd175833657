"""Frames and crops: the truth is where the light is, and the same seed gives the same pixels."""

import numpy as np
import pandas as pd
import pytest

from ctc_core.simulate import TRUTH_COLUMNS, draw_patient, render_crops, render_frame
from ctc_core.simulate.cells import double, leukocyte
from ctc_core.simulate.objects import CD45, CK, DAPI, Item
from ctc_core.simulate.scene import Crowd, render_region


def cell(y: float, x: float, **changes: object) -> Item:
    values: dict[str, object] = {
        "kind": "ctc", "phenotype": "ring", "is_ctc": True, "diameter_um": 12.8, "levels": (800.0, 0.0, 1000.0, 0.0),
        "texture": "even", "nucleus": "round", "nucleus_um": 7.0, "roughness": 0.0, "seed": 3,
    }  # fmt: skip
    return Item(y=y, x=x, **(values | changes))  # type: ignore[arg-type]


def rendered(patient, items, origin=(0, 0), size=(120, 140), frame=1):
    return render_region(patient, Crowd(items), origin, size, np.random.default_rng(9), frame=frame)


def test_frame_is_twelve_bit_and_truth_has_its_columns(frame):
    scene, truth = frame
    assert scene.shape == (4, 700, 800) and scene.dtype == np.uint16 and scene.max() <= 4095
    assert tuple(truth.columns) == TRUTH_COLUMNS
    assert truth.object_id.is_unique and truth[truth.is_ctc].object_id.nunique() == 40
    assert set(truth.kind) <= {
        "ctc", "leukocyte", "double", "debris", "point", "shine-through", "smear", "crowded",
    }  # fmt: skip


def test_same_generator_state_gives_the_same_frame(patient):
    one, truth_one = render_frame(patient, np.random.default_rng(4), height=200, width=220)
    two, truth_two = render_frame(patient, np.random.default_rng(4), height=200, width=220)
    other, _ = render_frame(patient, np.random.default_rng(5), height=200, width=220)
    np.testing.assert_array_equal(one, two)
    pd.testing.assert_frame_equal(truth_one, truth_two)
    assert (one != other).mean() > 0.5


def test_ctcs_shine_in_dapi_and_ck_and_not_in_cd45(patient, frame):
    scene, truth = frame
    ground = np.median(scene, axis=(1, 2))
    cells = truth[truth.is_ctc & ~truth.kind.isin(["shine-through", "crowded"])]
    assert len(cells) >= 25
    assert (cells.ck_mean > ground[CK] + 25).all()
    assert (cells.dapi_mean > ground[DAPI] + 30).mean() > 0.95
    assert cells.cd45_mean.median() < ground[CD45] + 10


def test_leukocytes_and_doubles_carry_cd45(patient):
    rng = np.random.default_rng(1)
    for make, least in ((leukocyte, 8), (double, 20)):
        items = [make(patient, (25.0 + 50 * (k // 8), 25.0 + 50 * (k % 8)), rng) for k in range(64)]
        scene, truth = rendered(patient, items, size=(400, 400))
        assert truth.cd45_mean.median() > np.median(scene[CD45]) + least
        assert truth.dapi_mean.median() > np.median(scene[DAPI]) + 100


def test_light_of_a_lone_cell_lies_within_its_outline(patient):
    scene, truth = rendered(patient, [cell(60.0, 70.0)])
    row = truth.iloc[0]
    lit = np.argwhere(scene[CK] > np.median(scene[CK]) + 300)
    distance = np.hypot(lit[:, 0] - 60, lit[:, 1] - 70)
    corners = np.array(row.outline)
    assert np.abs(np.hypot(*(corners - (60, 70)).T) - 10).max() < 0.1  # a circle of 12.8 um, 20 px
    assert 8.5 < distance.max() < 11.5
    assert (row.kind, row.is_ctc, bool(row.cut_by_border), row.diameter_um) == ("ctc", True, False, 12.8)


def test_outline_of_a_saturated_cell_encloses_the_clipped_area(patient):
    _, truth = rendered(patient, [cell(60.0, 70.0, levels=(0.0, 0.0, 9000.0, 0.0), texture="solid")])
    radius = np.hypot(*(np.array(truth.outline[0]) - (60, 70)).T).mean()
    assert 10.5 < radius < 12.0


def test_shine_through_puts_the_given_share_of_ck_on_the_cd45_page(patient):
    item = cell(60.0, 70.0, levels=(0.0, 0.0, 3000.0, 0.0), leak=0.05)
    scene, _ = rendered(patient, [item])
    plain, _ = rendered(patient, [])
    gain = scene.astype(float) - plain
    ratio = gain[CD45, 55:66, 65:76].sum() / gain[CK, 55:66, 65:76].sum()
    assert ratio == pytest.approx(0.05, rel=0.5)


def test_a_cell_on_the_border_shows_the_same_light_on_both_sides(patient):
    items = [cell(60.0, 139.5, levels=(900.0, 0.0, 2000.0, 0.0))]
    whole, _ = rendered(patient, items, size=(120, 280))
    left, truth_left = rendered(patient, items)
    right, truth_right = rendered(patient, items, origin=(0, 140), frame=2)
    halves = np.concatenate([left, right], axis=2)[CK, 50:71, 130:151].astype(float)
    np.testing.assert_allclose(halves, whole[CK, 50:71, 130:151], atol=0.15 * 2000)
    assert truth_left.object_id.tolist() == truth_right.object_id.tolist() == [0]
    assert truth_left.cut_by_border.all() and truth_right.cut_by_border.all()
    assert (truth_left.x[0], truth_right.x[0], truth_right.frame[0]) == (139.5, -0.5, 2)


def test_defocus_spreads_light_and_keeps_its_sum(patient):
    plain, _ = rendered(patient, [])
    sharp, _ = rendered(patient, [cell(60.0, 70.0, defocus_px=0.0)])
    blurred, _ = rendered(patient, [cell(60.0, 70.0, defocus_px=3.0)])
    gains = [(scene[CK].astype(float) - plain[CK]) for scene in (sharp, blurred)]
    assert gains[1].max() < 0.8 * gains[0].max()
    assert gains[1].sum() == pytest.approx(gains[0].sum(), rel=0.03)


def test_crops_are_reproducible_and_centred_on_ck():
    crops, kinds, is_ctc = render_crops(60, 3, ctc_share=0.5, crops_per_patient=20)
    again, kinds_again, _ = render_crops(60, 3, ctc_share=0.5, crops_per_patient=20)
    other, _, _ = render_crops(60, 4, ctc_share=0.5, crops_per_patient=20)
    assert crops.shape == (60, 3, 48, 48) and crops.dtype == np.uint8
    np.testing.assert_array_equal(crops, again)
    assert kinds.tolist() == kinds_again.tolist() and (crops != other).any()
    assert 15 <= is_ctc.sum() <= 45 and is_ctc[kinds == "ctc"].all()
    middle = crops[is_ctc, 1, 19:29, 19:29].mean(axis=(1, 2))
    rim = np.median(crops[is_ctc, 1], axis=(1, 2))
    assert (middle > rim).mean() > 0.95


def test_crops_take_turns_between_given_patients():
    one, kinds, _ = render_crops(8, 1, patients=[21], crops_per_patient=4)
    two, _, _ = render_crops(8, 1, patients=[21, 22], crops_per_patient=4)
    np.testing.assert_array_equal(one[:4], two[:4])
    assert len(kinds) == 8 and (one[4:] != two[4:]).any()


def test_columns_carry_stripes(patient):
    scene, _ = render_frame(draw_patient(30), np.random.default_rng(1), height=400, width=300, ctcs=(0, 0))
    page = scene[CD45].astype(float)
    columns, rows = np.median(page, axis=0), np.median(page, axis=1)
    assert np.diff(columns).std() > 1.5 * np.diff(rows).std()
