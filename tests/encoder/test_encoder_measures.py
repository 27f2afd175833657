import numpy as np
import pytest

from ctc_core.encoder.measures import N_MEASURES, expand, measures
from ctc_core.simulate.pairs import compress

DISTANCE = np.hypot(*np.mgrid[-23.5:24, -23.5:24])


def photograph(dapi=0.0, ck=0.0, cd45=0.0):
    """Clean photograph of an even CK disc of radius 8, a nucleus of radius 5, CD45 as given, in grey values."""
    light = np.zeros((3, 48, 48), np.float32)
    light[0, DISTANCE < 5], light[1, DISTANCE < 8] = dapi, ck
    light[2] = cd45
    return compress(light)[None]


def test_expanding_undoes_compressing_but_for_rounding():
    light = np.array([0, 1, 10, 100, 1000, 4095], np.float32)
    np.testing.assert_allclose(expand(compress(light)), light, rtol=0.012, atol=0.35)


def test_turning_and_mirroring_changes_nothing():
    clean = np.random.default_rng(0).integers(0, 256, (2, 3, 48, 48), dtype=np.uint8)
    upright = measures(clean)
    assert (upright.shape, upright.dtype) == ((2, N_MEASURES), np.float32)
    turned = measures(np.ascontiguousarray(np.rot90(clean[..., ::-1], axes=(2, 3))))
    np.testing.assert_allclose(turned, upright, rtol=1e-3, atol=1e-3)


def test_an_empty_photograph_has_finite_measures():
    assert np.isfinite(measures(np.zeros((1, 3, 48, 48), np.uint8))).all()


def test_a_cell_by_hand():
    """All numbers from areas and levels; CD45 is a twentieth of CK: nothing but shine-through."""
    clean = photograph(dapi=400, ck=1000, cd45=50 * (DISTANCE < 8))
    dapi, ck, cd45 = (float(page.max()) for page in expand(clean)[0])  # after rounding to 8 bit
    body, nucleus = (DISTANCE < 8).sum(), (DISTANCE < 5).sum()
    (values,) = measures(clean)
    rows, single = values[:39].reshape(13, 3), values[39:]
    totals = np.log1p(np.array([dapi * nucleus, ck * body, cd45 * body]) / 300)
    np.testing.assert_allclose(rows[0], totals, rtol=1e-5)
    np.testing.assert_allclose(rows[1], np.log1p(np.array([dapi, ck, cd45]) / 20), rtol=1e-5)
    edges = np.sqrt([nucleus, body, body])
    lit = [[1, 1, 1], [1, 1, 0], [1, 1, 0], [0, 1, 0], [0, 0, 0]]  # above 30, 80, 200, 600, 1800
    np.testing.assert_allclose(rows[2:7], edges * lit, rtol=1e-5)
    np.testing.assert_allclose(rows[7:10], [edges] * 3, rtol=1e-5)
    np.testing.assert_allclose(rows[10:12, 1], [np.sqrt(_moment(8))] * 2, rtol=1e-3)  # even disc: both axes alike
    mean = np.array([dapi * nucleus / body, ck, cd45])
    np.testing.assert_allclose(rows[12], np.log1p(mean / 20), rtol=1e-5)
    shapes = [nucleus / body, 0, np.log((nucleus + 3) / (body + 3)), np.log((mean[0] + 10) / (ck + 10))]
    np.testing.assert_allclose(single[:4], shapes, rtol=1e-4, atol=1e-6)
    low, slope = cd45 / (ck + 10), cd45 * ck * body / (ck * ck * body + 1e4)
    own = cd45 - low * ck
    expected = [
        np.log(low + 0.003),
        np.log(slope + 0.003),
        np.log1p(own * body / 300),
        np.log1p((cd45 - slope * ck) * body / 300),
        np.log1p(own / 10),
        np.log((own + 5) / (ck + 10)),
    ]
    np.testing.assert_allclose(single[4:10], expected, rtol=1e-3, atol=2e-3)
    np.testing.assert_allclose(single[13:], 0, atol=1e-3)  # no grain: all is even


def _moment(radius):
    y = np.mgrid[-23.5:24, -23.5:24][0][radius > DISTANCE]
    return float((y**2).mean())


def test_own_cd45_is_told_from_shine_through():
    """A membrane's CD45 shows where CK is weak, and so exceeds a constant share of CK."""
    ring = (DISTANCE < 8) & (DISTANCE > 6)
    leak, own = (measures(photograph(400, 1000, level))[0, 39:] for level in (50 * (DISTANCE < 8), 80 * ring))
    assert own[6] > leak[6] + 1  # light beyond the constant share
    assert own[4] < leak[4] - 1  # the share itself


def test_points_differ_from_cells_by_their_diameter():
    light = np.zeros((3, 48, 48), np.float32)
    light[1, DISTANCE < 2] = 1000
    (point,), (cell,) = measures(compress(light)[None]), measures(photograph(ck=1000))
    np.testing.assert_allclose((point[3 * 8 + 1] / cell[3 * 8 + 1]) ** 2, (DISTANCE < 2).sum() / (DISTANCE < 8).sum())


def test_shine_through_goes_with_ck_level_by_level():
    light = np.zeros((3, 48, 48), np.float32)
    light[1] = np.where(DISTANCE < 8, 1000 + 100 * (8 - DISTANCE), 0)
    light[2] = light[1] / 10
    leak = measures(compress(light)[None])[0, 49]
    light[2] = np.where(DISTANCE < 8, 60 + 10 * DISTANCE, 0)  # brighter outwards
    assert (leak, measures(compress(light)[None])[0, 49]) == (pytest.approx(1, abs=0.01), pytest.approx(-1, abs=0.03))
