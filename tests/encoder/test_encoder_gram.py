"""Attention from the Gram matrix is what XCiT's paper writes: softmax of the cosines of queries and keys."""

import numpy as np
import pytest

from ctc_core._openvino import core, openvino
from ctc_core.encoder.gram import gram_attention

IMAGES, TOKENS, CHANNELS, HEADS = 2, 300, 12, 3


def written_out(tokens, qkv, temperature, projection):
    """El-Nouby et al. 2021, equation 2, head by head in 64 bits."""
    answers = []
    for image in tokens.astype(np.float64):
        values = np.split(image @ qkv[0].T.astype(float) + qkv[1], 3, axis=1)
        heads = []
        for h, (query, key, value) in enumerate(zip(*(np.split(part, HEADS, axis=1) for part in values), strict=True)):
            cosines = (query / np.linalg.norm(query, axis=0)).T @ (key / np.linalg.norm(key, axis=0))
            weights = np.exp(cosines * temperature[h, 0, 0])
            heads.append(value @ (weights / weights.sum(axis=1, keepdims=True)).T)
        answers.append(np.concatenate(heads, axis=1) @ projection[0].T + projection[1])
    return np.array(answers)


@pytest.mark.parametrize("mean", [0.0, 3.0])  # far from 0 the lengths are small differences of large sums
def test_it_is_cross_covariance_attention(mean):
    rng = np.random.default_rng(0)

    def draw(*shape):
        return rng.normal(0, 1, shape).astype(np.float32)

    tokens = draw(IMAGES, TOKENS, CHANNELS) + np.float32(mean)
    qkv, projection = (draw(3 * CHANNELS, CHANNELS), draw(3 * CHANNELS)), (draw(CHANNELS, CHANNELS), draw(CHANNELS))
    temperature = rng.uniform(2, 6, (HEADS, 1, 1)).astype(np.float32)
    given = openvino().opset13.parameter([-1, TOKENS, CHANNELS], np.float32)
    answer = gram_attention(given, TOKENS, qkv, temperature, projection, HEADS)
    compiled = core().compile_model(openvino().Model([answer], [given]), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    expected = written_out(tokens, qkv, temperature, projection)
    assert expected.std() > 1
    np.testing.assert_allclose(compiled([tokens])[0], expected, atol=2e-4)
