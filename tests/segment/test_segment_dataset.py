"""Training data: split, scale, patches, simulated frames."""

from pathlib import Path

import numpy as np
import pytest

from ctc_core.errors import ModelError
from ctc_core.segment.dataset import (
    FIRST_PATIENT,
    Patches,
    Sample,
    augment,
    diameters,
    load_nuclei,
    rescale,
    simulated,
    split,
)


def discs(size: int = 160, radius: float = 14) -> tuple[np.ndarray, np.ndarray]:
    """Nine bright discs on dark ground, (h, w) uint8, and their labels."""
    y, x = np.mgrid[:size, :size]
    labels = np.zeros((size, size), np.uint16)
    for number, (cy, cx) in enumerate(((a, b) for a in (30, 80, 130) for b in (30, 80, 130)), start=1):
        labels[(y - cy) ** 2 + (x - cx) ** 2 <= radius**2] = number
    return np.where(labels > 0, 180, 20).astype(np.uint8), labels


@pytest.fixture
def nuclei(tmp_path: Path) -> Path:
    image, labels = discs()
    arrays = {f"image_{k}": image for k in range(20)} | {f"mask_{k}": labels for k in range(20)}
    np.savez(tmp_path / "nuclei.npz", names=np.array([f"n{k}" for k in range(20)]), **arrays)
    return tmp_path / "nuclei.npz"


def test_split_is_complete_disjoint_and_fixed_by_the_seed():
    parts = split(433, seed=0)
    assert {name: len(part) for name, part in parts.items()} == {"train": 325, "validation": 43, "held-back": 65}
    assert sorted(np.concatenate(list(parts.values())).tolist()) == list(range(433))
    assert split(433, seed=0)["held-back"].tolist() == parts["held-back"].tolist()
    assert split(433, seed=1)["held-back"].tolist() != parts["held-back"].tolist()


def test_loaded_nuclei_have_the_wanted_size_and_the_segmenters_normalisation(nuclei):
    samples = load_nuclei(nuclei, "train", seed=0, diameter_px=17)
    assert len(samples) == 15
    assert np.median(diameters(samples[0].labels)) == pytest.approx(17, abs=0.4)
    assert samples[0].labels.shape == samples[0].image.shape
    assert np.percentile(samples[0].image, [3, 99.8]).tolist() == pytest.approx([0, 1])
    names = [
        sample.name for part in ("train", "validation", "held-back") for sample in load_nuclei(nuclei, part, seed=0)
    ]
    assert sorted(names) == sorted(f"n{k}" for k in range(20))


@pytest.mark.parametrize("content", [b"", b"not an archive", None])
def test_what_is_no_set_of_nuclei_is_refused_with_its_name(tmp_path, content):
    path = tmp_path / "broken.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelError, match=r"broken\.npz: not a set of labelled nuclei"):
        load_nuclei(path, "train", seed=0)


def test_an_archive_without_masks_is_refused(tmp_path):
    np.savez(tmp_path / "half.npz", names=np.array(["a"]), image_0=np.zeros((9, 9)))
    with pytest.raises(ModelError, match="mask_0"):
        load_nuclei(tmp_path / "half.npz", "train", seed=0)


def test_rescale_keeps_labels_whole_numbers_and_background():
    image, labels = discs()
    smaller, small_labels = rescale(image, labels, 0.5)
    assert smaller.shape == small_labels.shape == (80, 80)
    assert set(np.unique(small_labels)) == set(range(10))
    assert smaller[40, 40] == pytest.approx(180, abs=1) and smaller[0, 0] == pytest.approx(20, abs=1)


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


def test_simulated_frames_are_labelled_with_kinds_and_parts_share_no_patient():
    (sample,) = simulated("evaluation", 1)
    assert sample.image.shape == sample.labels.shape == (1036, 1384)
    ctcs = [kind for kind in sample.kinds if kind.startswith("ctc ")]
    assert 16 <= len(ctcs) <= 44 and len(sample.kinds) > len(ctcs)
    assert sample.labels.max() <= len(sample.kinds)
    assert sample.image[sample.labels > 0].mean() > sample.image[sample.labels == 0].mean() + 0.1
    assert np.diff(sorted(FIRST_PATIENT.values())).min() > 100_000
