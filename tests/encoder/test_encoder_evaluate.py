import json
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.metrics import f1_score

from ctc_core.encoder import data, evaluate, scores, tables
from ctc_core.encoder.descriptors import descriptors
from ctc_core.encoder.evaluate import Mix, Run, judge, labelled_cells, summarise


def cells(seed, n=120):
    """CTCs are bright in the second channel, kinds say so; points come in both classes."""
    rng = np.random.default_rng(seed)
    is_ctc = rng.random(n) < 0.4
    crops = rng.integers(0, 100, (n, 3, 48, 48), dtype=np.uint8)
    crops[is_ctc, 1, 14:34, 14:34] += 100
    kinds = np.where(is_ctc, "CTC dim", "leukocyte")
    kinds[rng.random(n) < 0.3] = "point"
    return data.Labelled(crops, is_ctc, kinds)


def test_cells_come_once_with_the_phenotype_of_ctcs(monkeypatch):
    asked = {}

    def render(n, seed, *, patients, ctc_share, crops_per_patient):
        asked.update(n=n, seed=seed, patients=patients, ctc_share=ctc_share)
        drawn = [0, 1, 1, 2, 0, 3, 4, 5]  # seeds of objects, some again
        looks = [("ctc", "dim", True), ("crowded", "crowded", True), ("leukocyte", "monocyte", False)]
        items = [
            SimpleNamespace(seed=i, **dict(zip(("kind", "phenotype", "is_ctc"), looks[i % 3], strict=True)))
            for i in drawn
        ]
        return np.arange(len(drawn), dtype=np.uint8), items

    monkeypatch.setattr(evaluate, "render_items", render)
    found = labelled_cells(range(7, 9), Mix(25, 10), seed=3)
    assert asked == {"n": 6, "seed": 3, "patients": range(7, 9), "ctc_share": 0.4}
    np.testing.assert_array_equal(found.crops, [0, 1, 3, 5, 6])  # asked for five
    assert list(found.kinds) == ["CTC dim", "crowded", "leukocyte", "CTC dim", "crowded"]
    assert list(found.is_ctc) == [True, True, False, True, True]


def test_cells_of_simulated_patients():
    found = labelled_cells(range(30_000_000, 30_000_002), Mix(90, 45), seed=0)
    assert (found.crops.shape, found.crops.dtype) == ((18, 3, 48, 48), np.uint8)
    assert len(np.unique(found.crops.reshape(18, -1), axis=0)) == 18
    assert 0 < found.is_ctc.sum() < 18
    assert not any(kind == "ctc" for kind in found.kinds)


def test_every_number_of_labels_is_judged():
    rng = np.random.default_rng(0)
    is_ctc = np.arange(60) % 2 == 0
    x = rng.normal(size=(60, 5)) + is_ctc[:, None] * 3
    values = judge((x, x[:10]), is_ctc, (20, 50, 100), seed=0)
    assert list(values) == ["20", "50", "all"]  # there are no 100
    np.testing.assert_allclose(values["all"], scores.decide(x, is_ctc, x[:10]))
    rows = scores.draw(is_ctc, 20, seed=0)
    np.testing.assert_allclose(values["20"], scores.decide(x[rows], is_ctc[rows], x[:10]))


def run(seed):
    """A method that is right, and one that calls everything a CTC."""
    test = cells(seed)
    right, blind = np.where(test.is_ctc, 1.0, -1.0), np.ones(len(test))
    return Run(test, {"ours": {"20": blind, "all": right}, "classical": {"20": blind, "all": blind}})


def test_summary_of_two_seeds():
    runs = [run(1), run(2)]
    summary = summarise(runs)
    blind = [f1_score(r.test.is_ctc, np.ones(120)) for r in runs]
    assert summary["f1"]["ours"]["all"] == pytest.approx({"mean": 1, "low": 1, "high": 1, "n": 2})
    assert summary["f1"]["classical"]["all"] == pytest.approx(scores.interval(blind))
    assert summary["difference"] == {
        "classical": {
            "20": pytest.approx({"mean": 0, "low": 0, "high": 0, "n": 2}),
            "all": pytest.approx(scores.interval([1 - score for score in blind])),
        }
    }
    assert summary["f1_rarer"]["classical"]["all"]["mean"] == pytest.approx(0.4)  # 2 * .25 / (.25 + 1)
    assert list(summary["f1_rarer"]["ours"]) == ["all"]


def test_kinds_of_two_seeds():
    runs = [run(1), run(2)]
    by_kind = summarise(runs)["right_by_kind"]
    kinds = [r.test.kinds for r in runs]
    assert by_kind["ours"]["CTC dim"] == {
        "share": 1.0, "low": 1.0, "high": 1.0, "n": int(sum((k == "CTC dim").sum() for k in kinds)),
    }  # fmt: skip
    assert by_kind["classical"]["leukocyte"]["share"] == 0
    points = [r.test.is_ctc[k == "point"] for r, k in zip(runs, kinds, strict=True)]
    found = by_kind["classical"]["point"]
    assert found["share"] == pytest.approx(np.mean([p.mean() for p in points]))
    assert found["f1"] == pytest.approx(scores.interval([f1_score(p, np.ones(len(p))) for p in points]))


def test_a_kind_of_one_seed_has_no_interval():
    one, other = run(1), run(2)
    one.test.kinds[0] = "smear"
    row = summarise([one, other])["right_by_kind"]["ours"]["smear"]
    assert row == {"share": 1.0, "n": 1}


@pytest.fixture(scope="module")
def result():
    asked = []

    def labelled(patients, mix, *, seed):
        asked.append((patients, mix))
        return cells(seed, 40)

    class Flat:
        id, input_px, join = "flat-0", 24, None

        def class_tokens(self, crops):
            return crops.reshape(len(crops), -1)[:, ::54].astype(np.float32)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluate, "labelled_cells", labelled)
        patch.setattr(evaluate.Embedder, "load", lambda _name, threads, runtime: Flat())
        result = evaluate.evaluate("flat", seeds=2, n_patients=3, labels=(20,))
    everyone = [number for patients, _ in asked for number in patients]
    assert len(set(everyone)) == len(everyone) == 12
    assert set(everyone) <= set(data.EVALUATION_PATIENTS)
    assert [mix for _, mix in asked] == [evaluate.LABELLED, evaluate.TESTED] * 2
    return result


def test_evaluate_compares_three_methods_on_unseen_patients(result):
    json.dumps(result, allow_nan=False)
    kinds, methods = {"CTC dim", "leukocyte", "point"}, ["ours", "random weights", "classical"]
    assert [list(result["f1"]), set(result["f1"]["ours"])] == [methods, {"20", "all"}]
    assert result["f1"]["ours"]["all"] == pytest.approx({"mean": 1, "low": 1, "high": 1, "n": 2})
    assert list(result["difference"]) == methods[1:]
    assert {m: set(by_kind) for m, by_kind in result["right_by_kind"].items()} == dict.fromkeys(methods, kinds)
    rest = {key: value for key, value in result.items() if key not in ("f1", "f1_rarer", "difference", "right_by_kind")}
    assert rest == {
        "encoder_id": "flat-0",
        "data": "simulated, unseen patients",
        "seeds": 2,
        "patients": {"labelled": 3, "tested": 3},
        "cells": {"labelled": 40, "tested": 40},
        "ctc_share": {  # blocks 0 and 2 give labels, 1 and 3 are tested
            "labelled": pytest.approx(np.mean([cells(seed, 40).is_ctc for seed in (0, 2)])),
            "tested": pytest.approx(np.mean([cells(seed, 40).is_ctc for seed in (1, 3)])),
        },
    }


def test_the_table_shows_it_all(result):
    lines = tables.simulated(result)
    assert lines[0] == "flat-0: simulated, unseen patients. 2 seeds: mean (95 % interval)."
    share = result["ctc_share"]["tested"]
    assert lines[2] == f"40 cells of 3 others tested, {share:.0%} CTCs. F1 depends on it."
    heads = ["F1 by number of labels", "difference, seed by seed", "F1, a quarter CTCs"]
    heads += ["judged right by kind, all labels", "F1 by kind, all labels"]
    assert [line for line in lines if line.startswith(tuple(heads))] == [
        next(line for line in lines if line.startswith(head)) for head in heads
    ]
    ours = next(line for line in lines if line.startswith("ours "))
    assert ours.endswith("1.000 (1.000 to 1.000)")
    assert sum(line.startswith("point ") for line in lines) == 2
    assert sum(line.startswith("leukocyte ") for line in lines) == 1  # one class: no F1


def test_an_encoder_with_a_join_shows_its_parts_beside_it():
    crops = np.random.default_rng(0).integers(0, 256, (6, 3, 48, 48), dtype=np.uint8)
    joined = SimpleNamespace(
        class_tokens=lambda crops: crops[:, 0, 0, :4].astype(np.float32), join=lambda tokens, crops: tokens * len(crops)
    )
    found = evaluate._ours(joined, crops[:4], crops[4:])
    assert list(found) == ["ours", "network alone", "descriptors alone"]
    tokens = crops[:, 0, 0, :4]
    for part, expected in zip(found["network alone"], (tokens[:4], tokens[4:]), strict=True):
        np.testing.assert_array_equal(part, expected)
    for part, expected in zip(found["ours"], (tokens[:4] * 4.0, tokens[4:] * 2.0), strict=True):
        np.testing.assert_array_equal(part, expected)
    x, x_test = scores.standardised(descriptors(crops[:4]), descriptors(crops[4:]))
    np.testing.assert_array_equal(found["descriptors alone"][0], x)
    np.testing.assert_array_equal(found["descriptors alone"][1], x_test)
