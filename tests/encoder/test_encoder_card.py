import pytest

from ctc_core.encoder.card import write_card
from ctc_core.models import sha256, write_config

RESULT = {
    "seeds": 5,
    "patients": {"labelled": 16, "tested": 17},
    "cells": {"labelled": 1024, "tested": 1088},
    "f1": {
        "ours": {
            "20": {"mean": 0.5, "low": 0.41, "high": 0.59, "n": 5},
            "all": {"mean": 0.9, "low": 0.88, "high": 0.92, "n": 5},
        },
        "classical": {
            "20": {"mean": 0.4, "low": 0.3, "high": 0.5, "n": 5},
            "all": {"mean": 0.8, "low": 0.7, "high": 0.9, "n": 5},
        },
    },
    "right_by_kind": {
        "ours": {"ctc": {"share": 0.91, "n": 1280}, "point": {"share": 0.95, "n": 400}},
        "classical": {"ctc": {"share": 0.81, "n": 1280}, "point": {"share": 0.85, "n": 400}},
    },
}

PLAN = {
    "iterations": 730,
    "warm_start": 500,
    "batch": 32,
    "seed": 3,
    "global_px": 40,
    "local_px": 24,
    "out_dim": 4096,
    "learning_rate": 3e-4,
}


@pytest.fixture
def folder(tmp_path):
    def make(**changes):
        (tmp_path / "weights.safetensors").write_bytes(b"weights")
        config = {
            "kind": "encoder",
            "name": "tiny",
            "architecture": "xcit_nano_12_p8_224",
            "input_px": 48,
            "crops": "simulated",
            "training": PLAN,
            "iterations_done": 730,
            "completed": True,
            "crops_seen": 23360,
        }
        write_config(tmp_path, config | changes, ["weights.safetensors"])
        return tmp_path

    return make


def test_card_holds_figures_with_n_and_interval_data_command_and_hash(folder):
    text = write_card(folder(), RESULT, "python -m ctc_core encoder train").read_text()
    assert "| | 20 labels | all labels |\n|---|---|---|\n" in text
    assert "| ours | 0.500 (0.410 to 0.590), n = 5 | 0.900 (0.880 to 0.920), n = 5 |\n" in text
    assert "| point | 400 | 0.950 | 0.850 |" in text
    assert "23,360 simulated crops" in text
    assert "230 steps of DINO" in text
    assert "500 steps of a warm start" in text
    assert "Never tested on patient data" in text
    assert "python -m ctc_core encoder train" in text
    assert sha256(folder() / "weights.safetensors") in text
    assert "Stopped early" not in text


def test_card_says_what_did_not_happen(folder):
    short = folder(completed=False, iterations_done=100, training=PLAN | {"warm_start": 0})
    text = write_card(short, RESULT, "").read_text()
    assert "100 steps of DINO" in text
    assert "warm start" not in text
    assert "Stopped early: 730 steps were planned" in text
