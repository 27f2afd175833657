"""XCiT nano-12/p8 (El-Nouby et al. 2021), timm's definition, as the paper uses it.

3 x H x W -> 128. timm's `xcit_nano_12_p8_224` agrees with the paper's network in all it names: embedding 128, depth 12,
4 heads, eta 1.0 (start of the layer scale), no tokens norm. Not named there but part of the definition: two
class-attention layers, biases in q, k, v, a Fourier position code that fits any image size, and batch norm in the patch
stem and in every local patch interaction. Because of the last, running statistics are part of the
weights (`recalibrate`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ctc_core._torch import nn, timm, torch
from ctc_core.errors import ModelError
from ctc_core.types import EMBEDDING_DIM

ARCHITECTURE = "xcit_nano_12_p8_224"


def build_network(*, seed: int | None = None) -> nn.Module:
    """Network with random weights: (n, 3, H, W) float32 in [-1, 1], H, W multiples of 8 -> (n, 128), the class token.

    seed: of the weights; None leaves torch's generator as it is.

    Raises:
        ModelError: the installed timm builds another network under this name.
    """
    with torch.random.fork_rng(enabled=seed is not None):
        if seed is not None:
            torch.manual_seed(seed)
        network: nn.Module = timm.create_model(ARCHITECTURE, num_classes=0)
    _check(network)
    return network


def _check(network: Any) -> None:
    found = {
        "embedding": network.embed_dim,
        "depth": len(network.blocks),
        "heads": network.blocks[0].attn.num_heads,
        "eta": network.blocks[0].gamma1.mean().item(),
        "tokens norm": network.cls_attn_blocks[0].tokens_norm,
    }
    expected = {"embedding": EMBEDDING_DIM, "depth": 12, "heads": 4, "eta": 1.0, "tokens norm": False}
    if found != expected:
        message = f"timm {timm.__version__}: {ARCHITECTURE} is {found}, expected {expected}. Install our requirements."
        raise ModelError(message)


def recalibrate(network: nn.Module, batches: Iterable[torch.Tensor]) -> None:
    """Replace the batch norms' running statistics by the average over `batches` of plain (not augmented) inputs.

    Training sees augmented views at other sizes; inference must not be normalised by those.
    Leaves the network in eval mode.
    """
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # cumulative average
    network.train()
    with torch.inference_mode():
        for batch in batches:
            network(batch)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    network.eval()
