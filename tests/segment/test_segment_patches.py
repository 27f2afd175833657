"""Patches: cut out where objects are, every kind equally often; zoomed, turned and never inverted."""

import numpy as np
import pytest
from skimage.transform import resize as skimage_resize

from ctc_core.segment.dataset import Sample
from ctc_core.segment.patches import Patches, augment, resize


def discs(size: int = 160, radius: float = 14) -> tuple[np.ndarray, np.ndarray]:
    """Nine bright discs on dark ground, (h, w) uint8, and their labels."""
    y, x = np.mgrid[:size, :size]
    labels = np.zeros((size, size), np.uint16)
    for number, (cy, cx) in enumerate(((a, b) for a in (30, 80, 130) for b in (30, 80, 130)), start=1):
        labels[(y - cy) ** 2 + (x - cx) ** 2 <= radius**2] = number
    return np.where(labels > 0, 180, 20).astype(np.uint8), labels


def test_patches_are_full_repeatable_and_hold_objects():
    image, labels = discs()
    sample = Sample("", (image / 180).astype(np.float32), labels.astype(np.int32))
    patches = Patches(((sample,), (sample,)), size=64)
    first, again = (patches.batch(16, np.random.default_rng(4)) for _ in range(2))
    assert first[0].shape == first[1].shape == (16, 64, 64)
    assert first[0].dtype == np.float32 and first[1].dtype == np.int32
    assert np.array_equal(first[0], again[0]) and np.array_equal(first[1], again[1])
    assert np.mean([(one > 0).any() for one in first[1]]) >= 0.9
    assert set(np.unique(first[1])) <= set(range(10))


def test_an_image_smaller_than_a_patch_is_enlarged():
    image, labels = discs()
    window = np.s_[10:60, 5:100]
    sample = Sample("", (image / 180).astype(np.float32)[window], labels.astype(np.int32)[window])
    images, _ = Patches(((sample,),), size=96).batch(3, np.random.default_rng(0))
    assert images.shape == (3, 96, 96)


def test_an_image_without_objects_gives_patches_of_background():
    blank = Sample("", np.zeros((100, 100), np.float32), np.zeros((100, 100), np.int32))
    assert not Patches(((blank,),), size=64).batch(3, np.random.default_rng(0))[1].any()


@pytest.mark.parametrize("noisy", [True, False])
def test_augmentation_never_inverts_and_moves_image_and_labels_alike(noisy):
    image, labels = discs()
    bright, rng = (image / 180).astype(np.float32), np.random.default_rng(8)
    for _ in range(50):
        changed, moved = augment(bright, labels.astype(np.int32), rng, noisy=noisy)
        assert changed[moved > 0].mean() > changed[moved == 0].mean() + 0.05
        assert np.bincount(moved.ravel()).tolist() == np.bincount(labels.ravel()).tolist()


def test_rare_kinds_are_drawn_as_often_as_common_ones():
    image, labels = discs(radius=3)
    kinds = ("leukocyte",) * 8 + ("ctc dim",)
    sample = Sample("", (image / 180).astype(np.float32), labels.astype(np.int32), kinds)
    _, patches = Patches(((sample,),), size=24, foreground=1.0, zoom=1.0).batch(400, np.random.default_rng(1))
    rare = np.mean([(one == 9).any() for one in patches])
    assert rare == pytest.approx(0.5, abs=0.08)


def test_kinds_that_are_hard_to_outline_are_drawn_more_often():
    image, labels = discs(radius=3)
    kinds = ("ctc ring",) * 4 + ("ctc cluster",) * 5
    sample = Sample("", (image / 180).astype(np.float32), labels.astype(np.int32), kinds)
    _, patches = Patches(((sample,),), size=24, foreground=1.0, zoom=1.0).batch(400, np.random.default_rng(1))
    assert np.mean([(one > 4).any() for one in patches]) == pytest.approx(6 / 7, abs=0.08)


def test_images_with_many_objects_are_drawn_more_often_but_not_in_proportion():
    _image, labels = discs()
    many = Sample("", np.ones((160, 160), np.float32), labels.astype(np.int32))
    one = Sample("", np.zeros((160, 160), np.float32), np.where(labels == 5, 1, 0).astype(np.int32))
    images, _ = Patches(((many, one),), size=64).batch(400, np.random.default_rng(2))
    assert np.mean([patch.mean() > 0.3 for patch in images]) == pytest.approx(3 / 4, abs=0.08)


@pytest.mark.parametrize("edge", [100, 128, 151])
def test_resizing_is_linear_and_smooths_when_it_shrinks(edge):
    image = np.random.default_rng(0).random((edge, edge)).astype(np.float32)
    found, labels = resize(image, (image > 0.5).astype(np.int32), 128)
    assert found.shape == labels.shape == (128, 128) and found.dtype == np.float32
    inner = np.s_[4:-4, 4:-4]
    if edge <= 128:
        assert np.allclose(found[inner], skimage_resize(image, (128, 128), order=1)[inner], atol=1e-4)
    assert found[inner].std() <= image.std()
    assert found.mean() == pytest.approx(image.mean(), abs=0.005)
    assert np.array_equal(resize(found, labels, 128)[0], found)
