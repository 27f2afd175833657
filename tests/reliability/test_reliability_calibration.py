"""Warnings come true on synthetic patients: errors where they are predicted, an unknown kind of cell noticed."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from ctc_core import cli_map
from ctc_core.errors import SettingsError
from ctc_core.intervals import Interval
from ctc_core.latent import MapParameters
from ctc_core.reliability import Area
from ctc_core.reliability.agreement import cluster_rows, coverage, rank_correlations, share
from ctc_core.reliability.calibration import KnownPatient, Plan, calibrate
from ctc_core.reliability.planted import notice
from ctc_core.reliability.simulated import simulated_patients
from ctc_core.simulate.patient import KIND_SHARES

KINDS, UNKNOWN = 4, 9
OVERLAP = np.array([4.0, 1.2, 2.2, 5.0])
"""How far CTCs lie from other cells in each kind: the second is the hardest."""


PLAN = Plan(train=15, test=15, unlabelled=5, draws=30)


def synthetic(number: int, labelled: bool) -> KnownPatient:
    """A mixture of four kinds that hold CTCs and others; a fifth kind that nobody labelled."""
    rng = np.random.default_rng([number, int(labelled)])
    n, ctc_share = (40, 0.4) if labelled else (160, 0.06)
    kind, is_ctc = rng.integers(0, KINDS, n), rng.random(n) < ctc_share
    planted = rng.random(n) < 0.06
    kind[planted], is_ctc[planted] = UNKNOWN, False
    vectors = np.eye(128)[kind] * 12 + 0.1 * rng.normal(size=128) + rng.normal(size=(n, 128)) * 0.6
    vectors[:, 64] += np.where(is_ctc, OVERLAP[kind % KINDS], 0)
    return KnownPatient(vectors.astype(np.float32), is_ctc, planted)


@pytest.fixture(scope="module")
def report() -> dict:
    parameters = MapParameters(n_neighbors=30, min_cluster_size=200, min_samples=30)
    return calibrate(synthetic, PLAN, encoder_id="synthetic", parameters=parameters)


def test_every_kind_is_a_cluster_and_numbers_add_up(report: dict) -> None:
    assert report["patients"] == {"train": 15, "test": 15, "draws": 30, "with_planted": pytest.approx(28, abs=2)}
    assert len(report["clusters"]) >= KINDS
    ordinary = sum(int((~synthetic(number, False).planted).sum()) for number in range(35, 65))
    assert sum(row["cells"] for row in report["clusters"]) == ordinary
    json.dumps(report, allow_nan=False)


def test_errors_are_where_they_were_predicted(report: dict) -> None:
    assert report["rank_correlation"]["errors_per_cell"]["estimate"] >= 0.7
    for kind in ("wrong", "missed"):
        predicted = sum(row[kind]["predicted"] for row in report["clusters"])
        realised = sum(row[kind]["realised"] for row in report["clusters"])
        assert 0.5 < predicted / realised < 2
    assert min(report["coverage"][kind]["share"] for kind in ("wrong", "missed")) > 0.85


def test_the_unknown_kind_is_noticed_and_ordinary_patients_are_not_accused(report: dict) -> None:
    assert report["mostly_flagged"]["share"] >= 0.9
    assert report["alarm"]["planted"]["share"] >= 0.9
    assert report["alarm"]["ordinary"]["share"] <= 0.1
    assert report["cells_flagged"]["planted"]["share"] > 0.95
    assert report["cells_flagged"]["ordinary"]["share"] < 0.05


def test_noticing_needs_no_map(report: dict) -> None:
    found = notice(synthetic, PLAN, encoder_id="synthetic")
    shared = ("mostly_flagged", "alarm")
    assert {name: found[name] for name in shared} == {name: report[name] for name in shared}
    assert (found["patients"], found["median_remoteness"]) == (report["patients"]["with_planted"], 1.0)


def test_a_kind_like_a_labelled_one_is_not_noticed() -> None:
    """Cells of the kind that nobody labelled look like labelled ones: nothing can tell them apart."""

    def hidden(number: int, labelled: bool) -> KnownPatient:
        patient = synthetic(number, labelled)
        twin = synthetic(number + 1000, labelled)
        ordinary = np.flatnonzero(~twin.planted & ~twin.is_ctc)[: patient.planted.sum()]
        vectors = patient.vectors.copy()
        vectors[np.flatnonzero(patient.planted)[: len(ordinary)]] = twin.vectors[ordinary]
        return KnownPatient(vectors, patient.is_ctc, patient.planted)

    found = notice(hidden, PLAN, encoder_id="synthetic")
    assert found["mostly_flagged"]["share"] == 0.0
    assert found["alarm"]["planted"]["share"] < 0.2
    assert 0.2 < found["median_remoteness"] < 0.8


# ---- figures by hand ------------------------------------------------------------------------------------------------


def test_rank_correlation_by_hand() -> None:
    predicted = np.zeros((4, 2, 3))
    predicted[:, 0] = [1, 2, 3]
    realised = np.zeros((4, 2, 3), int)
    realised[:, 1] = [2, 1, 6]
    found = rank_correlations(predicted, realised, np.full((4, 3), 10), seed=0)
    half = {"estimate": pytest.approx(0.5), "low": pytest.approx(0.5), "high": pytest.approx(0.5)}
    assert found == {"errors": half, "errors_per_cell": half, "n_clusters": 3}
    nothing = rank_correlations(predicted, 0 * realised, np.full((4, 3), 10), seed=0)
    assert nothing["errors"] == {"estimate": None, "low": None, "high": None}


def test_rows_and_coverage_by_hand() -> None:
    predicted = np.array([[[1.25, 0.5]], [[1.0, 0.0]]]).repeat(2, axis=1)
    realised = np.array([[[1, 0], [2, 3]], [[1, 1], [0, 0]]])
    (first, second) = cluster_rows((-1, 0), {-1: Area.WEAK, 0: Area.STRONG}, predicted, realised, np.full((2, 2), 5))
    assert first == {
        "cluster": -1,
        "area": "weak",
        "cells": 10,
        "wrong": {"predicted": 2.2, "realised": 2},
        "missed": {"predicted": 2.2, "realised": 2},
    }
    assert (second["cluster"], second["missed"]) == (0, {"predicted": 0.5, "realised": 3})
    covered = coverage([Interval(1, 0, 2), Interval(5, 4, 6)], np.array([2, 7]))
    assert covered is not None and (covered["share"], covered["n"]) == (0.5, 2)
    assert share([]) is None


# ---- simulated patients ---------------------------------------------------------------------------------------------


def test_simulated_patients_say_which_cells_are_planted() -> None:
    source = simulated_patients(lambda crops: crops.reshape(len(crops), -1)[:, :128].astype(np.float32), cells_drawn=40)
    patient, again = source(30_000_001, False), source(30_000_001, False)
    assert patient.vectors.shape == (40, 128) and len(patient.is_ctc) == len(patient.planted) == 40
    np.testing.assert_array_equal(again.vectors, patient.vectors)
    assert not (patient.is_ctc & patient.planted).any()
    with pytest.raises(SettingsError, match=r"ctc: not a kind of object to hold out\. Choose one of debris, point"):
        simulated_patients(lambda crops: crops, hold_out="ctc")


def test_patients_are_kept_for_the_next_run_and_the_next_kind(tmp_path) -> None:
    calls = []

    def embed(crops: np.ndarray) -> np.ndarray:
        calls.append(len(crops))
        return crops.reshape(len(crops), -1)[:, :128].astype(np.float32)

    made = [
        simulated_patients(embed, hold_out=kind, cells_drawn=12, folder=tmp_path / "kept")(30_000_001, False)
        for kind in ("smear", "smear", "debris")
    ]
    assert calls == [12]
    for again in made[1:]:
        np.testing.assert_array_equal(again.vectors, made[0].vectors)
        np.testing.assert_array_equal(again.is_ctc, made[0].is_ctc)
    np.testing.assert_array_equal(made[1].planted, made[0].planted)
    assert made[2].planted.tolist() != made[0].planted.tolist()


def test_command_passes_on_what_it_is_told(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def calibrate(source, plan, *, encoder_id, progress):
        asked.append((plan, encoder_id))
        return {"alarm": None}

    class Fake:
        id = "enc-0"

        def embed(self, crops):
            raise NotImplementedError

    monkeypatch.setattr("ctc_core.reliability.calibration.calibrate", calibrate)
    monkeypatch.setattr("ctc_core.reliability.planted.notice", lambda source, plan, *, encoder_id: encoder_id)
    monkeypatch.setattr("ctc_core.encoder.Embedder.load", lambda name, threads: Fake())
    out = tmp_path / "r.json"
    options = [
        "--patients",
        "7",
        "--labelled",
        "6",
        "--hold-out",
        "point",
        "--seed",
        "2",
        "--out",
        str(out),
        "--every-kind",
    ]
    ran = CliRunner().invoke(cli_map.experiment_app, ["reliability", *options])
    assert (ran.exit_code, ran.exception) == (0, None)
    first = 30_000_000 + 2 * 25
    assert asked == [(Plan(train=6, test=6, unlabelled=6, draws=7, first=first, seed=2), "enc-0")]
    assert json.loads(out.read_text()) == {
        "encoder_id": "enc-0",
        "data": "simulated, unseen patients",
        "hold_out": "point",
        "seed": 2,
        "alarm": None,
        "kinds": dict.fromkeys(KIND_SHARES, "enc-0"),
    }
