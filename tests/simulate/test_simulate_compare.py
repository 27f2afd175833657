"""Real against simulated crops: the classifier against refitting by hand, the command from file to table."""

import json
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ctc_core import cli
from ctc_core.errors import UserError
from ctc_core.simulate import compare as module
from ctc_core.simulate import render_crops, sheet
from ctc_core.simulate.appearance import as_published
from ctc_core.simulate.compare import compare, dominance, pair_wins, within_kind
from ctc_core.simulate.real import kind_of, load_real, matching

NAMES = ["ctc", "shine_through", "cluster1_0", "cluster2_0", "point_3"]


@pytest.fixture(scope="module")
def crops() -> tuple[np.ndarray, np.ndarray]:
    drawn, kinds, _ = render_crops(100, 3, ctc_share=0.4)
    return drawn, kinds


@pytest.fixture(scope="module")
def real(crops, tmp_path_factory) -> Path:
    """A file as if published: simulated crops in the kinds of `NAMES`."""
    drawn, kinds = crops
    wanted = ["ctc", "shine-through", "point", "crowded", "point"]
    rows = [np.flatnonzero(kinds == kind)[k] for k, kind in enumerate(wanted)]
    path = tmp_path_factory.mktemp("real") / "real.npz"
    np.savez(path, crops=as_published(drawn[rows], np.random.default_rng(0)), names=NAMES)
    return path


@pytest.mark.parametrize("components", [3, None])
def test_pair_wins_are_those_of_refitting_without_the_pair(components):
    rng = np.random.default_rng(2)
    real, simulated = rng.normal(0.4, 1, (6, 9)), rng.normal(0, 1, (5, 9))
    both = np.concatenate([real, simulated])
    left, spread, _ = np.linalg.svd((both - both.mean(0)) / both.std(0), full_matrices=False)
    scores = left[:, :components] * spread[:components]
    penalty, labels = (spread[:components] ** 2).mean(), np.repeat([1.0, -1.0], [6, 5])
    expected = np.zeros((6, 5))
    for i in range(6):
        for j in range(5):
            rest = np.setdiff1d(np.arange(11), [i, 6 + j])
            x, y = scores[rest], labels[rest]
            centred = x - x.mean(0)
            slope = np.linalg.solve(centred.T @ centred + penalty * np.eye(x.shape[1]), centred.T @ (y - y.mean()))
            expected[i, j] = (scores[i] - scores[6 + j]) @ slope > 0
    np.testing.assert_array_equal(pair_wins(real, simulated, components), expected)
    assert 0 < expected.mean() < 1


def test_auc_is_one_for_groups_apart_and_half_for_like_ones():
    rng = np.random.default_rng(5)
    far = pair_wins(rng.normal(9, 1, (8, 4)), rng.normal(0, 1, (8, 4)), None)
    alike = [pair_wins(rng.normal(0, 1, (8, 4)), rng.normal(0, 1, (8, 4)), 2).mean() for _ in range(200)]
    assert far.mean() == 1.0
    assert np.mean(alike) == pytest.approx(0.5, abs=0.05)


def test_dominance_is_counting():
    one, other = np.array([3.0, 1.0, 5.0]), np.array([1.0, 3.0, 3.0, 9.0])
    counted = [np.sign(value - other).mean() for value in one]
    np.testing.assert_allclose(dominance(one, other), counted)


def test_within_kind_takes_away_what_a_kind_has_on_average():
    simulated, drawn = np.array([[1.0], [3.0], [10.0]]), np.array(["ctc", "ctc", "smear"])
    real, rest = within_kind(np.array([[5.0], [5.0]]), np.array(["ctc", "smear"]), simulated, drawn)
    np.testing.assert_array_equal(real, [[3.0], [-5.0]])
    np.testing.assert_array_equal(rest, [[-1.0], [1.0], [0.0]])


def test_matching_draws_the_kinds_asked_for():
    drawn = np.array(["ctc", "smear", "ctc", "point", "ctc"])
    chosen = matching(drawn, np.array(["ctc", "ctc", "point"]), 3, np.random.default_rng(0))
    assert sorted(drawn[chosen]) == ["ctc", "ctc", "point"] and len(set(chosen)) == 3
    with pytest.raises(UserError, match="Only 1 simulated crops of kind smear for 2 real ones"):
        matching(drawn, np.array(["smear", "smear"]), 2, np.random.default_rng(0))


def test_names_stand_for_kinds():
    names = ["cluster0_2", "cluster1", "artifact", "non_ctc", "shine_through", "debris", "double_7"]
    kinds = ["shine-through", "point", "smear", "leukocyte", "shine-through", "debris", "double"]
    assert [kind_of(name, Path("x.npz")) for name in names] == kinds
    with pytest.raises(UserError, match="no kind of simulated cell is known for `platelet`"):
        kind_of("platelet", Path("x.npz"))


@pytest.mark.parametrize(
    "content",
    [None, {"cells": np.zeros(3)}, {"crops": np.zeros((5, 3, 48, 48))}, {"crops": np.zeros((5, 40, 48), np.uint8)}],
)
def test_a_file_without_crops_gets_a_sentence(tmp_path, content):
    path = tmp_path / "real.npz"
    path.write_bytes(b"no archive") if content is None else np.savez(path, **content)
    with pytest.raises(UserError, match=r"real\.npz: .*Give an \.npz file with `crops`"):
        load_real(path)


def test_simulated_crops_are_not_told_from_simulated_ones_but_others_are(real, crops, monkeypatch, tmp_path):
    drawn, kinds = crops
    monkeypatch.setattr(module, "render_crops", lambda *_args, **_options: (drawn, kinds, None))
    like = compare(real, seed=1, draws=4, pool=100)
    assert (like.real, like.draws, [row.classifier for row in like.separations]) == (5, 4, ["few", "all"])
    assert all(row.low <= row.auc <= row.high and row.low < 0.8 for row in like.separations)
    assert [abs(row.delta) for row in like.differences] == sorted(abs(row.delta) for row in like.differences)[::-1]
    with np.load(real) as file:
        strange = np.random.default_rng(0).integers(0, 256, file["crops"].shape, dtype=np.uint8)
    np.savez(tmp_path / "strange.npz", crops=strange, names=NAMES)
    unlike = compare(tmp_path / "strange.npz", seed=1, draws=4, pool=100)
    assert unlike.separations[1].auc > 0.95 and abs(unlike.differences[0].delta) == 1.0
    np.savez(tmp_path / "few.npz", crops=strange[:3])
    with pytest.raises(UserError, match="3 crops are too few"):
        compare(tmp_path / "few.npz", pool=100)


def test_the_command_prints_a_table_or_json(real, crops, monkeypatch, capsys):
    monkeypatch.setattr(module, "render_crops", lambda *_args, **_options: (*crops, None))
    command = ["simulate-compare", str(real), "--seed", "2", "--draws", "2", "--pool", "100"]
    with pytest.raises(SystemExit) as left:
        cli.main(command)
    table = capsys.readouterr().out
    assert left.value.code == 0 and "5 real crops, 2 simulated sets" in table and "Cliff's delta" in table
    with pytest.raises(SystemExit):
        cli.main([*command, "--json"])
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert found["real"] == 5 and len(found["differences"]) == 66 and 0 <= found["separations"][0]["auc"] <= 1


def test_sheet_shows_real_crops_above_simulated_ones_of_the_same_kinds(real, crops, monkeypatch, tmp_path):
    drawing = import_module("ctc_core.simulate.sheet")
    monkeypatch.setattr(drawing, "render_crops", lambda *_args, **_options: (*crops, None))
    sheet(tmp_path / "plain.png", per_kind=2, zoom=1)
    sheet(tmp_path / "both.png", real, per_kind=2, zoom=1)
    block = 14 + 4 * 50 + 4  # label, four tiles with gaps, space below
    with Image.open(tmp_path / "plain.png") as plain:
        assert plain.size == (2 * 2 * 50, 4 * block)
    with Image.open(tmp_path / "both.png") as both, np.load(real) as file:
        assert both.size == (5 * 50, 8 * block)
        first = file["crops"][3]  # cluster2: "crowded" is the first of the kinds there
        picture = np.asarray(both.convert("RGB")).astype(float)
    dapi = picture[14 + 50 : 14 + 98, 0:48, 0]
    assert np.corrcoef(dapi.ravel(), first[0].ravel())[0, 1] > 0.99
