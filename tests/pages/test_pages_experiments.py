"""The tab "Experiments": what it says before there is a result, and what it shows of one."""

from pathlib import Path

import pandas as pd
import pytest

from ctc_core.relabel.experiments.compare import compare
from ctc_core.relabel.experiments.results import curves_table, store_result
from ctc_core.relabel.experiments.simulated import Sim1
from ctc_core.relabel.experiments.work import Done, Job
from ctc_core.ui.experiments import figure
from tests.pages.conftest import OpenApp

ROUNDS = "pages/relabel/rounds.py"


def made_result() -> dict:
    """Two strategies, two seeds, three loops, all cells and two clusters; figures by rule."""
    runs = []
    for name, gain in (("random", 0.02), ("ours", 0.06)):
        for seed in (0, 1):
            records = [
                {"strategy": name, "seed": seed, "loop": loop, "cluster": cluster, "n_train": 100 + 100 * loop,
                 "n_test": 90, "f1": base + gain * loop + 0.02 * seed}
                for loop in range(3) for cluster, base in ((None, 0.7), (-1, 0.5), (2, 0.4))
            ]  # fmt: skip
            runs.append(Done(Job(name, seed, Sim1(100, 100, 2)), records, (0.5,)))
    return {
        "schema": 1, "experiment": "strategies", "data": "made-up points", "seeds": [0, 1],
        "plan": {"start": 100, "step": 100, "loops": 2}, "strategies": ["random", "ours"],
        "n_ctc": {"-1": 30, "2": 40}, "rarest_kind": None, "command": "python -m ctc_core experiment strategies",
        "records": [record for run in runs for record in run.records], "comparison": compare(runs, 2),
    }  # fmt: skip


def test_without_a_result_the_tab_says_which_command_makes_one(open_app: OpenApp) -> None:
    at = open_app(ROUNDS)
    at.session_state["rounds_tab"] = "Experiments"
    at.run()
    assert not at.exception
    assert "No experiment has been run yet" in [title.value for title in at.subheader]
    assert "python -m ctc_core experiment strategies --features FOLDER" in at.code[0].value


def test_a_result_is_shown_with_its_tables(open_app: OpenApp, tmp_path: Path) -> None:
    store_result(tmp_path / "data" / "experiments", made_result())
    at = open_app(ROUNDS)
    at.session_state["rounds_tab"] = "Experiments"
    at.run()
    assert not at.exception
    assert at.selectbox(key="experiment").options == ["Strategies compared: made-up points"]
    before, compared = (element.value for element in at.dataframe)
    assert before.to_dict("records")[:2] == [
        {"F1": "Total – Init", "random": "0.710 ± 0.014", "ours": "0.710 ± 0.014"},
        {"F1": "Total – loop 2", "random": "0.750 ± 0.014", "ours": "0.830 ± 0.014"},
    ]
    assert compared.Strategy.tolist() == ["ours", "random"]
    assert compared["Total F1 against random"].tolist() == ["+0.080 (+0.080 to +0.080)", "–"]
    assert any("2 runs of each strategy, 100 labelled cells at the start" in caption.value for caption in at.caption)
    at.multiselect(key="experiment_strategies").set_value([]).run()
    assert [info.value for info in at.info] == ["Choose a strategy to see its curves."]


@pytest.mark.parametrize(("by_cluster", "panel", "line"), [(True, "name", "strategy"), (False, "strategy", "name")])
def test_the_figure_has_lines_with_bands(by_cluster: bool, panel: str, line: str) -> None:
    spec = figure(curves_table(made_result()), by_cluster=by_cluster).to_dict()
    assert spec["facet"]["field"] == panel
    band, curve = spec["spec"]["layer"]
    assert (band["mark"]["type"], curve["mark"]["type"]) == ("area", "line")
    assert curve["encoding"]["color"]["field"] == curve["encoding"]["strokeDash"]["field"] == line
    rows = pd.DataFrame(next(iter(spec["datasets"].values())))
    assert (rows.low >= 0).all() and (rows.high <= 1).all() and (rows.high >= rows.low).all()
    if by_cluster:
        assert spec["facet"]["sort"] == ["All cells", "Background", "Cluster 2"]
