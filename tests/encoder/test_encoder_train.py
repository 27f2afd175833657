import json

import numpy as np
import pytest
import safetensors.torch

from ctc_core._torch import torch
from ctc_core.encoder import data, step, train
from ctc_core.encoder.embedder import Embedder
from ctc_core.errors import ModelError

TINY = {
    "iterations": 3,
    "batch": 4,
    "input_px": 24,
    "global_px": 16,
    "local_px": 8,
    "out_dim": 16,
    "warmup": 1,
    "warm_start": 1,
    "freeze_last": 1,
}


@pytest.fixture(autouse=True)
def few_crops(monkeypatch):
    """Chunks of 8 random crops instead of 2048 rendered ones."""

    def noise(index, seed):
        return np.random.default_rng([seed, index]).integers(0, 256, (8, 3, 48, 48), dtype=np.uint8)

    monkeypatch.setattr(data, "CHUNK", 8)
    monkeypatch.setattr(data, "_render_chunk", noise)


def run(out, **options):
    return train.train(out, **{**TINY, **options})


def log(out):
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


def test_resumed_training_ends_at_the_same_weights(tmp_path, monkeypatch):
    whole = run(tmp_path / "whole", iterations=4)
    run(tmp_path / "parts", iterations=4, deadline_hours=0)  # no step at all, checkpoint at 0
    whole_step, done = train.train_step, []

    def stop_after_three(plan, state, crops):
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append(state.step)
        return whole_step(plan, state, crops)

    monkeypatch.setattr(train, "train_step", stop_after_three)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "parts", iterations=4, resume=True, checkpoint_every=2)
    monkeypatch.setattr(train, "train_step", whole_step)
    parts = run(tmp_path / "parts", iterations=4, resume=True)
    ours, theirs = (safetensors.torch.load_file(folder / "weights.safetensors") for folder in (whole, parts))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert [row["description"] for row in log(whole)] == [row["description"] for row in log(parts)]


def test_result_is_an_encoder_that_says_how_it_came_about(tmp_path):
    reports = []
    out = run(tmp_path / "tiny", progress=lambda done, total, _note: reports.append((done, total)))
    config = json.loads((out / "config.json").read_text())
    expected = {
        "kind": "encoder",
        "name": "tiny",
        "architecture": "xcit_nano_12_p8_224",
        "input_px": 24,
        "completed": True,
        "crops_seen": 12,
    }
    assert {key: config[key] for key in expected} == expected
    assert {key: config["training"][key] for key in TINY} == TINY
    assert reports == [(1, 3), (2, 3), (3, 3)]
    dino = ["loss", "description", "entropy", "entropy_of_mean", "embedding_sd"]
    always = ["step", "lr", "seconds", "crops_per_s"]
    assert [sorted(row) for row in log(out)] == [sorted([*always, "description"])] + [sorted([*always, *dino])] * 2
    assert Embedder.load(str(out)).embed(np.zeros((2, 3, 48, 48), np.uint8)).shape == (2, 128)


def test_the_deadline_ends_it_and_the_config_says_so(tmp_path):
    config = json.loads((run(tmp_path, deadline_hours=0) / "config.json").read_text())
    assert (config["completed"], config["iterations_done"], config["crops_seen"]) == (False, 0, 0)


def test_checkpoint_of_another_plan_is_refused(tmp_path):
    run(tmp_path, deadline_hours=0)
    with pytest.raises(ModelError, match="made with another seed"):
        run(tmp_path, resume=True, seed=1)


def test_broken_checkpoint_is_refused(tmp_path):
    (tmp_path / "checkpoint.safetensors").write_bytes(b"no")
    with pytest.raises(ModelError, match="not a checkpoint of ours"):
        run(tmp_path, resume=True)


@pytest.mark.parametrize(("option", "value"), [("input_px", 50), ("global_px", 20), ("batch", 3)])
def test_sizes_that_do_not_fit_are_refused_before_anything_is_written(tmp_path, option, value):
    with pytest.raises(ModelError, match=str(value)):
        run(tmp_path / "out", **{option: value})
    assert not (tmp_path / "out").exists()


def test_a_loss_that_is_no_number_stops_training(tmp_path, monkeypatch):
    monkeypatch.setattr(step.dino, "dino_loss", lambda *_: torch.tensor(float("nan"), requires_grad=True))
    with pytest.raises(ModelError, match="step 0: the loss is nan"):
        run(tmp_path, warm_start=0)
