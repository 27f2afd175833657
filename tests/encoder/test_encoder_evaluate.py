import json

import numpy as np
import pytest

from ctc_core.encoder import data, evaluate
from ctc_core.encoder.classical import classical_features


def test_f1_counts_by_hand():
    truth = np.array([1, 1, 1, 0, 0], bool)
    assert evaluate.f1(truth, np.array([1, 1, 0, 1, 0], bool)) == pytest.approx(2 * 2 / (2 * 2 + 1 + 1))
    assert evaluate.f1(truth, np.zeros(5, bool)) == 0


def test_interval_is_students():
    # t(.975, 3 degrees) = 3.182446; sd of 1..4 = 1.290994
    result = evaluate.interval([0.1, 0.2, 0.3, 0.4])
    half = 3.182446 * 0.1290994 / 2
    assert result == pytest.approx({"mean": 0.25, "low": 0.25 - half, "high": 0.25 + half, "n": 4}, abs=1e-6)


def test_a_draw_has_both_classes_and_is_the_same_for_a_seed():
    is_ctc = np.arange(200) < 3
    rows = evaluate.draw(is_ctc, 20, seed=4)
    assert len(set(rows)) == 20
    assert is_ctc[rows].sum() >= 2
    np.testing.assert_array_equal(rows, evaluate.draw(is_ctc, 20, seed=4))


def cells(seed, n=120):
    """CTCs are bright in the second channel, kinds say so."""
    rng = np.random.default_rng(seed)
    is_ctc = rng.random(n) < 0.4
    crops = rng.integers(0, 100, (n, 3, 48, 48), dtype=np.uint8)
    crops[is_ctc, 1, 14:34, 14:34] += 100
    return data.Labelled(crops, is_ctc, np.where(is_ctc, "ctc", "leukocyte"))


def test_a_run_scores_every_number_of_labels_and_every_kind():
    test = cells(2)
    scores, by_kind = evaluate.run(classical_features, cells(1), test, (20, 100, 500), seed=0)
    assert list(scores) == ["20", "100", "all"]  # there are no 500
    assert scores["all"] == 1
    n_ctc = int(test.is_ctc.sum())
    assert by_kind == {"ctc": (n_ctc, n_ctc), "leukocyte": (120 - n_ctc, 120 - n_ctc)}


def test_features_without_information_score_near_the_share():
    noise = np.random.default_rng(0)
    scores, _ = evaluate.run(lambda crops: noise.normal(size=(len(crops), 8)), cells(1), cells(2), (), seed=0)
    assert scores["all"] < 0.7


def test_summary_pools_kinds_and_averages_scores():
    runs = [{"ours": ({"20": 0.5}, {"ctc": (1, 2)})}, {"ours": ({"20": 0.7}, {"ctc": (3, 4), "point": (1, 1)})}]
    summary = evaluate.summarise(runs)
    assert summary["f1"]["ours"]["20"]["mean"] == pytest.approx(0.6)
    assert summary["right_by_kind"] == {"ours": {"ctc": {"share": 4 / 6, "n": 6}, "point": {"share": 1.0, "n": 1}}}


def test_evaluate_compares_three_methods_on_unseen_patients(monkeypatch):
    asked = []

    def labelled(patients, *, seed, crops_per_patient):
        asked.append(patients)
        return cells(seed, 40)

    class Flat:
        id, input_px = "flat-0", 24

        def embed(self, crops):
            return crops.reshape(len(crops), -1)[:, ::54].astype(np.float32)

    monkeypatch.setattr(evaluate.data, "labelled_crops", labelled)
    monkeypatch.setattr(evaluate.Embedder, "load", lambda _name, threads: Flat())
    result = evaluate.evaluate("flat", seeds=2, n_patients=3, labels=(20,))
    assert [set(result["f1"]), set(result["f1"]["ours"])] == [{"ours", "random weights", "classical"}, {"20", "all"}]
    assert result["f1"]["classical"]["all"] == pytest.approx({"mean": 1, "low": 1, "high": 1, "n": 2})
    assert (result["encoder_id"], result["seeds"], result["patients"]) == ("flat-0", 2, {"labelled": 3, "tested": 3})
    everyone = [number for patients in asked for number in patients]
    assert len(set(everyone)) == 12
    assert set(everyone) <= set(data.EVALUATION_PATIENTS)
    json.dumps(result)


def test_classical_features_by_hand():
    crops = np.zeros((2, 3, 48, 48), np.uint8)
    crops[0, 0], crops[0, 1, 23:25, 23:25] = 51, 255
    features = classical_features(crops)
    assert features.shape == (2, 3 * (6 + 6 + 3) + 3)
    np.testing.assert_allclose(features[0, :3], [0.2, 4 / 48**2, 0], atol=1e-6)  # mean level
    disc = int((np.hypot(*np.mgrid[-23.5:24, -23.5:24]) < 12).sum())
    np.testing.assert_allclose(features[0, 36:45].reshape(3, 3)[0], [1, 4 / disc, 1], atol=1e-6)  # area above half
    np.testing.assert_allclose(features[0, 39:42], [0.2, 1, 0], atol=1e-6)  # its mean level
    assert np.isfinite(features).all()
