"""Results of experiments: comparison by hand, tables, files, the figure, kept runs, commands."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ctc_core import cli, cli_experiment
from ctc_core.errors import SettingsError, UserError
from ctc_core.features import read_features, write_features
from ctc_core.relabel.experiments import speed, work
from ctc_core.relabel.experiments.cells import rarest_kind
from ctc_core.relabel.experiments.cells import test_group as group_of_test
from ctc_core.relabel.experiments.compare import compare, labels_to_match, weakest_cluster
from ctc_core.relabel.experiments.figure import write_figure
from ctc_core.relabel.experiments.folders import BLOBS
from ctc_core.relabel.experiments.folders import made_folder as points
from ctc_core.relabel.experiments.real import Real
from ctc_core.relabel.experiments.results import (
    before_after,
    comparison_table,
    curves_table,
    describe,
    markdown,
    read_result,
    store_result,
    stored_results,
)
from ctc_core.relabel.experiments.simulated import Sim1, Sim2, sim1
from ctc_core.relabel.experiments.work import Done, Job, run_job, run_jobs

PLAN = Sim1(start=30, step=20, loops=2)


def done(strategy: str, seed: int, total: list[float], hard: list[float], *, recall: float | None = None) -> Done:
    """A run with labels 100, 200, ... and one cluster."""
    records = []
    for loop, pair in enumerate(zip(total, hard, strict=True)):
        for cluster, f1 in zip((None, 3), pair, strict=True):
            about = {"strategy": strategy, "seed": seed, "loop": loop, "cluster": cluster, "f1": f1}
            records.append({**about, "n_train": 100 + 100 * loop, "n_test": 50})
        if recall is not None:
            records[-2]["rarest_recall"] = recall
    return Done(Job(strategy, seed, Sim1(100, 100, len(total) - 1)), records, (0.5, 1.5))


@pytest.fixture(scope="module")
def compared() -> dict:
    runs = [
        done("random", 0, [0.5, 0.6, 0.7], [0.1, 0.2, 0.3], recall=0.25),
        done("random", 1, [0.5, 0.6, 0.7], [0.1, 0.2, 0.3], recall=0.75),
        done("cluster-specific", 0, [0.5, 0.6, 0.7], [0.1, 0.3, 0.5], recall=0.5),
        done("cluster-specific", 1, [0.5, 0.8, 0.9], [0.1, 0.3, 0.5], recall=0.5),
        done("ours", 0, [0.5, 0.7, 0.8], [0.1, 0.6, 0.6], recall=1.0),
        done("ours", 1, [0.5, 0.7, 0.9], [0.1, 0.6, 0.6], recall=1.0),
    ]
    return compare(runs, 3)


def test_figures_of_a_comparison(compared: dict) -> None:
    random, paper, ours = compared["strategies"]
    assert ours == {
        "strategy": "ours", "runs": 2, "f1": 0.85, "weakest_f1": 0.6, "rarest_recall": 1.0,
        "area": 0.6875,  # (0.5 / 2 + 0.7 + 0.8 / 2) / 2 and with 0.9
        "weakest_area": 0.475, "seconds_per_query": 1.0,
        "labels_to_match": 80, "share_to_match": 0.4, "within": [0.4, 0.4],  # 0.5 of 0.1 to 0.6 in the first loop
        "against_random": ours["against_random"], "against_cluster-specific": ours["against_cluster-specific"],
    }  # fmt: skip
    assert ours["against_random"]["f1"] == {"difference": 0.15, "low": -0.4853, "high": 0.7853}  # t(1) = 12.706
    assert ours["against_cluster-specific"]["rarest_recall"] == {"difference": 0.5, "low": 0.5, "high": 0.5}
    assert (paper["labels_to_match"], paper["share_to_match"]) == (200, 1.0)
    assert (random["labels_to_match"], random["share_to_match"], random["within"]) == (None, None, None)
    assert "against_random" not in random and compared["weakest_cluster"] == 3


def test_labels_to_match() -> None:
    labels = np.array([100.0, 200.0, 300.0])
    assert labels_to_match(np.array([0.2, 0.4, 0.8]), 0.5, labels) == pytest.approx(125)
    assert labels_to_match(np.array([0.2, 0.6, 0.1]), 0.6, labels) == pytest.approx(100)
    assert labels_to_match(np.array([0.7, 0.6, 0.1]), 0.6, labels) == 0.0
    assert labels_to_match(np.array([0.2, 0.4, 0.5]), 0.6, labels) is None


def test_the_weakest_cluster_is_large_enough_and_no_background() -> None:
    start = {-1: 0.0, 0: 0.9, 1: 0.4, 2: 0.1, 3: 0.2}
    size = {-1: 90, 0: 90, 1: 90, 2: 90, 3: 19}
    records = [{"loop": 0, "cluster": c, "n_test": size[c], "f1": f1} for c, f1 in start.items()]
    n_ctc = {-1: 40, 0: 40, 1: 40, 2: 19, 3: 19}
    assert weakest_cluster(records, n_ctc) == 1
    with pytest.raises(SettingsError, match="No cluster has 20 CTCs among its test cells"):
        weakest_cluster(records, {0: 3})


# ---- made-up points, runs -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_features(tmp_path_factory.mktemp("points"), points(300, 400, 60, seed=1))


def test_made_up_points_have_all_sorts(folder: Path) -> None:
    read = read_features(folder)
    sizes = read.test.table.kind.value_counts()
    assert set(sizes.index) == {blob.kind for blob in BLOBS} and sizes["clear CTC"] > sizes["point"]
    assert set(read.test.table.cluster) == {-1, 0, 1, 2, 3, 4} and "cluster" not in read.train.table
    again, other = points(300, 400, 60, seed=1), points(300, 400, 60, seed=2)
    np.testing.assert_array_equal(again.train.features, read.train.features)
    assert not np.array_equal(other.train.features, read.train.features)


def test_the_rarest_kind_is_followed(folder: Path) -> None:
    read = read_features(folder)
    ctcs = [part.table[part.labels == 1].kind.value_counts() for part in (read.train, read.test)]
    enough = {kind: n for kind, n in ctcs[0].items() if min(n, ctcs[1][kind]) >= 10}
    kind = rarest_kind(read)
    assert kind is not None and enough[kind] == min(enough.values())
    record = sim1(read, "random", 7, PLAN)[0]
    assert 0 <= record["rarest_recall"] <= 1
    rare = group_of_test(read).rare
    assert rare is not None and rare.sum() == ctcs[1][kind]
    bare = replace(read, test=replace(read.test, table=read.test.table.drop(columns="kind")))
    assert rarest_kind(bare) is None and "rarest_recall" not in sim1(bare, "random", 7, PLAN)[0]


def test_runs_are_kept_and_not_computed_twice(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = [Job(name, seed, PLAN) for name in ("random", "margin") for seed in (1, 2)]
    told: list[tuple[int, int]] = []

    def stop(done: int, total: int, note: str) -> None:
        told.append((done, total))
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_jobs(folder, jobs, kept=tmp_path, progress=stop)
    computed: list[Job] = []
    monkeypatch.setattr(work, "run_job", lambda read, job: computed.append(job) or run_job(read, job))
    found = run_jobs(folder, jobs, kept=tmp_path)
    assert (computed, told) == (jobs[3:], [(0, 4), (1, 4), (2, 4), (3, 4)])
    assert [one.job for one in found] == jobs and [len(one.seconds) for one in found] == [2] * 4
    assert found[0].records == sim1(read_features(folder), "random", 1, PLAN)
    np.save(folder / "labeled_test_umap_features.npy", np.load(folder / "labeled_test_umap_features.npy"))
    run_jobs(folder, [*jobs, Job("random", 1, replace(PLAN, loops=1))], kept=tmp_path)
    assert computed[1:] == [Job("random", 1, replace(PLAN, loops=1))]


def test_processes_give_the_same_and_faster_fits_too(folder: Path) -> None:
    plan = Sim1(start=30, step=20, loops=1)
    found = speed.measure(read_features(folder), plan=plan, seeds="2", workers=2, turns=1)
    assert (found["same"], found["runs"], found["loops"], found["workers"]) == (True, 2, 1, 2)
    assert found["ratio"] == pytest.approx(found["serial_probability_s"] / found["ours_s"], rel=0.1)


# ---- tables, files, figure ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def result(folder: Path) -> dict:
    jobs = [Job(name, seed, PLAN) for name in ("random", "cluster-specific") for seed in (1, 2, 3)]
    runs = run_jobs(folder, jobs)
    return describe("strategies", folder, runs, label="points", command="python -m ctc_core x", compared=True)


def test_tables(result: dict) -> None:
    curves = curves_table(result)
    whole = curves[(curves.name == "All cells") & (curves.strategy == "random")]
    f1 = [[r["f1"] for r in result["records"] if (r["strategy"], r["cluster"], r["loop"]) == ("random", None, loop)]
          for loop in range(3)]  # fmt: skip
    np.testing.assert_allclose(whole.f1, np.mean(f1, axis=1))
    np.testing.assert_allclose(whole.sd, np.std(f1, axis=1, ddof=1))
    assert (whole.labels.tolist(), whole.runs.tolist(), whole.n_test.tolist()) == ([30, 50, 70], [3] * 3, [400] * 3)
    assert whole.n_ctc.tolist() == [sum(result["n_ctc"].values())] * 3
    table = before_after(result)
    assert table.columns.tolist() == ["F1", "random", "cluster-specific"]
    assert table.F1.tolist()[:4] == ["Total – Init", "Total – loop 2", "Background – Init", "Background – loop 2"]
    assert table.random[1] == f"{np.mean(f1[2]):.3f} ± {np.std(f1[2], ddof=1):.3f}"
    assert set(comparison_table(result).Strategy) == {"random", "cluster-specific"}
    text = markdown(result)
    assert text.startswith(
        "# strategies: points\n\n`python -m ctc_core x`\n\n3 runs (seeds 1, 2, 3); start 30, step 20"
    )
    assert f"| {table.F1[0]} | {table.random[0]} | {table['cluster-specific'][0]} |" in text
    assert f"Weakest: cluster {result['comparison']['weakest_cluster']}," in text


def test_results_are_stored_and_read(result: dict, tmp_path: Path) -> None:
    path = store_result(tmp_path, result)
    assert path.name == "strategies-points.json" and stored_results(tmp_path) == [path]
    assert read_result(path) == json.loads(json.dumps(result))
    main = store_result(tmp_path, {**result, "experiment": "sim2", "plan": {"main_cluster": -1}})
    assert main.name == "sim2-points-cluster-1.json"
    (tmp_path / "other.json").write_text('{"records": []}')
    assert stored_results(tmp_path) == [main, path]
    for spoiled, why in (('{"schema": 0}', "not a result of this version"), ('{"schema": ', "not readable")):
        path.write_text(spoiled)
        with pytest.raises(UserError, match=rf"strategies-points.json: {why}.*Run its experiment again"):
            read_result(path)


def test_figure_names_every_cluster(result: dict, tmp_path: Path) -> None:
    paths = write_figure(result, tmp_path / "all.json")
    assert [path.name for path in paths] == ["all.svg", "all.png"]
    svg = paths[0].read_text()
    for words in ("strategies: points", "All cells (n = 400", "Background (n = ", "Cluster 4 (n = "):
        assert f"<!-- {words}" in svg
    assert paths[1].read_bytes().startswith(b"\x89PNG")


# ---- commands -------------------------------------------------------------------------------------------------------


def test_from_points_to_tables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["--data", str(tmp_path / "data"), "--json", "experiment"]
    sizes = ["--train", "200", "--test", "300", "--unlabelled", "50"]
    with pytest.raises(SystemExit) as ended:
        cli.main([*given, "folder", str(tmp_path / "f"), "--made-up", *sizes])
    assert ended.value.code == 0
    assert json.loads(capsys.readouterr().out)["cells"] == {"train": 200, "test": 300, "unlabelled": 50}
    run = [
        "sim2",
        "--features",
        str(tmp_path / "f"),
        "--out",
        str(tmp_path / "out" / "two.json"),
        "--main-cluster",
        "3",
    ]
    with pytest.raises(SystemExit) as ended:
        cli.main(
            [*given, *run, "--strategy", "cluster-specific", "--strategy", "random", "--loops", "1", "--workers", "1"]
        )
    assert ended.value.code == 0
    shown = json.loads(capsys.readouterr().out)
    assert sorted(Path(name).name for name in shown["files"]) == [
        "sim2-made-up-points-cluster-3.json", "two.json", "two.md", "two.png", "two.svg",
    ]  # fmt: skip
    result = read_result(tmp_path / "out" / "two.json")
    assert (result["data"], result["plan"]["main_cluster"], result["seeds"][0]) == ("made-up points", 3, 164)
    assert len({(r["strategy"], r["seed"], r["loop"]) for r in result["records"]}) == 2 * 5 * 2


def test_stopping_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(*args: object, **options: object) -> list[Done]:
        raise KeyboardInterrupt

    monkeypatch.setattr(work, "run_jobs", interrupted)
    with pytest.raises(cli_experiment.typer.Exit) as ended:
        cli_experiment._finished(Path("f"), [Job("random", 1, Real())], Path("kept"), 1, print)
    assert ended.value.exit_code == 130
    assert "Finished runs are kept in kept; the same command goes on from there." in capsys.readouterr().err


def test_the_plan_is_part_of_what_a_run_is_kept_under(folder: Path, tmp_path: Path) -> None:
    one, two = (work._Shelf(tmp_path, folder)._path(tmp_path, Job("random", 1, Sim2(k))) for k in (1, 2))
    assert one != two
