import pytest

from ctc_core._torch import nn, timm, torch
from ctc_core.encoder import network
from ctc_core.errors import ModelError


def test_any_multiple_of_the_patch_gives_128_numbers():
    net = network.build_network(seed=1).eval()
    with torch.inference_mode():
        shapes = [tuple(net(torch.zeros(2, 3, px, px)).shape) for px in (24, 40, 48)]
    assert shapes == [(2, 128)] * 3


def test_the_vector_is_the_normalised_class_token():
    net = network.build_network(seed=1).eval()
    tokens = []
    net.cls_attn_blocks[-1].register_forward_hook(lambda _module, _inputs, output: tokens.append(output))
    with torch.inference_mode():
        vector = net(torch.rand(2, 3, 24, 24))
        token = tokens[0][:, 0]
        expected = (token - token.mean(1, keepdim=True)) / (token.var(1, unbiased=False, keepdim=True) + 1e-6).sqrt()
    torch.testing.assert_close(vector, expected, atol=1e-5, rtol=1e-5)  # layer norm at its start: weight 1, bias 0


def test_a_seed_gives_the_same_weights_and_leaves_the_generator_alone():
    before = torch.random.get_rng_state()
    first, second, other = (network.build_network(seed=seed).cls_attn_blocks[0].attn.q.weight for seed in (3, 3, 4))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_another_network_under_the_name_is_refused(monkeypatch):
    original = timm.create_model
    monkeypatch.setattr(timm, "create_model", lambda name, **options: original(name, **options, eta=0.5))
    with pytest.raises(ModelError, match=r"'eta': 0\.5.*expected.*'eta': 1\.0"):
        network.build_network()


def test_recalibration_averages_batch_statistics_and_keeps_the_weights():
    net = nn.Sequential(nn.BatchNorm2d(1))
    batches = [torch.tensor([0.0, 2.0]).reshape(2, 1, 1, 1), torch.tensor([4.0, 10.0]).reshape(2, 1, 1, 1)]
    network.recalibrate(net, batches)
    assert net[0].running_mean.tolist() == [4.0]  # (1 + 7) / 2
    assert net[0].running_var.tolist() == [10.0]  # (2 + 18) / 2, unbiased as torch keeps it
    assert (net[0].momentum, net[0].training, net[0].weight.tolist()) == (0.1, False, [1.0])
