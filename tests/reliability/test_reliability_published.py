"""`experiment clusters`: ids of the hdbscan package, figures of a plain SVC, and its degenerate cases."""

import json
from dataclasses import replace
from pathlib import Path

import hdbscan
import numpy as np
import pytest
from sklearn.metrics import f1_score
from sklearn.neighbors import NearestNeighbors
from sklearn.svm import SVC
from typer.testing import CliRunner

from ctc_core.cli_map import experiment_app
from ctc_core.errors import NotEnoughLabels, UserError
from ctc_core.features import FeaturesFolder, Part, write_features
from ctc_core.reliability.published import analyse
from tests.reliability.features_folder import small_folder


@pytest.fixture(scope="module")
def folder() -> FeaturesFolder:
    return small_folder()


@pytest.fixture(scope="module")
def result(folder: FeaturesFolder) -> dict:
    return analyse(folder)


def test_clusters_are_the_packages(folder: FeaturesFolder, result: dict) -> None:
    both = np.concatenate([folder.test.xy, folder.unlabelled.xy])
    expected = hdbscan.HDBSCAN(
        min_cluster_size=15,
        min_samples=90,
        cluster_selection_method="leaf",
        cluster_selection_epsilon=0.25,
        prediction_data=True,
    ).fit_predict(both)
    assert set(expected) == {-1, 0, 1, 2}
    assert result["clusters"] == expected.tolist()
    nearest = NearestNeighbors(n_neighbors=1).fit(both).kneighbors(folder.train.xy)[1][:, 0]
    assert result["train_clusters"] == expected[nearest].tolist()


def test_figures_are_a_plain_svcs(folder: FeaturesFolder, result: dict) -> None:
    svc = SVC(kernel="rbf", C=1, gamma="scale", class_weight="balanced")
    called = svc.fit(folder.train.features, folder.train.labels).predict(folder.test.features)
    clusters = np.array(result["clusters"][:300])
    rows = {row["cluster"]: row for row in result["metrics"]}
    assert list(rows) == [None, -1, 0, 1, 2]
    for cluster, row in rows.items():
        inside = np.ones(300, bool) if cluster is None else clusters == cluster
        labels = folder.test.labels[inside]
        assert (row["n"], row["n_ctc"]) == (int(inside.sum()), int(labels.sum()))
        if labels.any():
            assert row["f1"] == pytest.approx(f1_score(labels, called[inside]))
            assert row["f1_low"] < row["f1"] <= row["f1_high"]


def test_the_mixed_kind_is_ranked_weakest(folder: FeaturesFolder, result: dict) -> None:
    mixed = max(
        (0, 1, 2), key=lambda c: ((folder.test.clusters == 2) & (np.array(result["clusters"][:300]) == c)).sum()
    )
    assert result["ranking"][0] == mixed
    assert result["areas"][str(mixed)] == "weak"
    assert [row["cluster"] for row in result["validation"]][:2] == [None, mixed]


def test_test_labels_do_not_touch_the_ranking(folder: FeaturesFolder, result: dict) -> None:
    table = folder.test.table.assign(label=1 - folder.test.table.label)
    other = analyse(replace(folder, test=replace(folder.test, table=table)))
    assert [other[key] for key in ("ranking", "areas", "validation")] == [
        result[key] for key in ("ranking", "areas", "validation")
    ]
    assert other["metrics"] != result["metrics"]


def cut(part: Part, n: int, **columns: object) -> Part:
    return Part(part.table[:n].assign(**columns), part.features[:n], part.xy[:n])


def test_fewer_cells_than_min_samples(folder: FeaturesFolder) -> None:
    test, unlabelled = cut(folder.test, 40), cut(folder.unlabelled, 20)
    small = FeaturesFolder(folder.train, test, unlabelled, np.concatenate([test.xy, unlabelled.xy]))
    found = analyse(small)
    assert found["clusters"] == [-1] * 60
    assert [row["cluster"] for row in found["metrics"]] == [None, -1]
    assert found["notes"][0].startswith("60 test and unlabelled cells are fewer than the 90")


def test_cases_on_both_sides_are_not_ranked(folder: FeaturesFolder) -> None:
    found = analyse(replace(folder, test=cut(folder.test, 300, case="train0")))
    assert (found["ranking"], found["areas"], found["validation"]) == (None, None, None)
    assert found["notes"][0].startswith("No cluster is ranked. train0: in the labels that choose")
    single = analyse(replace(folder, train=cut(folder.train, 300, case="only")))
    assert single["ranking"] is None and len(single["metrics"]) == 5


def test_one_class_is_refused(folder: FeaturesFolder) -> None:
    with pytest.raises(NotEnoughLabels, match="all of one class"):
        analyse(replace(folder, train=cut(folder.train, 300, label=0)))


def test_command_writes_the_file(folder: FeaturesFolder, result: dict, tmp_path: Path) -> None:
    write_features(tmp_path / "f", folder)
    out = tmp_path / "new" / "clusters.json"
    ran = CliRunner().invoke(experiment_app, ["clusters", "--features", str(tmp_path / "f"), "--out", str(out)])
    assert (ran.exit_code, ran.exception) == (0, None)
    assert json.loads(out.read_text()) == json.loads(json.dumps(result))
    missing = CliRunner().invoke(experiment_app, ["clusters", "--features", "none", "--out", str(out)])
    assert isinstance(missing.exception, UserError)
