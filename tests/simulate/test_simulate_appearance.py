"""Statistics of crops, against what they must be on pictures whose answer is known."""

import numpy as np
import pytest

from ctc_core.simulate import appearance
from ctc_core.simulate.appearance import as_published, channel_statistics, entropy, measure, stretched


def noise(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def disc(radius: float, size: int = 48, bright: int = 200) -> np.ndarray:
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    return np.where(np.hypot(y, x) <= radius, bright, 10).astype(np.uint8)


def test_stretch_takes_every_channel_from_0_to_255():
    channel = np.array([[7, 8], [9, 11]], dtype=np.uint8)
    crops = np.stack([[channel, channel * 2, np.full((2, 2), 5, np.uint8)]])
    expected = [[0, 64], [128, 255]]
    np.testing.assert_array_equal(stretched(crops), [[expected, expected, np.zeros((2, 2))]])


def test_a_figure_turns_few_grey_levels_into_many():
    few = np.random.default_rng(0).choice([10, 12, 14], (4, 3, 48, 48), p=[0.2, 0.7, 0.1]).astype(np.uint8)
    shown = as_published(few, np.random.default_rng(1))
    assert shown.shape == few.shape and shown.dtype == np.uint8
    assert all(len(np.unique(channel)) > 100 for crop in shown for channel in crop)
    assert 115 < np.median(shown) < 140  # the commonest level stays where it was


def test_a_figure_moves_nothing_by_more_than_a_pixel():
    crop = np.stack([disc(6), disc(9), disc(12)])[None]
    before, shown = stretched(crop)[0] > 127, as_published(crop, np.random.default_rng(3))[0] > 127
    assert shown.sum() == pytest.approx(before.sum(), rel=0.06)
    for one, other in zip(before, shown, strict=True):
        assert np.abs(np.argwhere(one).mean(axis=0) - np.argwhere(other).mean(axis=0)).max() < 1


def test_entropy_and_levels_of_known_histograms():
    quarter = np.repeat(np.array([0, 80, 160, 240], np.uint8), 484).reshape(44, 44)
    assert entropy(quarter) == pytest.approx(2.0)
    assert entropy(np.full((8, 8), 7, np.uint8)) == 0.0
    assert channel_statistics(quarter)["levels"] == 4


def test_stripes_are_found_along_the_side_they_run():
    grain = noise(4, 60, 60).astype(float)
    columns = np.random.default_rng(5).normal(0, 120, 60)
    assert appearance.stripes(grain) == pytest.approx(1.0, abs=0.6)
    assert appearance.stripes(grain + columns) > 10 > 2 > appearance.stripes((grain + columns).T)


def test_spectrum_of_a_wave_lies_in_its_band():
    wave = np.sin(2 * np.pi * 0.28 * np.arange(44))[None, :] * np.ones((44, 1))
    found = appearance.spectrum(wave)
    assert found["fine"] > 0.95 and found["coarse"] + found["middle"] + found["finest"] < 0.05
    white = appearance.spectrum(noise(6, 240, 240) / 255)
    assert white["slope"] == pytest.approx(0.0, abs=0.1)
    rings = np.pi * np.array([0.10**2 - 0.04**2, 0.2**2 - 0.1**2, 0.35**2 - 0.2**2, 0.5**2 - 0.35**2])
    shares = [white[band] for band in ("coarse", "middle", "fine", "finest")]
    np.testing.assert_allclose(shares, rings, atol=0.02)  # white noise: the share is the ring's area


def test_area_and_profile_of_a_disc():
    found = channel_statistics(disc(8, 44))
    area = (np.hypot(*(np.mgrid[:44, :44] - 21.5)) <= 8).mean()
    assert found["area"] == pytest.approx(area, rel=0.12) and found["object"] == found["area"]
    light = disc(8, 44) / 255
    assert found["r0-3"] == pytest.approx(200 / 255) and found["r10-15"] == pytest.approx(10 / 255)
    assert found["q50"] == pytest.approx(10 / 255) and found["q99"] == pytest.approx(light.max())


def test_an_object_beside_the_middle_is_no_object_of_the_middle():
    assert channel_statistics(np.roll(disc(6, 44), 15, axis=1))["object"] == 0.0


def test_measure_gives_one_row_per_crop_and_leaves_the_frame_out():
    crops = noise(7, 2, 3, 48, 48)
    framed = crops.copy()
    framed[..., :2, :], framed[..., :, -2:] = 255, 0
    plain = measure(crops)
    assert plain.shape == (2, 66) and not plain.isna().any().any()
    np.testing.assert_array_equal(measure(framed), plain)
    one, two = (stretched(crops[:, :, 2:-2, 2:-2])[1, k].ravel().astype(float) for k in (0, 1))
    assert plain["dapi x ck"][1] == pytest.approx(np.corrcoef(one, two)[0, 1])


def test_a_blank_channel_is_measured_too():
    row = measure(np.zeros((1, 3, 48, 48), np.uint8)).iloc[0]
    assert np.isfinite(row.to_numpy()).all() and row["ck levels"] == 1 and row["dapi x ck"] == 0
