"""What the machine can do: cores, instructions, and the most arithmetic it was seen to do in a second."""

from __future__ import annotations

import os
import time
from typing import Any

import numpy as np

from ctc_core._openvino import Network, core, openvino, precision, threads_or_cores
from ctc_core.bench.plain import PUBLISHED_PX
from ctc_core.encoder import Embedder
from ctc_core.segment import Segmenter
from ctc_core.settings import Runtime, Settings

SIZE, CHANNELS, REPEATS = 384, 64, 5
"""Edge and channels of the convolution whose speed is measured: of StarDist's kind."""


def describe(settings: Settings) -> dict[str, Any]:
    """Name, cores, load, the runtime's arithmetic, and measured GFLOP/s."""
    return {
        "cpu": core().get_property("CPU", "FULL_DEVICE_NAME"),
        "cores": threads_or_cores(settings.threads),
        "load": round(os.getloadavg()[0], 1),
        "runtime": str(settings.runtime),
        "precision": computed_in(settings),
        "gflops_product": round(product_gflops(), 1),
        "gflops_convolution": round(convolution_gflops(settings.threads), 1),
    }


def computed_in(settings: Settings) -> str:
    """The runtime's precision; and that of networks with another one, the encoder at its own and the published size."""
    if settings.runtime is Runtime.EXACT:
        return "f32"
    found = {"segmenter": Segmenter.load(settings.segmenter, runtime=settings.runtime).precision}
    for input_px in (None, PUBLISHED_PX):
        embedder = Embedder.load(settings.encoder, data_dir=settings.data_dir, runtime=settings.runtime)
        embedder.input_px = input_px or embedder.input_px
        found[f"encoder at {embedder.input_px} px"] = embedder.precision
    others = [f"{name} in {one}" for name, one in found.items() if one != precision()]
    return ", ".join([precision(), *others])


def product_gflops(n: int = 1024) -> float:
    """Best of some products of n x n matrices, float32 (numpy's BLAS)."""
    a = np.random.default_rng(0).random((n, n), np.float32)
    return 2 * n**3 / best(lambda: a @ a) / 1e9


def convolution_gflops(threads: int = 0) -> float:
    """Best of some 3 x 3 convolutions in the runtime, all lanes at work."""
    from concurrent.futures import ThreadPoolExecutor

    lanes = threads_or_cores(threads)
    network = Network(_convolution(), threads=lanes)
    page = np.zeros((1, CHANNELS, SIZE, SIZE), np.float32)
    with ThreadPoolExecutor(lanes) as pool:
        seconds = best(lambda: list(pool.map(lambda _: network(page, lambda _outputs: None), range(lanes))))
    return lanes * 2 * 9 * CHANNELS**2 * SIZE**2 / seconds / 1e9


def _convolution() -> Any:
    ops = openvino().opset13
    page = ops.parameter([1, CHANNELS, SIZE, SIZE], np.float32)
    kernel = ops.constant(np.full((CHANNELS, CHANNELS, 3, 3), 1e-3, np.float32))
    layer = ops.convolution(page, kernel, [1, 1], [1, 1], [1, 1], [1, 1])
    # One number comes out: copying the page is not what is measured.
    return openvino().Model([ops.reduce_max(layer, ops.constant(np.array([0, 1, 2, 3])), False)], [page], "one")


def best(work: Any) -> float:
    """Fewest seconds of some runs."""
    taken = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return min(taken)
