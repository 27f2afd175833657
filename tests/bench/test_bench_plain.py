"""The plain baseline answers as the desk's network does, at the published network's size."""

import numpy as np
import pytest

from ctc_core.bench import flops
from ctc_core.bench.plain import cut, published_size
from ctc_core.segment import Segmenter
from ctc_core.segment.folders import locate
from ctc_core.segment.graph import read_weights, unet
from ctc_core.segment.stardist import build_network, predict, set_thresholds
from ctc_core.settings import Settings


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_wider_network_finds_the_same_cells() -> None:
    source = locate(Settings.model_fields["segmenter"].default)
    wide = published_size(source.parameters, source.weights, threads=1)
    set_thresholds(wide, **source.thresholds)
    assert wide.keras_model.get_layer("features").kernel.shape == (3, 3, 32, 128)
    narrow = build_network(source.parameters, threads=1)
    of_graph = flops.of_graph(unet(source.parameters, read_weights(source.weights), (96, 112)))
    spared = 3 * 48 * 56 * 16 * 16 * 10 / 1e9  # of three layers that see half of their channels from doubled pixels
    assert flops.of_keras(narrow, (96, 112)) == pytest.approx(of_graph + spared)
    assert flops.of_keras(wide, (1040, 1392)) == pytest.approx(151, abs=2)
    y, x = np.mgrid[:96, :112]
    discs = [(30, 30, 8), (60, 80, 10), (70, 30, 7)]
    page = np.maximum.reduce([1 / (1 + np.exp(np.hypot(y - cy, x - cx) - r)) for cy, cx, r in discs])
    page = page.astype(np.float32)
    ours = Segmenter.load(Settings.model_fields["segmenter"].default, threads=1)
    expected, found = predict(ours._network, page), predict(wide, page)
    assert len(expected) >= 3
    np.testing.assert_allclose(found.polygons, expected.polygons, atol=1e-3)
    np.testing.assert_allclose(found.probability, expected.probability, atol=1e-5)


def test_a_crop_is_cut_around_the_middle_of_the_box_and_stays_inside() -> None:
    pages = [np.arange(100 * 120).reshape(100, 120)] * 3
    inner = cut(pages, np.array([[40, 60, 50], [50, 70, 60]], np.float32))
    np.testing.assert_array_equal(inner, [pages[0][26:74, 36:84]] * 3)
    corner = cut(pages, np.array([[95, 99, 97], [0, 6, 3]], np.float32))
    np.testing.assert_array_equal(corner, [pages[0][52:100, 0:48]] * 3)
