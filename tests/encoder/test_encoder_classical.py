import numpy as np
import pytest

from ctc_core.encoder.classical import classical_features


def test_classical_features_by_hand():
    crops = np.zeros((2, 3, 48, 48), np.uint8)
    crops[0, 0], crops[0, 1, 23:25, 23:25] = 51, 255
    features = classical_features(crops)
    assert (features.shape, features.dtype) == ((2, 3 * (6 + 6 + 3 + 2 + 3) + 3), np.float32)
    np.testing.assert_allclose(features[0, :3], [0.2, 4 / 48**2, 0], atol=1e-6)  # mean level
    disc = np.argwhere(np.hypot(*np.mgrid[-23.5:24, -23.5:24]) < 12)
    areas = [1, 4 / len(disc), 1]
    np.testing.assert_allclose(features[0, 36:39], areas, atol=1e-6)  # above half the range
    np.testing.assert_allclose(features[0, 39:42], [0.2, 1, 0], atol=1e-6)  # its mean level
    even = disc.std(0)[0]
    np.testing.assert_allclose(features[0, 45:48], [even, 0.5, even], atol=1e-4)  # long axis
    np.testing.assert_allclose(features[0, 48:51], [even, 0.5, even], atol=1e-4)  # short axis
    np.testing.assert_allclose(features[0, [51, 54, 57]], 0, atol=1e-6)  # an even channel has no texture
    assert np.isfinite(features).all()


def test_a_bar_has_a_long_and_a_short_axis():
    crops = np.zeros((1, 3, 48, 48), np.uint8)
    crops[0, 0, 23:25, 19:29] = 200
    crops[0, 1] = np.roll(crops[0, 0].T, 3, axis=0)
    long, short = classical_features(crops)[0, 45:51].reshape(2, 3)
    np.testing.assert_allclose(long[:2], np.arange(10).std(), atol=1e-4)
    np.testing.assert_allclose(short[:2], 0.5, atol=1e-4)


def test_texture_is_where_the_grain_is():
    crops = np.full((1, 3, 48, 48), 100, np.uint8)
    y, x = np.mgrid[:48, :48]
    crops[0, 0] += ((y + x) % 2 * 80).astype(np.uint8)
    crops[0, 1] += (y // 4 % 2 * 80).astype(np.uint8)
    crops[0, 2] += (y // 12 % 2 * 80).astype(np.uint8)
    grains = classical_features(crops)[0, 51:60].reshape(3, 3)  # scale, channel
    assert list(grains.argmax(0)) == [0, 1, 2]


@pytest.mark.parametrize("edge", [32, 40, 64])
def test_any_tile_in_bytes_or_in_shares_of_white(edge):
    tiles = np.random.default_rng(edge).integers(0, 256, (3, 3, edge, edge), dtype=np.uint8)
    features = classical_features(tiles)
    assert np.isfinite(features).all()
    np.testing.assert_allclose(classical_features((tiles / 255).astype(np.float32)), features, atol=1e-5)
