"""Whole runs of the published simulations against a plain re-statement of the published rules."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from ctc_core.cli_experiment import experiment_app
from ctc_core.console import Session
from ctc_core.errors import SettingsError, UserError
from ctc_core.features import FeaturesFolder, write_features
from ctc_core.relabel.experiments.compare import paired
from ctc_core.relabel.experiments.draws import run_seeds
from ctc_core.relabel.experiments.real import Real, real
from ctc_core.relabel.experiments.simulated import Sim1, Sim2, sim1, sim2
from ctc_core.relabel.registry import STRATEGIES
from ctc_core.settings import Settings
from tests.relabel import plain_runs
from tests.relabel.made_folder import made_folder


@pytest.fixture(autouse=True)
def data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Session, "settings", Settings(data_dir=tmp_path / "data"))
    monkeypatch.setattr("ctc_core.relabel.experiments.figure.write_figure", lambda result, path: [])  # slow


FIGURES = ("f1", "precision", "recall", "balanced_accuracy")
SMALL = Sim1(start=40, step=30, loops=3)


@pytest.fixture(scope="module")
def folder() -> FeaturesFolder:
    return made_folder()


def same(found: list[dict], expected: list[dict], strategy: str, seed: int) -> None:
    assert len(found) == len(expected)
    for mine, plain in zip(found, expected, strict=True):
        figures = {name: pytest.approx(plain[name], abs=1e-12) for name in FIGURES}
        assert mine == {**plain, **figures, "strategy": strategy, "seed": seed}


def test_published_seeds() -> None:
    assert run_seeds("published") == [164, 29, 7, 190, 71]
    assert run_seeds("3") == [0, 1, 2]
    for wrong in ("0", "-1", "many"):
        with pytest.raises(SettingsError, match="give 'published' or how many"):
            run_seeds(wrong)


@pytest.mark.parametrize(("strategy", "seed"), [("cluster-specific", 164), ("random", 29)])
def test_sim1_is_the_plain_run(folder: FeaturesFolder, strategy: str, seed: int) -> None:
    specific = strategy != "random"
    expected = plain_runs.sim1(folder, seed, specific=specific, start=40, step=30, loops=2)
    same(sim1(folder, strategy, seed, Sim1(40, 30, 2)), expected, strategy, seed)


@pytest.mark.parametrize("cap", [False, True])
@pytest.mark.parametrize("main", [-1, 1, 2])
@pytest.mark.parametrize("strategy", ["cluster-specific", "random"])
def test_sim2_is_the_plain_run(folder: FeaturesFolder, strategy: str, main: int, cap: bool) -> None:
    specific = strategy == "cluster-specific"
    expected = plain_runs.sim2(folder, 7, specific=specific, main=main, cap=cap)
    same(sim2(folder, strategy, 7, Sim2(main, cap)), expected, strategy, 7)


def test_the_cap_bites(folder: FeaturesFolder) -> None:
    """The big cluster gives more than the random pool holds."""
    table = folder.unlabelled.table.assign(cluster=2)
    big = replace(
        folder,
        unlabelled=replace(folder.unlabelled, table=table),
        test=replace(folder.test, table=folder.test.table.assign(cluster=np.arange(200) % 2 + 1)),
    )
    runs = {
        cap: [len(r["rows"]) for r in sim2(big, "cluster-specific", 7, Sim2(2, cap)) if r["cluster"] is None]
        for cap in (False, True)
    }
    assert sum(runs[True][1:]) < sum(runs[False][1:])
    expected = plain_runs.sim2(big, 7, specific=True, main=2, cap=True)
    same(sim2(big, "cluster-specific", 7, Sim2(2, cap_like_published=True)), expected, "cluster-specific", 7)


def test_dry_pools_give_what_they_have_and_no_cell_twice(folder: FeaturesFolder) -> None:
    records = [r for r in sim1(folder, "cluster-specific", 7, Sim1(100, 150, 2)) if r["cluster"] is None]
    drawn = [row for record in records for row in record["rows"]]
    assert sorted(drawn) == list(range(260))
    assert [len(record["rows"]) for record in records] == [100, 150, 10]


@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_every_strategy_runs_and_repeats(folder: FeaturesFolder, name: str) -> None:
    plan = Sim1(40, 20, 1)
    first = sim1(folder, name, 3, plan)
    drawn = [record["rows"] for record in first if record["cluster"] is None]
    assert len(set(drawn[0] + drawn[1])) == 40 + (20 if name != "real-world" else len(drawn[1]))
    if not STRATEGIES[name].by_f1:  # the others differ by their validation only, which the plain runs hold
        assert sim1(folder, name, 3, plan) == first


# ---- real-world -----------------------------------------------------------------------------------------------------


def test_real_without_answers_proposes_a_gallery(folder: FeaturesFolder) -> None:
    records = real(folder, "cluster-specific", 7)
    assert {record["loop"] for record in records} == {0}
    by_cluster = {r["cluster"]: r["f1"] for r in records if r["cluster"] is not None}
    gallery = records[0]["gallery"]
    assert gallery["cluster"] == min(by_cluster, key=lambda c: (by_cluster[c], c))
    assert set(folder.unlabelled.table.cluster[gallery["rows"]]) == {gallery["cluster"]}


def test_real_adds_only_what_was_called_wrongly(folder: FeaturesFolder) -> None:
    answers = np.random.default_rng(0).integers(0, 2, 250)
    table = folder.unlabelled.table.assign(expert=np.where(np.arange(250) % 5, answers, 10))
    known = replace(folder, unlabelled=replace(folder.unlabelled, table=table))
    records = [r for r in real(known, "cluster-specific", 7, Real(step=15, loops=3)) if r["cluster"] is None]
    added = [record["unlabelled_rows"] for record in records]
    assert [record["n_train"] for record in records] == (260 + np.cumsum([len(rows) for rows in added])).tolist()
    joined = [row for rows in added for row in rows]
    assert len(joined) == len(set(joined)) > 0
    assert all(row % 5 for row in joined)
    with pytest.raises(SettingsError, match="'cluster-specific' and 'random' only"):
        real(known, "margin", 7)


@pytest.mark.parametrize("strategy", ["cluster-specific", "random"])
def test_real_is_the_plain_run(folder: FeaturesFolder, strategy: str) -> None:
    answers = np.where(np.arange(250) % 4, np.random.default_rng(1).integers(0, 2, 250), 10)
    table = folder.unlabelled.table.assign(expert=answers)
    known = replace(folder, unlabelled=replace(folder.unlabelled, table=table))
    plain = plain_runs.real(known, 29, specific=strategy == "cluster-specific", step=12, loops=3)
    found = real(known, strategy, 29, Real(step=12, loops=3))
    for loop, expected in enumerate(plain):
        whole, *clusters = (record for record in found if record["loop"] == loop)
        assert (whole["n_train"], whole["f1"]) == (expected["n_train"], pytest.approx(expected["f1"]))
        assert {record["cluster"]: record["f1"] for record in clusters} == pytest.approx(expected["clusters"])
        before = plain[loop - 1]["added"] if loop else []
        assert before + whole["unlabelled_rows"] == expected["added"]
    assert found[-len(clusters) - 1]["gallery"]["rows"] == plain[-1]["shown"]


# ---- command --------------------------------------------------------------------------------------------------------


def test_commands_write_records(folder: FeaturesFolder, tmp_path: Path) -> None:
    write_features(tmp_path / "f", folder)
    out = tmp_path / "new" / "run.json"
    given = [
        "--features",
        str(tmp_path / "f"),
        "--strategy",
        "random",
        "--seeds",
        "2",
        "--workers",
        "1",
        "--out",
        str(out),
    ]
    ran = CliRunner().invoke(experiment_app, ["sim1", *given, "--start", "40", "--step", "30", "--loops", "3"])
    assert (ran.exit_code, ran.exception) == (0, None)
    expected = [record for seed in (0, 1) for record in sim1(folder, "random", seed, SMALL)]
    assert json.loads(out.read_text())["records"] == expected
    ran = CliRunner().invoke(experiment_app, ["sim2", *given, "--main-cluster", "1", "--cap-like-published"])
    assert (ran.exit_code, ran.exception) == (0, None)
    assert len(json.loads(out.read_text())["records"]) == 2 * 5 * 5
    ran = CliRunner().invoke(experiment_app, ["real", *given])
    assert (ran.exit_code, ran.exception) == (0, None)


@pytest.mark.parametrize(
    ("spoil", "options", "sentence"),
    [
        (lambda f: (f / "df_labeled_test").unlink(), ["random"], "df_labeled_test: missing."),
        (lambda f: None, ["unheard-of"], "unheard-of: no strategy of this name. There are: ours, "),
        (lambda f: None, ["random", "--start", "999"], "--start 999: df_labeled_train has 260 cells."),
    ],
)
def test_mistakes_are_said(folder: FeaturesFolder, tmp_path: Path, spoil, options: list[str], sentence: str) -> None:
    write_features(tmp_path, folder)
    spoil(tmp_path)
    given = ["sim1", "--features", str(tmp_path), "--out", str(tmp_path / "o.json")]
    given += ["--workers", "1", "--strategy", *options]
    ran = CliRunner().invoke(experiment_app, given)
    assert isinstance(ran.exception, UserError)
    assert sentence in str(ran.exception)


def test_a_missing_cluster_column_and_cluster(folder: FeaturesFolder) -> None:
    bare = replace(folder, test=replace(folder.test, table=folder.test.table.drop(columns="cluster")))
    with pytest.raises(UserError, match="df_labeled_test: the column 'cluster' is missing"):
        sim1(bare, "random", 7, SMALL)
    with pytest.raises(SettingsError, match=r"--main-cluster 9: no training cell is in that cluster. There are: -1, 0"):
        sim2(folder, "random", 7, Sim2(9))


# ---- strategies side by side ----------------------------------------------------------------------------------------


def test_paired_differences() -> None:
    found = paired(np.array([0.5, 0.7, 0.9]), np.array([0.4, 0.7, 0.7]))
    assert found == {"difference": 0.1, "low": -0.1484, "high": 0.3484}  # 0.1 +- 4.3027 * 0.1 / sqrt(3)
    assert paired(np.array([0.5]), np.array([0.25])) == {"difference": 0.25, "low": None, "high": None}


def test_strategies_are_compared_from_the_same_starts(folder: FeaturesFolder, tmp_path: Path) -> None:
    write_features(tmp_path / "f", folder)
    out = tmp_path / "all.json"
    sizes = ["--seeds", "2", "--start", "40", "--step", "20", "--loops", "1", "--workers", "1"]
    given = ["strategies", "--features", str(tmp_path / "f"), "--out", str(out), "--strategy", "margin", *sizes]
    ran = CliRunner().invoke(experiment_app, given)
    assert (ran.exit_code, ran.exception) == (0, None)
    result = json.loads(out.read_text())
    names = ["random", "cluster-specific", "margin"]
    assert [row["strategy"] for row in result["comparison"]["strategies"]] == names
    starts = [record["rows"] for record in result["records"] if record["loop"] == 0 and record["cluster"] is None]
    assert starts[:2] == starts[2:4] == starts[4:]
    whole = {
        name: [r["f1"] for r in result["records"] if (r["strategy"], r["loop"], r["cluster"]) == (name, 1, None)]
        for name in ("random", "margin")
    }
    row = result["comparison"]["strategies"][2]
    assert row["f1"] == pytest.approx(np.mean(whole["margin"]), abs=1e-4)
    difference = np.mean(np.subtract(whole["margin"], whole["random"]))
    assert row["against_random"]["f1"]["difference"] == pytest.approx(difference, abs=1e-4)
