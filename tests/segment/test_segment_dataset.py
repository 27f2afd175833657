"""Training data: split, scale, simulated frames and which of their objects carry a label."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ctc_core.errors import ModelError
from ctc_core.segment.dataset import (
    FIRST_PATIENT,
    diameters,
    labelled,
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


def test_simulated_frames_are_labelled_with_kinds_and_parts_share_no_patient():
    (sample,) = simulated("evaluation", 1)
    assert sample.image.shape == sample.labels.shape == (1036, 1384)
    ctcs = [kind for kind in sample.kinds if kind.startswith("ctc ")]
    assert 16 <= len(ctcs) <= 44 and len(sample.kinds) > len(ctcs)
    assert sample.labels.max() <= len(sample.kinds)
    assert sample.image[sample.labels > 0].mean() > sample.image[sample.labels == 0].mean() + 0.1
    assert np.diff(sorted(FIRST_PATIENT.values())).min() > 100_000


# --- labels of simulated frames


def box(y: float, x: float, half: float) -> list[list[float]]:
    return [[y - half, x - half], [y - half, x + half], [y + half, x + half], [y + half, x - half]]


def page_of(*boxes: tuple[float, float, float, int]) -> np.ndarray:
    """(200, 300) uint8: squares (y, x, half edge, level above ground) on ground that rises to the right."""
    page = np.tile(np.linspace(10, 30, 300), (200, 1))
    for y, x, half, level in boxes:
        page[round(y - half) : round(y + half) + 1, round(x - half) : round(x + half) + 1] += level
    return page.astype(np.uint8)


def objects_of(*rows: tuple[str, str, list[list[float]]]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["kind", "phenotype", "outline"])
    return table.assign(is_ctc=table["phenotype"].isin(["ring", "dim", "tiny"]))


def test_where_two_objects_overlap_the_pixels_are_the_brighter_ones():
    page = page_of((50, 50, 8, 40), (50, 60, 8, 150))
    dim, bright = ("ctc", "dim", box(50, 50, 8)), ("shine-through", "debris", box(50, 60, 8))
    for rows in ((dim, bright), (bright, dim)):
        sample = labelled("", page, objects_of(*rows))
        assert sample.kinds == ("shine-through", "ctc dim")
        assert (sample.labels[50, 55], sample.labels[50, 45], sample.labels[50, 65]) == (1, 2, 1)
        assert sample.hidden == 0


def test_an_object_that_a_brighter_one_covers_has_no_label_and_is_counted_if_it_is_a_ctc():
    page = page_of((50, 50, 5, 40), (52, 56, 11, 150), (50, 63, 3, 20))
    cell, above = ("ctc", "ring", box(50, 50, 5)), ("debris", "vesicle", box(52, 56, 11))
    within = ("debris", "shred", box(50, 63, 3))
    sample = labelled("", page, objects_of(cell, within, above))
    assert (sample.kinds, sample.hidden) == (("debris",), 1)
    assert set(np.unique(sample.labels)) == {0, 1}


def test_what_the_page_does_not_show_has_no_label_unless_it_is_a_ctc():
    """Brightness counts against the ground nearby, which is 20 levels higher on the right."""
    page = page_of((60, 40, 6, 4), (60, 260, 6, 4))
    rows = [(kind, look, box(60, x, 6)) for x in (40, 150, 260) for kind, look in (("debris", "vesicle"),)]
    unseen = ("point", "tiny", box(150, 150, 4))
    sample = labelled("", page, objects_of(*rows, unseen))
    assert sample.kinds == ("debris", "debris", "ctc tiny")
    assert [sample.labels[place] > 0 for place in ((60, 40), (60, 150), (60, 260), (150, 150))] == [
        True,
        False,
        True,
        True,
    ]
