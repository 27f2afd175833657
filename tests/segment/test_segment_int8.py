"""A segmenter in 8-bit integers: which layers, which images, when it is used. The network itself lies in its place."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from ctc_core import int8, quantise_segmenter
from ctc_core._openvino import precision
from ctc_core.models import SHIPPED
from ctc_core.segment import Segmenter
from ctc_core.segment.folders import locate
from ctc_core.segment.openvino import OpenVINOStarDist, recipe
from ctc_core.settings import Runtime, Settings
from ctc_core.types import silent
from tests.commands import run

SAME = {"cells": 9, "f1": 0.996, "within_1_px": 0.99, "p99_px": 1.0}
FIGURES = {"sets": {"simulated": SAME}, "times_faster": 1.5}


def page(height: int, width: int) -> np.ndarray:
    """(h, w) uint8: two smooth cells on noise."""
    y, x = np.mgrid[:height, :width]
    centres = ((24, 24), (height - 24, width - 24))
    light = sum(0.5 - np.tanh(0.75 * (np.hypot(y - cy, x - cx) - 9)) / 2 for cy, cx in centres)
    return np.clip(10 + 150 * light + np.random.default_rng(0).normal(0, 2, (height, width)), 0, 255).astype(np.uint8)


@pytest.fixture
def folder(tmp_path):
    return Path(shutil.copytree(SHIPPED / Settings.model_fields["segmenter"].default, tmp_path / "m"))


@pytest.fixture
def asked(folder, monkeypatch):
    """Layers that `segmenter quantise` made integers of."""
    layers = []
    monkeypatch.setattr(quantise_segmenter, "simulated", lambda part, frames: [])
    monkeypatch.setattr(quantise_segmenter, "_tiles", lambda *_: [np.zeros((1, 1, 64, 64), np.float32)])
    monkeypatch.setattr(quantise_segmenter, "in_integers", lambda graph, tiles, names: layers.extend(names) or graph)
    monkeypatch.setattr(quantise_segmenter, "measure", lambda *_: FIGURES)
    monkeypatch.setattr(int8, "pays_here", lambda: True)
    return layers


def test_a_form_is_made_once_and_used_for_pages_of_any_size(folder, asked, monkeypatch):
    made = quantise_segmenter.quantise_segmenter(str(folder), None, frames=1, progress=silent)
    used, plain = (Segmenter.load(str(folder), threads=1, runtime=way) for way in (Runtime.OPENVINO, Runtime.FLOAT))
    assert made == {"segmenter": used.id, "form": used.precision, **FIGURES, "used": True}
    assert used.precision.startswith("int8-") and plain.precision == precision()
    for shape in ((64, 64), (101, 67)):
        found, expected = used.outlines(page(*shape)), plain.outlines(page(*shape))
        assert len(found) >= 2
        np.testing.assert_allclose(found.polygons, expected.polygons, atol=1e-3)
    assert (len(asked), asked[0], {"grid_0", "prob", "dist"} & set(asked)) == (16, "grid_1", set())
    monkeypatch.setattr(quantise_segmenter, "in_integers", None)  # not called again
    assert quantise_segmenter.quantise_segmenter(str(folder), None, frames=1, progress=silent) == made


def test_a_form_that_finds_other_cells_is_not_used(folder, asked, monkeypatch):
    other = {"sets": {"simulated": SAME, "held-back nuclei": {**SAME, "f1": 0.9949}}, "times_faster": 2.0}
    monkeypatch.setattr(quantise_segmenter, "measure", lambda *_: other)
    made = quantise_segmenter.quantise_segmenter(str(folder), None, frames=1, progress=silent)
    assert (made["used"], made["sets"]) == (False, other["sets"])
    assert Segmenter.load(str(folder), runtime=Runtime.OPENVINO).precision == precision()
    assert int8.find(locate(str(folder)).weights, recipe()) is not None


def test_nor_is_one_that_gains_nothing():
    assert quantise_segmenter.agrees(FIGURES)
    assert not quantise_segmenter.agrees({**FIGURES, "times_faster": 1.04})


def test_it_is_held_against_keras(folder):
    """A form that is the network itself: the same cells."""
    floating = OpenVINOStarDist(locate(str(folder)), threads=1)
    exact = Segmenter.load(str(folder), threads=1)
    same = quantise_segmenter.same(exact, Segmenter(floating, "", floating), {"a": [page(96, 96)], "b": []})
    assert (same["a"]["cells"], same["a"]["f1"], same["a"]["within_1_px"]) == (2, 1.0, 1.0)
    assert same["b"] == {"cells": 0, "f1": 1.0, "within_1_px": 1.0, "p99_px": 0.0}


def test_images_are_cut_into_squares():
    image = np.arange(5 * 9, dtype=np.float32).reshape(5, 9)
    tiles = quantise_segmenter._cut(image, 4)
    assert [tile[0, 0, 0, 0] for tile in tiles] == [0, 4]
    assert {tile.shape for tile in tiles} == {(1, 1, 4, 4)}
    (small,) = quantise_segmenter._cut(image[:3, :4], 4)
    np.testing.assert_array_equal(small[0, 0], image[[0, 1, 2, 2], :4])


def test_the_command_asks_for_it(folder, monkeypatch, capsys, tmp_path):
    def note(*words, progress, **options):
        return {"asked": [str(word) for word in words], **options}

    monkeypatch.setattr(quantise_segmenter, "quantise_segmenter", note)
    found = run(capsys, tmp_path, "segmenter", "quantise", str(folder), "--nuclei", "n.npz", "--frames", "3")
    assert found == {"asked": [str(folder), "n.npz"], "frames": 3, "seed": 0, "threads": 0}
