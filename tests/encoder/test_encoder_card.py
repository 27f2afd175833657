import json
from dataclasses import asdict

import pytest

from ctc_core.encoder.card import commands, write_card
from ctc_core.encoder.plan import Plan
from ctc_core.models import sha256, write_config


def interval(mean):
    return {"mean": mean, "low": mean - 0.09, "high": mean + 0.09, "n": 5}


RESULT = {
    "encoder_id": "tiny-0123",
    "data": "simulated, unseen patients",
    "seeds": 5,
    "patients": {"labelled": 10, "tested": 10},
    "cells": {"labelled": 2638, "tested": 2773},
    "ctc_share": {"labelled": 0.57, "tested": 0.44},
    "f1": {
        "ours": {"20": interval(0.5), "all": interval(0.9)},
        "classical": {"20": interval(0.4), "all": interval(0.8)},
    },
    "difference": {"classical": {"20": interval(0.1), "all": interval(0.1)}},
    "f1_rarer": {"ours": {"all": interval(0.7)}, "classical": {"all": interval(0.6)}},
    "right_by_kind": {"ours": {"point": {"share": 0.95, "n": 400}}, "classical": {"point": {"share": 0.85, "n": 400}}},
}

FIRST = Plan(iterations=700, warm_start=700, batch=32, global_px=32)
SECOND = Plan(iterations=500, start="training/first", batch=32, seed=3, learning_rate=3e-4, describe=2.0)


def stage(plan, done):
    return {
        "training": asdict(plan),
        "iterations_done": done,
        "completed": done == plan.iterations,
        "objects_seen": done * plan.batch,
        "crops_seen": 2 * done * plan.batch,
        "simulator": "0123456789ab",
    }


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "weights.safetensors").write_bytes(b"weights")
    config = {
        "kind": "encoder",
        "name": "tiny",
        "architecture": "xcit_nano_12_p8_224",
        "input_px": 48,
        "crops": "patients from 10,000,000 up",
        "stages": [stage(FIRST, 700), stage(SECOND, 400)],
        "objects_seen": 35200,
        "crops_seen": 70400,
    }
    write_config(tmp_path, config, ["weights.safetensors"])
    return tmp_path


def test_card_holds_figures_with_n_and_interval_data_command_and_hash(folder):
    text = write_card(folder, RESULT).read_text()
    assert "70,400 distinct simulated crops, each seen once: two photographs of each of 35,200 objects" in text
    assert "  0.500 (0.410 to 0.590)  0.900 (0.810 to 0.990)" in text
    assert "2638 cells of 10 patients give labels, 57% CTCs" in text
    assert "Never tested on patient data" in text
    assert "No kind and no class was told,\nbut the draw holds 40 % CTCs" in text.replace("40%", "40 %")
    assert "Out: 128 numbers, the normalised class token." in text
    assert "Join" not in text
    assert "python -m ctc_core encoder evaluate tiny --seeds 5 --patients 10" in text
    assert sha256(folder / "weights.safetensors") in text


def test_card_says_what_each_stage_did_and_did_not(folder):
    lines = write_card(folder, RESULT).read_text().splitlines()
    assert [line for line in lines if line[:2] in ("1.", "2.")] == [
        (
            "1. 700 steps of description alone (learning rate 0.001); views of 32 px, 32 objects a step, seed 0, "
            "simulator `0123456789ab`."
        ),
        (
            "2. 400 steps of DINO (2 global views of 40 px, 2 local of 24 px, 2048 outputs, learning rate 0.0003, "
            "description beside it with weight 2); views of 40 px, 32 objects a step, seed 3, "
            "simulator `0123456789ab`. "
            "Stopped early: 500 steps were planned."
        ),
    ]


def test_commands_train_it_again():
    stages = [stage(FIRST, 700), stage(SECOND, 400)]
    assert commands("tiny", stages) == [
        "python -m ctc_core encoder train training/first --iterations 700 --warm-start 700 --batch 32 --global-px 32",
        (
            "python -m ctc_core encoder train models/tiny --iterations 500 --seed 3 --start training/first --batch 32 "
            "--learning-rate 0.0003 --describe 2"
        ),
    ]


def test_a_join_is_told_and_its_command(folder):
    join = {"objects": 2048, "seed": 8, "ridge": 0.01, "whiten": 0.5, "explained": 0.47, "simulator": "abcdef012345"}
    config = json.loads((folder / "config.json").read_text()) | {"join": join}
    write_config(folder, config, ["weights.safetensors"])
    text = " ".join(write_card(folder, RESULT).read_text().split())
    assert "Out: 128 numbers, class token and hand-written descriptors joined by a linear map." in text
    assert "a linear map of 266 numbers, the network's class token and 138 hand-written descriptors" in text
    assert "to 128 components of the clean photographs' description, 50% whitened, on both photographs of 2,048" in text
    assert "(seed 8, simulator `abcdef012345`), and says 47% of the components' variance in objects held back" in text
    assert "*descriptors alone* the descriptors, standardised" in text
    assert commands("tiny", config["stages"], join)[1:] == [
        (
            "python -m ctc_core encoder train training/tiny --iterations 500 --seed 3 --start training/first "
            "--batch 32 --learning-rate 0.0003 --describe 2"
        ),
        "python -m ctc_core encoder join training/tiny models/tiny --objects 2048 --seed 8",
    ]
