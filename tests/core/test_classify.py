"""PCA + SVM: what it predicts, what it refuses, and that its file cannot run code."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.svm import SVC

from ctc_core import classify
from ctc_core.classify import Classifier, Scores
from ctc_core.errors import ModelError, NotEnoughLabels
from ctc_core.models import sha256


def _data(n: int = 120, seed: int = 0) -> tuple[np.ndarray, np.ndarray, list[str]]:
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    vectors = rng.normal(size=(n, 128)).astype(np.float32)
    vectors[:, :4] += 2.0 * labels[:, None]
    return vectors, labels, [f"cell-{i:03d}" for i in range(n)]


@pytest.fixture(scope="module")
def fitted() -> Classifier:
    vectors, labels, ids = _data()
    return classify.fit(vectors, labels, ids, encoder_id="e")


def test_ranks_cells_as_the_papers_svm_does(fitted: Classifier) -> None:
    """Platt's sigmoid is monotone: the order of P(CTC) must be that of a plain SVC's decision values."""
    vectors, labels, _ = _data()
    unseen = _data(seed=1)[0]
    pca = PCA(32, random_state=0).fit(vectors)
    oracle = SVC(C=1, gamma="scale", class_weight="balanced").fit(pca.transform(vectors), labels)
    decision = oracle.decision_function(pca.transform(unseen))
    ours = fitted.probabilities(unseen)
    assert np.corrcoef(decision.argsort().argsort(), ours.argsort().argsort())[0, 1] > 0.999
    assert ours.dtype == np.float32 and ((ours > 0) & (ours < 1)).all()


def test_probabilities_are_scikit_learns_own(fitted: Classifier) -> None:
    """They are computed with one product of matrices; more rows than one block, near the boundary and far from it."""
    rng = np.random.default_rng(5)
    unseen = np.concatenate([_data(seed=1)[0], rng.normal(size=(classify.BLOCK, 128)) * 3, _data()[0]])
    unseen = unseen.astype(np.float32)
    pca, calibrated = fitted.pipeline
    (part,) = calibrated.calibrated_classifiers_
    expected = part.estimator.decision_function(pca.transform(unseen))
    found = classify.decision_values(part.estimator, pca.transform(unseen))
    np.testing.assert_allclose(found, expected, atol=2e-5)
    np.testing.assert_array_equal(found > 0, expected > 0)
    np.testing.assert_allclose(fitted.probabilities(unseen), fitted.pipeline.predict_proba(unseen)[:, 1], atol=1e-5)


def test_separates_what_can_be_separated(fitted: Classifier) -> None:
    unseen, labels, _ = _data(seed=1)
    scores = classify.evaluate(fitted.probabilities(unseen), labels)
    assert scores is not None and scores.f1 > 0.9


def test_id_is_the_hash_of_what_was_fitted(fitted: Classifier) -> None:
    vectors, labels, ids = _data()
    backwards = classify.fit(vectors[::-1], labels[::-1], ids[::-1], encoder_id="e")
    assert backwards.id == fitted.id
    np.testing.assert_array_equal(backwards.probabilities(vectors), fitted.probabilities(vectors))
    other = labels.copy()
    other[0] = 1 - other[0]
    assert classify.fit(vectors, other, ids, encoder_id="e").id != fitted.id
    assert classify.fit(vectors, labels, ids, encoder_id="f").id != fitted.id


def test_too_few_labels_are_refused_in_words() -> None:
    vectors, _, ids = _data(20)
    labels = np.array([1] * 4 + [0] * 16)
    with pytest.raises(NotEnoughLabels) as caught:
        classify.fit(vectors, labels, ids, encoder_id="e")
    assert str(caught.value) == (
        "4 CTC and 16 non-CTC labels in training patients: a classifier needs at least 5 of each. "
        "Label more cells of patients with the role 'train'."
    )


def test_ten_labels_are_enough_although_pca_wants_32() -> None:
    vectors, labels, ids = _data(10)
    assert classify.fit(vectors, labels, ids, encoder_id="e").probabilities(vectors).shape == (10,)


def test_survives_a_round_trip(fitted: Classifier, tmp_path: Path) -> None:
    again = classify.load(classify.save(fitted, tmp_path / "m"))
    unseen = _data(seed=1)[0]
    np.testing.assert_array_equal(again.probabilities(unseen), fitted.probabilities(unseen))
    fields = ("id", "encoder_id", "parameters", "n_ctc", "n_other")
    assert [getattr(again, name) for name in fields] == [getattr(fitted, name) for name in fields]


def test_a_changed_file_is_refused(fitted: Classifier, tmp_path: Path) -> None:
    folder = classify.save(fitted, tmp_path / "m")
    weights = folder / classify.WEIGHTS
    weights.write_bytes(weights.read_bytes() + b"\0")
    with pytest.raises(ModelError, match=r"its SHA-256 is not the one in config\.json"):
        classify.load(folder)


def test_a_foreign_type_is_refused_even_with_the_right_hash(fitted: Classifier, tmp_path: Path) -> None:
    import skops.io

    folder = classify.save(fitted, tmp_path / "m")
    skops.io.dump(Scores(1, 1, 1.0, 1.0, 1.0, 1.0), folder / classify.WEIGHTS)
    config = json.loads((folder / "config.json").read_text())
    config["sha256"] = {classify.WEIGHTS: sha256(folder / classify.WEIGHTS)}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="types that are not part of our classifier"):
        classify.load(folder)


def test_no_vectors_no_probabilities(fitted: Classifier) -> None:
    assert fitted.probabilities(np.zeros((0, 128), np.float32)).shape == (0,)


def test_scores_against_literals() -> None:
    probabilities = np.array([0.9, 0.8, 0.4, 0.6, 0.1], np.float32)
    labels = np.array([1, 1, 1, 0, 0])
    third = pytest.approx(2 / 3)
    assert classify.evaluate(probabilities, labels) == Scores(
        5, 3, third, third, third, pytest.approx((2 / 3 + 1 / 2) / 2)
    )
    assert classify.evaluate(probabilities[:0], labels[:0]) is None


FIT = """
vectors, labels = np.random.default_rng(0).normal(size=(40, 128)).astype("f4"), np.arange(40) % 2
fitted = classify.fit(vectors, labels, [str(i) for i in range(40)], encoder_id="e")
classify.save(fitted, Path(sys.argv[1]))
"""
SCORE = """
classify.load(Path(sys.argv[1])).probabilities(np.zeros((3, 128), "f4"))
"""


@pytest.mark.parametrize("first", [FIT + SCORE, SCORE])
def test_the_servers_half_needs_no_torch(tmp_path: Path, first: str, fitted: Classifier) -> None:
    """The desk fits, saves, loads and scores in its server process, which must stay light: whatever comes first."""
    classify.save(fitted, tmp_path)
    code = f"""
import sys
from pathlib import Path
import numpy as np
from ctc_core import classify
{first}
import ctc_core.workflows, ctc_core.jobs, ctc_core.store
print([name for name in ("torch", "tensorflow", "stardist", "umap") if name in sys.modules])
"""
    result = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False)
    assert (result.stdout.strip(), result.stderr) == ("[]", "")
