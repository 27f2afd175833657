import numpy as np
import pytest

from ctc_core.encoder.preprocess import to_input
from ctc_core.errors import ModelError


def bilinear(image, px):
    """One channel, written out: pixel centres at half integers, edges repeated."""
    scale = len(image) / px
    out = np.empty((px, px))
    for y in range(px):
        for x in range(px):
            v = min(max((y + 0.5) * scale - 0.5, 0), len(image) - 1)
            u = min(max((x + 0.5) * scale - 0.5, 0), len(image) - 1)
            top, left = int(v), int(u)
            bottom, right = min(top + 1, len(image) - 1), min(left + 1, len(image) - 1)
            b, a = v - top, u - left
            upper = image[top, left] * (1 - a) + image[top, right] * a
            lower = image[bottom, left] * (1 - a) + image[bottom, right] * a
            out[y, x] = upper * (1 - b) + lower * b
    return out


@pytest.mark.parametrize("px", [64, 40])
def test_resizing_is_bilinear(px):
    crops = np.random.default_rng(0).integers(0, 256, (1, 3, 48, 48), dtype=np.uint8)
    expected = np.stack([bilinear(channel.astype(float), px) / 255 * 2 - 1 for channel in crops[0]])
    np.testing.assert_allclose(to_input(crops, px).numpy()[0], expected, atol=1e-5)


def test_the_range_is_fixed_and_48_px_are_left_as_they_are():
    crops = np.full((1, 3, 48, 48), 51, dtype=np.uint8)
    crops[0, 0, 0, 0], crops[0, 1, 0, 0] = 0, 255
    result = to_input(crops, 48).numpy()
    assert result.dtype == np.float32
    np.testing.assert_allclose(result[0, :, 0, 0], [-1, 1, -0.6], atol=1e-6)
    np.testing.assert_allclose(result[0, :, 5, 5], -0.6, atol=1e-6)


def test_no_crops_are_no_crops():
    assert to_input(np.zeros((0, 3, 48, 48), np.uint8), 64).shape[0] == 0


@pytest.mark.parametrize(
    "crops", [np.zeros((1, 3, 48, 48), np.float32), np.zeros((1, 4, 48, 48), np.uint8), np.zeros((3, 48, 48), np.uint8)]
)
def test_anything_else_is_refused(crops):
    with pytest.raises(ModelError, match=r"not uint8 \(n, 3, 48, 48\)"):
        to_input(crops, 48)
