"""The experiment on a made-up cohort, and its arithmetic by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from ctc_core.cli_rounds import experiment_app
from ctc_core.errors import UserError
from ctc_core.rounds.cohort import Cohort, CohortPlan, kept_cohort
from ctc_core.rounds.experiment import Plan, mean, run, summarise
from ctc_core.rounds.expert import says
from ctc_core.types import Label


def made_cohort(patients: int = 8, cells: int = 60) -> Cohort:
    """Three kinds of cells far apart, the first CTCs; ten patients with equal shares."""
    rng = np.random.default_rng(0)
    n = patients * cells
    kind = np.arange(n) % 3
    centres = rng.normal(size=(3, 128)) * 2
    vectors = (centres[kind] + rng.normal(size=(n, 128))).astype(np.float32)
    names = np.repeat([f"p{i}" for i in range(patients)], cells)
    return Cohort(vectors, kind == 0, kind.astype(str), names)


def test_records_of_a_run() -> None:
    plan = Plan(strategies=("real-world", "random"), seeds=1, start=40, step=10, rounds=2, error_rate=0.0)
    records = run(made_cohort(), plan, encoder_id="e")
    whole = [record for record in records if record["cluster"] is None]
    assert [(r["strategy"], r["loop"], r["n_train"], r["n_test"], r["n_ctc"]) for r in whole] == [
        (name, loop, 40 + 10 * loop, 240, 80) for name in plan.strategies for loop in range(3)
    ] + [("all-labels", 0, 40, 240, 80), ("all-labels", 2, 240, 240, 80)]
    assert all(record["f1"] == 1.0 for record in whole)  # the kinds lie far apart
    assert [r["asked"] is None for r in whole] == [True, False, False, True, True, True, True, True]
    again = run(made_cohort(), replace(plan, strategies=("random",)), encoder_id="e")
    assert [record for record in again if record["strategy"] == "random"] == [
        record for record in records if record["strategy"] == "random"
    ]


def record(strategy: str, seed: int, loop: int, cluster: int | None, f1: float, validation: float) -> dict[str, Any]:
    about = {"strategy": strategy, "seed": seed, "loop": loop, "cluster": cluster, "n_test": 40, "n_ctc": 20}
    return {**about, "f1": f1, "validation": validation}


def test_summary_follows_the_cluster_that_validation_chose() -> None:
    """Cluster 1 is the weakest by validation, cluster 0 by test: 1 is followed, and its test figures are told."""
    records = [
        record(name, seed, loop, cluster, f1, validation)
        for name, gain in (("real-world", 0.3), ("random", 0.1))
        for seed in (0, 1)
        for loop, more in ((0, 0.0), (1, gain))
        for cluster, f1, validation in ((None, 0.8, 0.0), (0, 0.2, 0.9), (1, 0.5 + more, 0.1))
    ]
    found = summarise(records)
    assert found["real-world"]["weakest"] == {
        "before": {"mean": 0.5, "low": 0.5, "high": 0.5, "n": 2},
        "after": {"mean": 0.8, "low": 0.8, "high": 0.8, "n": 2},
        "gain": {"mean": 0.3, "low": 0.3, "high": 0.3, "n": 2},
        "against_random": {"mean": 0.2, "low": 0.2, "high": 0.2, "n": 2},
    }
    assert found["real-world"]["hardest"]["gain"]["mean"] == 0.0
    assert "against_random" not in found["random"]["total"]


def test_mean_with_students_interval() -> None:
    """t(0.975, 2) = 4.303, standard error of 1, 2, 3 = 0.577."""
    assert mean(np.array([1.0, 2.0, 3.0])) == {"mean": 2.0, "low": -0.4841, "high": 4.4841, "n": 3}
    assert mean(np.array([1.0])) == {"mean": 1.0, "low": 1.0, "high": 1.0, "n": 1}


@pytest.mark.parametrize(("rate", "wrong"), [(0.0, 0), (1.0, 1000)])
def test_an_expert_without_and_with_errors(rate: float, wrong: int) -> None:
    truth = [Label.CTC, Label.NON_CTC] * 500
    assert sum(said != true for said, true in zip(says(truth, rate, 0), truth, strict=True)) == wrong


def test_an_expert_errs_now_and_then() -> None:
    truth = [Label.ARTIFACT] * 10_000
    said = says(truth, 0.1, 1)
    assert 880 <= said.count(Label.NON_CTC) <= 1120  # four standard deviations
    assert said == says(truth, 0.1, 1) != says(truth, 0.1, 2)


def test_a_cohort_is_made_once(tmp_path: Path) -> None:
    calls: list[int] = []

    def embed(crops: np.ndarray) -> np.ndarray:
        calls.append(len(crops))
        return crops.reshape(len(crops), -1)[:, :128].astype(np.float32)

    plan = CohortPlan(patients=2, cells=6)
    first, second = (kept_cohort(tmp_path, "projection", embed, plan) for _ in range(2))
    assert calls == [6, 6]
    assert (first.vectors.shape, len(set(first.patients)), len(set(first.cell_ids))) == ((12, 128), 2, 12)
    np.testing.assert_array_equal(first.vectors, second.vectors)
    np.testing.assert_array_equal(first.is_ctc, first.kinds == "ctc")


def test_the_command_draws_other_patients_with_another_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[CohortPlan] = []

    def stop(folder: Path, encoder_id: str, embed: object, plan: CohortPlan, progress: object) -> Cohort:
        asked.append(plan)
        raise UserError("far enough")

    monkeypatch.setattr("ctc_core.encoder.Embedder.load", lambda *args, **options: SimpleNamespace(id="e", embed=None))
    monkeypatch.setattr("ctc_core.rounds.cohort.kept_cohort", stop)
    given = ["rounds", "--out", str(tmp_path / "o.json"), "--patients", "8"]
    for options in ([], ["--seed", "3"]):
        ran = CliRunner().invoke(experiment_app, [*given, *options])
        assert isinstance(ran.exception, UserError)
    assert [plan.seed for plan in asked] == [0, 3]
    assert not set(asked[0].numbers) & set(asked[1].numbers)
