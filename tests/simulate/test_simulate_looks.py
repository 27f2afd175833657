"""Single objects and the camera: what each of them puts into a picture, against plain formulas."""

import math
from dataclasses import replace

import numpy as np
import pytest

from ctc_core.simulate import camera, draws, objects
from ctc_core.simulate.cells import ctc, double, leukocyte, weak_leukocyte
from ctc_core.simulate.debris import bright_debris, debris, point, smear
from ctc_core.simulate.objects import CD45, CK, DAPI, Item, paint
from ctc_core.simulate.patient import CTC_SHARES
from ctc_core.simulate.shapes import draw_shape

PLACE = (50.0, 60.0)


@pytest.mark.parametrize("make", [weak_leukocyte, double, debris, point, bright_debris, smear])
def test_whatever_is_found_on_the_ck_page_can_be_seen_there(patient, make):
    faint = replace(patient, stain=(1.0, 1.0, 0.05, 1.0))
    rng = np.random.default_rng(0)
    found = [make(faint, PLACE, rng).levels[CK] for _ in range(40)]
    assert min(found) == draws.LEAST_CK or make is bright_debris


def test_free_leukocytes_carry_no_ck(patient):
    assert {leukocyte(patient, PLACE, np.random.default_rng(k)).levels[CK] for k in range(20)} == {0.0}


@pytest.mark.parametrize("phenotype", CTC_SHARES)
def test_no_ctc_is_dimmer_than_its_limit(patient, phenotype):
    faint = replace(patient, stain=(1.0, 1.0, 0.01, 1.0))
    items = [ctc(faint, phenotype, PLACE, np.random.default_rng(k)) for k in range(10)]
    assert all(item.levels[CK] >= (180 if item.texture == "spots" else 75) and item.levels[CD45] == 0 for item in items)


def test_outline_is_an_ellipse_with_waves():
    rng = np.random.default_rng(1)
    theta = np.linspace(-math.pi, math.pi, 200, dtype=np.float32)
    for roughness in (0.0, 0.1):
        shape = draw_shape(12.0, 1.4, roughness, rng)
        turned = theta - shape.angle
        ellipse = 1 / np.sqrt((np.cos(turned) / shape.major) ** 2 + (np.sin(turned) / shape.minor) ** 2)
        waves = 1 + sum(shape.waves[k] * np.cos((k + 2) * theta + shape.phases[k]) for k in range(4))
        np.testing.assert_allclose(shape.radius(theta), ellipse * waves, atol=1e-3)


def test_cytoplasm_holds_a_little_dapi():
    item = Item("ctc", "ring", True, *PLACE, 16.0, (1000.0, 0.0, 500.0, 0.0), nucleus="round", nucleus_um=4.0, seed=2)
    light = paint(item).light[DAPI]
    lit = light[light > 40]
    assert np.median(lit) == pytest.approx(80, rel=0.1) and light.max() > 300


def test_leak_follows_ck_or_only_its_rim():
    ratios = []
    for seed in range(40):
        item = Item("ctc", "ring", True, *PLACE, 14.0, (0.0, 0.0, 2000.0, 0.0), texture="solid", leak=0.01, seed=seed)
        light = paint(item).light
        middle = light.shape[1] // 2
        core = np.s_[middle - 2 : middle + 3, middle - 2 : middle + 3]
        ratios.append(light[CD45][core].mean() / light[CK][core].mean() / 0.01)
    hollow = np.mean(np.array(ratios) < 0.35)
    assert hollow == pytest.approx(objects.HOLLOW_LEAK, abs=0.15)
    assert np.median(ratios) == pytest.approx(0.9, abs=0.35)


def test_camera_adds_rows_anew_and_keeps_columns():
    stripes = camera.column_stripes(3, 4.0, 400)
    rng = np.random.default_rng(0)
    one, two = (camera.expose(np.full((300, 400), 200, np.float32), stripes, rng).astype(float) for _ in range(2))
    columns = np.corrcoef(one.mean(axis=0), two.mean(axis=0))[0, 1]
    rows = np.corrcoef(one.mean(axis=1), two.mean(axis=1))[0, 1]
    assert columns > 0.95 and abs(rows) < 0.2
    assert one.mean(axis=1).std() == pytest.approx(camera.ROW_SHARE * stripes.std(), rel=0.2)


def test_a_smear_is_a_ragged_band_on_all_pages(patient):
    stamps = [paint(smear(patient, PLACE, np.random.default_rng(k))) for k in range(12)]
    for stamp in stamps:
        inside, light = stamp.inside, stamp.light
        assert light[:, inside].mean() > 3 * light[:, ~inside].mean()
        spread = [page[inside].std() / page[inside].mean() for page in light]
        assert min(spread) > 0.2 and max(spread) < 1.5
