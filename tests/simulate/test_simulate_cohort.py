"""Groups of patients: how many CTCs they have, what CellSearch shows of them and what its operator assigns."""

import json

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from ctc_core.cli import app
from ctc_core.errors import SettingsError
from ctc_core.simulate import draw_patient, render_crops, simulate
from ctc_core.simulate.cohort import cohort, summary, table_2, within_table_2


def test_groups_differ_in_their_ctcs_alone():
    low = [draw_patient(seed, group="low") for seed in range(60)]
    healthy = [draw_patient(seed, group="healthy") for seed in range(60)]
    assert {patient.ctcs for patient in low} == set(range(11)) and {patient.ctcs for patient in healthy} == {0}
    for seed in range(5):
        metastatic = draw_patient(seed)
        assert metastatic == draw_patient(seed, group="metastatic") and metastatic.group == "metastatic"
        assert (healthy[seed].stain, low[seed].background) == (metastatic.stain, metastatic.background)
        assert healthy[seed].ck_objects < low[seed].ck_objects < metastatic.ck_objects


def test_a_healthy_donor_has_events_and_hardly_any_is_assigned():
    table = cohort(4, 3, group="healthy")
    assert table.patient.tolist() == [3_000_000, 3_000_001, 3_000_002, 3_000_003]
    assert (table.ctcs == 0).all() and (table.events_ctc == 0).all() and (table.ppv == 0).all()
    assert table.events.between(15, 450).all() and (table.assigned <= 2).all() and (table.ck_objects > 1500).all()


def test_low_patients_keep_their_few_ctcs():
    table = cohort(3, 4, group="low")
    assert table.ctcs.tolist() == [draw_patient(number, group="low").ctcs for number in table.patient]
    assert (table.events_ctc <= table.ctcs).all() and (table.events > 20).all()


def test_no_patients_and_unknown_groups_get_a_sentence(tmp_path):
    with pytest.raises(SettingsError, match="0 patients of group metastatic"):
        cohort(0, 1)
    with pytest.raises(SettingsError, match="group sick: unknown"):
        simulate(tmp_path, cartridges=1, frames=1, seed=1, group="sick", width=60, height=50)


def test_quantiles_and_share_within_the_papers_range():
    table = pd.DataFrame({"patient": [1, 2, 3], "events": [93, 100, 1198], "events_ctc": [15, 16, 143], "ppv": 0.2})
    assert summary(table).loc["events"].to_dict() == pytest.approx(
        {"min": 93, "p10": 94.4, "p25": 96.5, "median": 100, "p75": 649, "p90": 978.4, "max": 1198}
    )
    assert within_table_2(table) == {"events": 0.667, "events_ctc": 0.667, "ppv": 1.0}


def test_the_papers_table_has_its_published_extremes():
    paper = table_2()
    assert paper.loc["events", ["min", "max"]].tolist() == [93, 1197]
    assert paper.loc["events_ctc", ["min", "max"]].tolist() == [16, 143]
    assert paper.loc["ppv", ["min", "max"]].round(2).tolist() == [0.09, 0.37]


def test_the_command_prints_simulated_beside_published():
    words = ["simulate-cohort", "--patients", "1", "--seed", "5", "--group", "healthy"]
    result = CliRunner().invoke(app, ["--json", *words])
    printed = json.loads(result.stdout.strip().splitlines()[-1])
    assert (printed["patients"], printed["seed"], printed["group"]) == (1, 5, "healthy")
    assert printed["simulated"]["ctcs"]["max"] == 0 and printed["paper"]["events"]["max"] == 1197
    text = CliRunner().invoke(app, words).stdout
    assert "1 simulated patients (healthy), seed 5" in text and "Table 2" in text


def test_simulate_writes_a_healthy_donors_archive(tmp_path):
    words = ["simulate", str(tmp_path), "--frames", "1", "--seed", "1", "--group", "healthy"]
    result = CliRunner().invoke(app, ["--json", *words])
    (path,) = json.loads(result.stdout.strip().splitlines()[-1])["cartridges"]
    sidecar = json.loads((tmp_path / "truth" / f"{path.split('/')[-1]}.json").read_text())
    truth = pd.read_parquet(tmp_path / "truth" / f"{path.split('/')[-1]}.parquet")
    assert (sidecar["patient"]["group"], sidecar["patient"]["ctcs"]) == ("healthy", 0)
    assert not truth.is_ctc.any() and truth.ck_positive.any()


def test_crops_of_healthy_donors_show_no_ctc():
    _, kinds, is_ctc = render_crops(12, 2, group="healthy", crops_per_patient=12)
    assert not is_ctc.any() and "ctc" not in np.unique(kinds)
