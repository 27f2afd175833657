import json

import numpy as np
import pytest
import safetensors.torch

from ctc_core._torch import torch
from ctc_core.encoder import data, step, train
from ctc_core.encoder.embedder import Embedder, run_network
from ctc_core.encoder.plan import Plan
from ctc_core.errors import ModelError
from ctc_core.simulate.pairs import Pairs

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
    """Chunks of 8 random objects instead of 1024 rendered ones."""

    def noise(index, *, seed):
        rng = np.random.default_rng([seed, index])
        shots = rng.integers(0, 256, (8, 2, 3, 48, 48), dtype=np.uint8)
        return Pairs(shots, rng.integers(0, 256, (8, 3, 48, 48), dtype=np.uint8))

    monkeypatch.setattr(data, "CHUNK", 8)
    monkeypatch.setattr(data, "training_chunk", noise)


def run(out, **options):
    return train.train(out, **{**TINY, **options})


def log(out):
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


def test_resumed_training_ends_at_the_same_weights(tmp_path, monkeypatch):
    whole = run(tmp_path / "whole", iterations=4)
    run(tmp_path / "parts", iterations=4, deadline_hours=0)  # no step at all, checkpoint at 0
    whole_step, done = train.train_step, []

    def stop_after_three(plan, state, *crops):
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append(state.step)
        return whole_step(plan, state, *crops)

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
        "objects_seen": 12,
        "crops_seen": 24,
    }
    assert {key: config[key] for key in expected} == expected
    (stage,) = config["stages"]
    assert {key: stage["training"][key] for key in TINY} == TINY
    assert (stage["iterations_done"], stage["completed"], stage["crops_seen"]) == (3, True, 24)
    assert reports == [(1, 3), (2, 3), (3, 3)]
    always = ["step", "lr", "seconds", "crops_per_s", "description", "effective_rank"]
    dino = ["loss", "entropy", "entropy_of_mean"]
    assert [sorted(row) for row in log(out)] == [sorted(always)] + [sorted([*always, *dino])] * 2
    assert Embedder.load(str(out)).embed(np.zeros((2, 3, 48, 48), np.uint8)).shape == (2, 128)


def test_the_deadline_ends_it_and_the_config_says_so(tmp_path):
    (stage,) = json.loads((run(tmp_path, deadline_hours=0) / "config.json").read_text())["stages"]
    assert (stage["completed"], stage["iterations_done"], stage["crops_seen"]) == (False, 0, 0)


def test_training_goes_on_from_an_encoder_and_says_so(tmp_path):
    first = run(tmp_path / "first", seed=1)
    second = run(tmp_path / "second", seed=2, start=str(first), deadline_hours=0)  # no step: still the same weights
    before, after = (safetensors.torch.load_file(folder / "weights.safetensors") for folder in (first, second))
    norms = ("running_mean", "running_var", "num_batches_tracked")  # taken anew from the crops of each seed
    assert all(torch.equal(before[name], after[name]) for name in before if not name.endswith(norms))
    config = json.loads((second / "config.json").read_text())
    seeds = [(stage["training"]["seed"], stage["training"]["start"]) for stage in config["stages"]]
    assert (seeds, config["crops_seen"]) == ([(1, None), (2, str(first))], 24)


def test_a_start_that_is_no_encoder_is_refused(tmp_path):
    with pytest.raises(ModelError, match="no model of this name"):
        run(tmp_path / "out", start="nobody")


def test_the_describer_begins_with_what_the_encoder_knows_and_keeps_angles(tmp_path):
    """Eight objects: turned the right way, 128 numbers of each come closer to their targets than a mean does."""
    first = run(tmp_path / "first")
    state = train._start(Plan(**TINY, start=str(first)), tmp_path / "none", resume=False)
    known = data.training_chunk(0, seed=0)
    vectors = torch.from_numpy(run_network(state.student[0].eval(), known.shots[:, 0], input_px=24))
    wanted = state.targets.of(known.clean)
    mean = torch.nn.functional.smooth_l1_loss(wanted.mean(0).expand_as(wanted), wanted).item()
    assert step._description_loss(state, vectors, known.clean).item() < 0.8 * mean
    weight = state.student[2].weight.detach()
    across = weight @ weight.T
    torch.testing.assert_close(across, across[0, 0] * torch.eye(len(weight)), rtol=0, atol=1e-4 * across[0, 0].item())


def test_the_describer_stays_as_it_is_but_for_its_bias(tmp_path):
    plan = Plan(**TINY)
    state = train._start(plan, tmp_path / "none", resume=False)
    before = {name: value.clone() for name, value in state.student[2].state_dict().items()}
    known = data.training_chunk(0, seed=0).rows(slice(4))
    step.train_step(plan, state, known.shots, known.clean)
    after = state.student[2].state_dict()
    assert (torch.equal(before["weight"], after["weight"]), torch.equal(before["bias"], after["bias"])) == (True, False)


def test_one_photograph_is_enough_for_dino(tmp_path):
    state = train._start(Plan(**TINY | {"warm_start": 0}), tmp_path / "none", resume=False)
    record = step.train_step(Plan(**TINY | {"warm_start": 0}), state, data.training_chunk(0, seed=0).shots[:4, 0])
    assert (record["step"], record["description"]) == (1, 0)
    assert 0 < record["loss"] < 10


def test_effective_rank_counts_directions():
    axes = torch.eye(4)
    assert step.effective_rank(torch.cat([axes, -axes])) == pytest.approx(4)
    assert step.effective_rank(torch.arange(6.0)[:, None] * axes[:1] + 1) == pytest.approx(1, abs=1e-3)
    assert step.effective_rank(torch.ones(5, 4)) == pytest.approx(1)  # all the same: nothing is told apart


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
