"""What follows on vectors, the desk's way and a plain one; and how much arithmetic networks are."""

from pathlib import Path

import numpy as np
import pytest

from ctc_core._openvino import constant, openvino
from ctc_core.bench import flops
from ctc_core.bench.made import vectors_of
from ctc_core.bench.ours import Ours
from ctc_core.bench.placing import Placing
from ctc_core.bench.repeated import repeat
from ctc_core.bench.stopwatch import Stopwatch
from ctc_core.bench.stored import PlainStore, desk_store, made_classifier
from ctc_core.cartridge import open_cartridge
from ctc_core.encoder.network import build_network
from ctc_core.settings import Settings
from tests.support import ARITHMETIC, ProjectingEmbedder, ThresholdSegmenter, make_archive


class Networks:
    """Networks that need no weights."""

    segmenter, embedder, lanes, arithmetic = ThresholdSegmenter(), ProjectingEmbedder(), 2, ARITHMETIC


def test_the_desk_goes_from_the_archive_to_scored_candidates(tmp_path: Path) -> None:
    cartridge, watch = open_cartridge(make_archive(tmp_path, "171651.1.2")), Stopwatch()
    with desk_store(tmp_path / "data", 60, "projection-1") as store:
        ours = Ours(Networks(), store)  # type: ignore[arg-type]
        assert [ours.run(cartridge, watch) for _ in range(2)] == [[2, 1, 0, 3]] * 2
        assert list(store.cartridges().cartridge_id) == ["bench-1", "bench-2"]
        active = store.active_model("classifier")
        assert active is not None and len(store.predictions("bench-2", active.model_id)) == 6
        assert [path for path in store.folder.iterdir() if path.name.startswith("tmp")] == []
    assert {"read", "measure", "crop", "write", "bundle", "import", "score", "query"} <= set(watch.seconds)


def test_the_plain_store_keeps_and_ranks_what_it_is_given(tmp_path: Path) -> None:
    store, vectors = PlainStore(tmp_path / "cells.sqlite", 60), vectors_of(200, seed=3)
    probabilities = store.score(vectors)
    np.testing.assert_allclose(probabilities, made_classifier(60, "x").probabilities(vectors), atol=1e-4)
    rows = [("c", 1 + k // 50, b"outline", b"crops", vectors[k].tobytes(), p) for k, p in enumerate(probabilities)]
    store.add(rows)
    store.add([("other", 1, b"", b"", b"", 0.9)])
    found = store.candidates("c")
    likely = sorted((p for p in probabilities if p >= 0.5), reverse=True)
    assert likely and [row[-1] for row in found] == likely
    assert np.array_equal(np.frombuffer(found[0][5], np.float32), vectors[found[0][0] - 1])
    assert store.score(vectors[:0]).shape == (0,)


@pytest.mark.parametrize("plain", [False, True])
def test_the_map_is_fitted_cells_are_placed_and_clusters_found(tmp_path: Path, plain: bool) -> None:
    cartridge, watch = repeat(open_cartridge(make_archive(tmp_path, "171651.1.2")), 2), Stopwatch()
    assert Placing(120, plain=plain).run(cartridge, watch) == [86, 86]
    assert list(watch.seconds) == ["map fit", "map transform", "clusters"]


def test_two_operations_for_each_product() -> None:
    ops = openvino().opset13
    page = ops.parameter([1, 3, 8, 8], np.float32)
    layer = ops.convolution(page, constant(np.ones((4, 3, 3, 3))), [1, 1], [1, 1], [1, 1], [1, 1])
    apart = ops.group_convolution(layer, constant(np.ones((4, 1, 1, 3, 3))), [1, 1], [1, 1], [1, 1], [1, 1])
    turned = ops.matmul(apart, constant(np.ones((8, 5))), True, False)  # (8, 8) turned, by (8, 5)
    model = openvino().Model([turned], [page], "small")
    assert flops.of_graph(model) * 1e9 == 2 * (4 * 64 * 27) + 2 * (4 * 64 * 9) + 2 * (4 * 8 * 8 * 5)


def test_a_cell_costs_what_its_tokens_do() -> None:
    """Attention over channels: linear in the number of tokens. Our graph never does more than the network of torch."""
    network = build_network(seed=0).eval()
    small, published = (flops.of_torch(network, px) for px in (48, 224))
    assert (small, published) == (pytest.approx(0.2, abs=0.01), pytest.approx(4.27, abs=0.03))
    assert published / small == pytest.approx(224**2 / 48**2, rel=0.05)
    ours = [flops.of_crop(Settings(), px) for px in (48, 224)]
    assert 0.8 * small < ours[0] < 1.01 * small and 0.8 * published < ours[1] < 1.01 * published
