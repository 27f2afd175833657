import numpy as np

from ctc_core.encoder.describe import N_DESCRIPTION, description
from ctc_core.encoder.descriptors import N_DESCRIPTORS, descriptors
from ctc_core.encoder.measures import measures


def crops():
    return np.random.default_rng(0).integers(0, 256, (2, 3, 48, 48), dtype=np.uint8)


def test_turning_and_mirroring_changes_nothing():
    upright = descriptors(crops())
    turned = descriptors(np.ascontiguousarray(np.rot90(crops()[..., ::-1], axes=(2, 3))))
    assert upright.shape == (2, N_DESCRIPTORS)
    assert upright.dtype == np.float32
    np.testing.assert_allclose(turned, upright, rtol=1e-3, atol=1e-4)


def test_a_disc_by_hand():
    """CK is a disc of radius 5 and level 0.6 on 0.2, CD45 shows half of its contrast, DAPI nothing."""
    disc = np.hypot(*np.mgrid[-23.5:24, -23.5:24]) < 5
    crop = np.full((1, 3, 48, 48), 51, np.uint8)
    crop[0, 1, disc], crop[0, 2, disc] = 153, 102
    (values,) = descriptors(crop)
    ground, centre, smallest = values[:3], values[3:6], values[63:84]
    np.testing.assert_allclose(ground, 0.2, atol=1e-6)
    np.testing.assert_allclose(centre, [0, 0.4, 0.2], atol=1e-6)
    peak, low, half = smallest[6:9], smallest[9:12], smallest[15:18]
    np.testing.assert_allclose(peak, [0.2, 0.6, 0.4], atol=1e-6)
    np.testing.assert_allclose(low, [0.2, 0.6, 0.4], atol=1e-6)  # the smallest disc is all cell
    np.testing.assert_allclose(half, [0, 1, 1], atol=1e-6)
    slopes = values[84 + 3 : 84 + 6]  # next disc: cell and ground
    np.testing.assert_allclose(slopes, [0, 0.5, 0], atol=0.01)


def test_flat_crops_have_finite_descriptors():
    assert np.isfinite(descriptors(np.zeros((1, 3, 48, 48), np.uint8))).all()


def test_a_description_is_descriptors_and_measures():
    whole = description(crops())
    assert (whole.shape, whole.dtype) == ((2, N_DESCRIPTION), np.float32)
    np.testing.assert_array_equal(whole[:, :N_DESCRIPTORS], descriptors(crops()))
    np.testing.assert_array_equal(whole[:, N_DESCRIPTORS:], measures(crops()))
