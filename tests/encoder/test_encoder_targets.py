import numpy as np
import pytest

from ctc_core._torch import torch
from ctc_core.encoder.describe import description
from ctc_core.encoder.targets import LEAST_SHARE, N_TARGETS, Targets, describer, readout


@pytest.fixture(scope="module")
def clean():
    return np.random.default_rng(0).integers(0, 256, (128, 3, 48, 48), dtype=np.uint8)


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_targets_are_half_whitened_principal_components(clean, power):
    """The same by singular values of the standardised description."""
    described = description(clean).astype(np.float64)
    z = (described - described.mean(0)) / (described.std(0) + 1e-2)
    u, s, _ = np.linalg.svd(z, full_matrices=False)
    variance = s**2 / len(z)
    weight = np.maximum(variance, variance[0] * LEAST_SHARE) ** (-power / 2)
    expected = (u * s * weight)[:, :N_TARGETS]
    expected /= np.sqrt((expected**2).mean())
    found = Targets.fit(clean, power).of(clean).numpy()
    assert found.shape == (128, N_TARGETS)
    np.testing.assert_allclose(np.abs(found), np.abs(expected), atol=2e-2)


def test_whitening_makes_components_more_alike(clean):
    spreads = [Targets.fit(clean, power).of(clean).std(0) for power in (0.0, 0.5, 1.0)]
    ratios = [float(sd[0] / sd[-1]) for sd in spreads]
    assert ratios[0] > ratios[1] > ratios[2]
    assert ratios[2] == pytest.approx(1, abs=1e-2)


def test_the_readout_finds_a_turn():
    rng = np.random.default_rng(1)
    even = rng.normal(size=(500, 128))
    vectors = np.linalg.svd(even - even.mean(0), full_matrices=False)[0] * 20 + 1  # spread alike in all directions
    turn = np.linalg.qr(rng.normal(size=(128, 128)))[0][:N_TARGETS]
    wanted = 3 * vectors @ turn.T
    found = readout(torch.from_numpy(vectors).float(), torch.from_numpy(wanted).float()).numpy()
    scale = np.linalg.norm(wanted - wanted.mean(0)) / np.linalg.norm(vectors - vectors.mean(0))
    np.testing.assert_allclose(found, scale * turn, atol=1e-4)


def test_distances_of_vectors_are_those_of_what_is_said():
    vectors, wanted = torch.randn(64, 128), torch.randn(64, N_TARGETS)
    weight = readout(vectors, wanted)
    square = weight @ weight.T
    torch.testing.assert_close(square, square[0, 0] * torch.eye(N_TARGETS), rtol=1e-3, atol=1e-3)


def test_the_describer_begins_at_the_mean_and_only_its_bias_learns():
    vectors, wanted = torch.randn(64, 128), torch.randn(64, N_TARGETS) + 3
    layer = describer(vectors, wanted)
    torch.testing.assert_close(layer(vectors).mean(0), wanted.mean(0), rtol=0, atol=1e-4)
    assert [(name, p.requires_grad) for name, p in layer.named_parameters()] == [("weight", False), ("bias", True)]
