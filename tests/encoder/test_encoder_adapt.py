import json

import numpy as np
import pytest
import safetensors.torch

from ctc_core.encoder.adapt import adapt
from ctc_core.encoder.embedder import Embedder
from ctc_core.encoder.evaluate_flow import METRICS, evaluate_flow
from ctc_core.encoder.flow import Scale, load_flow
from ctc_core.encoder.join import Join, joined
from ctc_core.encoder.network import build_network
from ctc_core.encoder.tables import flow as flow_table
from ctc_core.errors import ModelError, SettingsError
from ctc_core.models import load_config, sha256, write_config
from tests.made_flow import flow_arrays, flow_file


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("encoder") / "tiny"
    folder.mkdir()
    safetensors.torch.save_file(build_network(seed=1).state_dict(), folder / "weights.safetensors")
    write_config(folder, {"kind": "encoder", "name": "tiny", "input_px": 16}, ["weights.safetensors"])
    return str(folder)


@pytest.fixture(scope="module")
def flow(tmp_path_factory):
    return flow_file(tmp_path_factory.mktemp("flow"))


@pytest.fixture(scope="module")
def adapted(tmp_path_factory, encoder, flow):
    return adapt(encoder, flow, tmp_path_factory.mktemp("adapted") / "to-flow", steps=2, batch=4, threads=1)


def weights(folder):
    return safetensors.torch.load_file(folder / "weights.safetensors")


def test_an_adapted_encoder_is_one_that_says_to_what(adapted, encoder, flow):
    config = load_config(adapted)
    training = config.pop("training")
    assert (training["iterations"], training["batch"], training["warm_start"]) == (2, 4, 0)
    assert config == {
        "kind": "encoder",
        "name": "to-flow",
        "architecture": "xcit_nano_12_p8_224",
        "input_px": 16,
        "method": "DINO",
        "started_from": Embedder.load(encoder).id,
        "adapted_to": {"file": "flow.npz", "sha256": sha256(flow), "split_seed": 0},
        "sha256": {"weights.safetensors": sha256(adapted / "weights.safetensors")},
    }
    before, after = build_network(seed=1).state_dict(), weights(adapted)
    assert any((before[name] != after[name]).any() for name in before if name.endswith("qkv.weight"))
    assert Embedder.load(str(adapted)).embed(np.zeros((2, 3, 48, 48), np.uint8)).shape == (2, 128)


def test_tested_tiles_and_phases_are_not_looked_at(adapted, encoder, flow, tmp_path):
    arrays = flow_arrays()
    _, test = load_flow(flow).split()
    arrays["tiles"][test] = 0
    other = np.where(arrays["phase"] == "s_phase", "g2", arrays["phase"])
    path = flow_file(tmp_path, tiles=arrays["tiles"], phase=other)
    again = weights(adapt(encoder, path, tmp_path / "again", steps=2, batch=4, threads=1))
    for name, tensor in weights(adapted).items():
        assert (again[name] == tensor).all(), name


def test_without_steps_only_batch_norms_change_beside_the_join(encoder, flow, tmp_path):
    after = weights(adapt(encoder, flow, tmp_path / "out", steps=0, threads=1))
    before = build_network(seed=1).state_dict()
    changed = {name.rsplit(".", 1)[1] for name in before if (before[name] != after[name]).any()}
    assert changed == {"running_mean", "running_var", "num_batches_tracked"}
    assert set(after) - set(before) == {"join.weight", "join.bias"}


def test_the_join_is_that_of_the_tiles_that_may_be_learned_from(adapted, flow):
    cells, embedder = load_flow(flow), Embedder.load(str(adapted))
    pool, _ = cells.split()
    crops = Scale.fit(cells.tiles[pool]).crops(cells.tiles[pool])
    expected = Join.principal(joined(embedder.class_tokens(crops), crops))
    np.testing.assert_allclose(np.abs(embedder.join.weight[:20]), np.abs(expected.weight[:20]), rtol=1e-2, atol=1e-2)
    np.testing.assert_allclose(embedder.embed(crops).mean(0), 0, atol=1e-2)


@pytest.fixture(scope="module")
def result(encoder, flow, adapted):
    return evaluate_flow(encoder, flow, adapted=str(adapted), seeds=2, labels=(20, 40, 500), threads=1)


def test_real_cells_by_method_and_labels(result, encoder, adapted):
    json.dumps(result, allow_nan=False)
    figures = {metric: result.pop(metric) for metric in METRICS}
    assert result == {
        "encoder_id": Embedder.load(encoder).id,
        "adapted_id": Embedder.load(str(adapted)).id,
        "data": "real cells of an imaging flow cytometer, mitotic or not",
        "seeds": 2,
        "cells": {"labelled": 80, "tested": 80},
        "mitotic": {"labelled": 12, "tested": 12},
    }
    methods = ["ours", "ours, adapted", "descriptors alone", "classical", "random weights"]
    for metric in METRICS:
        assert [(m, list(scores)) for m, scores in figures[metric]["score"].items()] == [
            (m, ["20", "40"]) for m in methods
        ]
        assert {m: set(rivals) for m, rivals in figures[metric]["difference"].items()} == {
            m: set(methods) - {m} for m in methods[:2]
        }
    best = {"mean": 1, "low": 1, "high": 1, "n": 2}
    assert figures["average_precision"]["score"]["classical"]["40"] == pytest.approx(best)
    result.update(figures)


def test_the_table_of_real_cells(result):
    lines = flow_table(result)
    assert lines[1:3] == ["80 cells (12 mitotic) give labels,", "80 others (12 mitotic) tested, each by one seed."]
    assert sum(line.startswith("classical ") for line in lines) == len(METRICS)
    assert sum(line.startswith("  ours, adapted -") for line in lines) == len(METRICS)


def test_an_encoder_adapted_to_other_tiles_is_refused(encoder, adapted, tmp_path):
    other = flow_file(tmp_path, tiles=flow_arrays()["tiles"] + np.uint16(1))
    with pytest.raises(ModelError, match=r"to-flow: not adapted to flow.npz, so it may have seen tested cells"):
        evaluate_flow(encoder, other, adapted=str(adapted), seeds=2)
    with pytest.raises(ModelError, match="not adapted to"):
        evaluate_flow(encoder, other, adapted=encoder, seeds=2)


def test_more_seeds_than_mitotic_cells_to_test_are_refused(encoder, flow, tmp_path):
    with pytest.raises(SettingsError, match="12 mitotic cells to test cannot be spread over 13 seeds"):
        evaluate_flow(encoder, flow, seeds=13)
    phase = np.where(flow_arrays()["experiment"] == "1", "prophase", "g1")
    one_each = flow_file(tmp_path, phase=phase)  # every experiment of one class
    with pytest.raises(SettingsError, match="0 mitotic cells to test"):
        evaluate_flow(encoder, one_each, seeds=2)
