import dataclasses

import numpy as np
import pytest

from ctc_core.simulate import pairs
from ctc_core.simulate.pairs import Pairs, compress, render_pairs


@pytest.fixture(scope="module")
def some():
    return render_pairs(24, 3, crops_per_patient=12, ctc_share=0.5)


def test_two_photographs_and_a_clean_one_and_nothing_that_names_a_kind(some):
    assert (some.shots.shape, some.shots.dtype) == ((24, 2, 3, 48, 48), np.uint8)
    assert (some.clean.shape, some.clean.dtype) == ((24, 3, 48, 48), np.uint8)
    assert len(some) == 24
    assert [field.name for field in dataclasses.fields(Pairs)] == ["shots", "clean"]


def test_the_same_arguments_give_the_same_photographs():
    first, again, other = (render_pairs(2, seed, patients=[7]) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.shots, again.shots)
    np.testing.assert_array_equal(first.clean, again.clean)
    assert (first.shots != other.shots).any()


def test_photographs_of_an_object_differ_but_resemble_each_other_more_than_those_of_two_objects(some):
    one, two = (shot[:, 1, 12:36, 12:36].reshape(24, -1).astype(float) for shot in (some.shots[:, 0], some.shots[:, 1]))
    alike = np.corrcoef(one, two)[:24, 24:]
    same, others = np.diag(alike), alike[~np.eye(24, dtype=bool)]
    assert np.median(same) > np.quantile(others, 0.9)
    assert (some.shots[:, 0] != some.shots[:, 1]).any((1, 2, 3)).all()


def test_the_clean_photograph_shows_the_object_in_the_middle_and_no_background(some):
    ck = some.clean[:, 1]
    assert (ck[:, 12:36, 12:36].max((1, 2)) >= ck.max((1, 2)) * 0.99).mean() > 0.9
    assert (np.median(some.clean, axis=(2, 3)) == 0).mean() > 0.8


def test_without_neighbours_stain_and_focus_only_the_camera_differs(monkeypatch):
    for name in ("STAIN_SD", "BACKGROUND_SD", "LIMIT_SD", "SHIFT_PX"):
        monkeypatch.setattr(pairs, name, 0.0)
    monkeypatch.setattr(pairs, "DROPPED", 1.0)
    monkeypatch.setattr(pairs, "DEFOCUS_PX", (0.05, 0.05))
    seen = render_pairs(12, 1, patients=[5], ctc_share=1.0)
    clean, one, two = (c.astype(float).reshape(12, -1) for c in (seen.clean[:, 1], *seen.shots[:, :, 1].swapaxes(0, 1)))
    alike = [np.corrcoef([np.expm1(clean[k] / 60), one[k], two[k]]) for k in range(12)]
    assert np.median([c[1, 2] for c in alike]) > 0.9
    assert np.median([c[0, 1] for c in alike]) > 0.8


def test_patients_take_turns(monkeypatch):
    asked, draw = [], pairs.draw_patient
    monkeypatch.setattr(pairs, "draw_patient", lambda number: asked.append(number) or draw(number))
    monkeypatch.setattr(pairs, "CAMERAS", 1)
    render_pairs(3, 0, patients=[11, 12], crops_per_patient=1)
    assert asked[::2] == [11, 12, 11]  # between them the patients whose cameras are borrowed


def test_grey_values_are_compressed():
    """255 ln(1 + g / 30) / ln(1 + 4095 / 30), worked out by hand."""
    grey = np.array([-5, 0, 30, 300, 4095, 9000], dtype=np.float32)
    assert compress(grey).tolist() == [0, 0, 36, 124, 255, 255]


def test_rows():
    everything = Pairs(np.arange(4).reshape(4, 1), np.arange(10, 14))
    chosen = everything.rows(np.array([2, 0]))
    assert (chosen.shots.tolist(), chosen.clean.tolist()) == ([[2], [0]], [12, 10])
