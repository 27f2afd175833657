"""The graph that is put together from weights: other depths and grids than the shipped ones, and its one rewriting."""

import numpy as np
import pytest
from scipy.signal import correlate2d

from ctc_core._openvino import Network, precision
from ctc_core.segment.graph import _of_doubled, read_weights, unet
from ctc_core.segment.stardist import build_network

SMALL = {"n_rays": 8, "unet_n_filter_base": 4, "net_conv_after_unet": 8}


@pytest.mark.parametrize(
    "parameters",
    [{"grid": (1, 1), "unet_n_conv_per_depth": 1}, {"grid": (4, 4), "unet_n_conv_per_depth": 3, "unet_n_depth": 2}],
)
def test_any_unet_answers_as_keras_does(parameters, tmp_path):
    network, draw = build_network({**SMALL, **parameters}, threads=1), np.random.default_rng(0)
    model, page = network.keras_model, draw.normal(size=(48, 64)).astype(np.float32)
    model.set_weights([draw.normal(0, 0.25, values.shape) for values in model.get_weights()])
    model.save_weights(tmp_path / "s.h5")
    expected = [np.asarray(answer) for answer in model([page[None, :, :, None]])]
    graph = unet(vars(network.config), read_weights(tmp_path / "s.h5"), page.shape)
    probability, distances = Network(graph, threads=1)(page[None, None], lambda found: [one.copy() for one in found])
    tolerance = 0.05 if precision() == "bf16" else 1e-4
    scale = np.abs(expected[1]).max()
    np.testing.assert_allclose(probability[0, 0], expected[0][0, :, :, 0], atol=tolerance)
    np.testing.assert_allclose(distances / scale, expected[1] / scale, atol=tolerance)


def test_a_kernel_of_doubled_pixels():
    draw = np.random.default_rng(1)
    low, kernel = draw.normal(size=(2, 5, 4)), draw.normal(size=(3, 2, 3, 3)).astype(np.float32)
    doubled = np.pad(low.repeat(2, axis=1).repeat(2, axis=2), [(0, 0), (1, 1), (1, 1)])
    expected = [sum(correlate2d(doubled[i], one[i], "valid") for i in range(2)) for one in kernel]
    spread, found = _of_doubled(kernel), np.zeros((3, 12, 10))
    for y, x in np.ndindex(5, 4):
        found[:, 2 * y : 2 * y + 4, 2 * x : 2 * x + 4] += np.einsum("i,iokl->okl", low[:, y, x], spread)
    np.testing.assert_allclose(found[:, 1:-1, 1:-1], expected, atol=1e-5)
