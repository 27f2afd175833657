import numpy as np
import pytest

from ctc_core.encoder import flow
from ctc_core.errors import ModelError
from tests.made_flow import flow_arrays, flow_file


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    return flow.load_flow(flow_file(tmp_path_factory.mktemp("flow")))


def test_cells_as_the_file_has_them(cells):
    arrays = flow_arrays()
    np.testing.assert_array_equal(cells.tiles, arrays["tiles"])
    assert (len(cells), int(cells.mitotic.sum())) == (160, 24)
    assert set(arrays["phase"][cells.mitotic]) == {"prophase", "metaphase", "anaphase", "telophase"}
    assert set(cells.strata()) == {"1 True", "1 False", "2 False"}
    np.testing.assert_array_equal(cells.mixed(), arrays["experiment"] == "1")


def test_halves_hold_every_cell_once_and_alike(cells):
    pool, test = cells.split()
    assert sorted([*pool, *test]) == list(range(160))
    for half in (pool, test):
        assert (len(half), int(cells.mitotic[half].sum())) == (80, 12)
        assert int((cells.experiment[half] == "2").sum()) == 20
    np.testing.assert_array_equal(pool, cells.split()[0])


def test_parts_spread_every_stratum():
    strata = np.array(["a"] * 7 + ["b"] * 23)
    part = flow.parts(strata, 5, seed=1)
    counts = np.array([np.bincount(part[strata == s], minlength=5) for s in "ab"])
    assert (counts.max(1) - counts.min(1) <= 1).all()
    assert (flow.parts(strata, 5, seed=2) != part).any()


def test_a_scale_is_fixed_and_channels_change_places():
    tiles = np.zeros((2, 3, 40, 40), np.uint16)
    tiles[:, 0], tiles[:, 1], tiles[:, 2] = 500, 40, 7
    tiles[0] = tiles[0] + np.array([200, 100, 10], np.uint16)[:, None, None]
    scale = flow.Scale.fit(tiles)
    np.testing.assert_allclose(scale.low, [500, 40, 7])
    np.testing.assert_allclose(scale.high, [700, 140, 17])
    new = np.full((1, 3, 40, 40), 90, np.uint16)
    pixels = scale.pixels(new)
    np.testing.assert_allclose(pixels[0, :, 0, 0], [0.5, (90 - 500) / 200, 8.3], atol=1e-6)
    np.testing.assert_array_equal(scale.crops(new)[0, :, 5, 5], [128, 0, 255])


def test_crops_are_resized_bilinearly():
    rng = np.random.default_rng(0)
    tiles = rng.integers(0, 1000, (1, 3, 40, 40), dtype=np.uint16)
    scale = flow.Scale(np.zeros(3, np.float32), np.full(3, 1000, np.float32))
    place = np.clip((np.arange(48) + 0.5) * 40 / 48 - 0.5, 0, 39)  # pixel centres at half integers, edges repeated
    low = np.minimum(place.astype(int), 38)
    share = place - low
    image = tiles[0, 1] / 1000
    rows = image[low] * (1 - share)[:, None] + image[low + 1] * share[:, None]
    expected = rows[:, low] * (1 - share) + rows[:, low + 1] * share
    crops = scale.crops(tiles)
    assert (crops.shape, crops.dtype) == ((1, 3, 48, 48), np.uint8)
    assert np.abs(crops[0, 0] - expected * 255).max() <= 0.51


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"tiles": np.zeros((160, 40, 40), np.uint16)}, r"tiles are uint16 \(160, 40, 40\), not uint16 \(n, 3, edge"),
        ({"tiles": np.zeros((160, 3, 40, 40))}, "tiles are float64"),
        ({"tiles": np.zeros((160, 3, 16, 16), np.uint16)}, "at least 32 px"),
        ({"experiment": np.array(["1"])}, r"160 tiles, but phase is \(160,\) and experiment \(1,\)"),
        ({"phase": np.array(["g1"] * 159 + ["mitosis"])}, "unknown phases mitosis"),
        ({"phase": np.array(["g1"] * 160)}, "0 of 160 cells are mitotic"),
        ({"phase": np.array([None] * 160)}, "not flow cells"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, changes, reason):
    with pytest.raises(ModelError, match=reason) as caught:
        flow.load_flow(flow_file(tmp_path, **changes))
    assert str(caught.value).startswith(f"{tmp_path / 'flow.npz'}: ")


def test_files_of_other_kinds_are_refused(tmp_path):
    path = tmp_path / "some.npz"
    np.savez(path, tiles=flow_arrays(8)["tiles"])
    with pytest.raises(ModelError, match="has no phase"):
        flow.load_flow(path)
    path.write_text("no archive")
    with pytest.raises(ModelError, match="not flow cells"):
        flow.load_flow(path)
    with pytest.raises(ModelError, match="not flow cells"):
        flow.load_flow(tmp_path / "missing.npz")
    np.save(tmp_path / "one.npy", np.zeros(3))
    with pytest.raises(ModelError, match="not flow cells"):
        flow.load_flow(tmp_path / "one.npy")
