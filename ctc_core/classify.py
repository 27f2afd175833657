"""PCA + SVM on embedding vectors, calibrated to P(CTC) (paper, "SSL feature-based image classification").

The published SVM used `probability=True`; scikit-learn deprecates that, so the shown probability comes from
`CalibratedClassifierCV` (Platt's sigmoid on out-of-fold decision values), which is what `probability=True` did inside.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ctc_core._skops import skops_io
from ctc_core.errors import ModelError, NotEnoughLabels
from ctc_core.models import load_config, write_config

WEIGHTS = "classifier.skops"
MIN_PER_CLASS = 5
"""Fewest labels of each class that a fit accepts: one for each fold of the calibration."""
TRUSTED = ("sklearn.calibration._CalibratedClassifier", "sklearn.calibration._SigmoidCalibration")
"""The only types beyond scikit-learn's public ones that a classifier file may hold."""


@dataclass(frozen=True)
class Parameters:
    """The paper's classifier: scikit-learn's default SVM on 32 principal components. Folds and seed are ours."""

    components: int = 32
    C: float = 1.0
    gamma: str = "scale"
    folds: int = 5
    seed: int = 0


@dataclass(frozen=True)
class Classifier:
    """A fitted classifier. `id` is the hash of what it was fitted on, so equal labels give an equal id."""

    id: str
    encoder_id: str
    parameters: Parameters
    n_ctc: int
    n_other: int
    pipeline: Any

    def probabilities(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """P(CTC) of (n, 128) vectors: (n,) float32 in 0..1."""
        if len(vectors) == 0:
            return np.zeros(0, np.float32)
        (part,) = self.pipeline[1].calibrated_classifiers_
        (sigmoid,) = part.calibrators
        steepness = sigmoid.a_ * decision_values(part.estimator, self.pipeline[0].transform(vectors)) + sigmoid.b_
        return np.asarray(1 / (1 + np.exp(steepness)), np.float32)

    @property
    def weights_sha256(self) -> str:
        """Hash of everything that was fitted. The file's own hash will not do: skops writes times and addresses."""
        digest = hashlib.sha256()
        for array in _weights(self.pipeline):
            digest.update(np.ascontiguousarray(array, np.float64).tobytes())
        return digest.hexdigest()


_NO_SKOPS = (zipfile.BadZipFile, OSError, ValueError, LookupError, TypeError, AttributeError)
"""What skops raises for a file that is none of its own, or a damaged one."""

BLOCK = 4096
"""Rows whose kernel with all support vectors is in memory at a time: some 16 MB."""


def decision_values(svc: Any, features: NDArray[np.floating]) -> NDArray[np.float64]:
    """`svc.decision_function` of a fitted two-class SVM with an RBF kernel, to about 1e-5.

    libsvm takes one pair of rows after the other; squared distances out of one product of matrices take a fifth of the
    time: |a - b|^2 = |a|^2 + |b|^2 - 2 ab.
    """
    support = np.asarray(svc.support_vectors_, np.float32)
    weights, gamma = np.asarray(svc.dual_coef_[0], np.float32), np.float32(svc._gamma)
    lengths = np.einsum("nd,nd->n", support, support)
    values = np.empty(len(features))
    for start in range(0, len(features), BLOCK):
        rows = np.asarray(features[start : start + BLOCK], np.float32)
        kernel = rows @ support.T
        kernel *= 2
        kernel -= lengths
        kernel -= np.einsum("nd,nd->n", rows, rows)[:, None]
        kernel *= gamma
        # A distance of a row to itself may come out a little below 0.
        values[start : start + BLOCK] = np.exp(np.minimum(kernel, 0, out=kernel), out=kernel) @ weights
    return values + float(svc.intercept_[0])


def _weights(pipeline: Any) -> Iterator[Any]:
    """The fitted numbers of `_pipeline`: principal components, support vectors, sigmoid."""
    pca, calibrated = pipeline
    yield from (pca.mean_, pca.components_)
    for part in calibrated.calibrated_classifiers_:
        svc = part.estimator
        yield from (svc.support_vectors_, svc.dual_coef_, svc.intercept_, svc._gamma)
        yield from ((sigmoid.a_, sigmoid.b_) for sigmoid in part.calibrators)


def fit(
    vectors: NDArray[np.float32],
    labels: NDArray[np.int64],
    cell_ids: Sequence[str],
    *,
    encoder_id: str,
    parameters: Parameters = Parameters(),
) -> Classifier:
    """Fit on (n, 128) vectors and (n,) labels, 1 CTC and 0 anything else.

    The same on every call, whatever the order of rows and the number of threads: a past fit can be done again.

    Raises:
        NotEnoughLabels: fewer than `MIN_PER_CLASS` labels of a class.
    """
    from threadpoolctl import threadpool_limits

    n_ctc = int(labels.sum())
    _require_both_classes(n_ctc, len(labels) - n_ctc)
    order = np.argsort(np.asarray(cell_ids, dtype=object), kind="stable")
    vectors, labels = vectors[order], labels[order]
    with threadpool_limits(1):  # sums over threads differ in the last digits
        pipeline = _pipeline(len(labels), parameters).fit(vectors, labels)
    digest = _digest([cell_ids[i] for i in order], labels, encoder_id, parameters)
    return Classifier(f"svm-{digest[:12]}", encoder_id, parameters, n_ctc, len(labels) - n_ctc, pipeline)


def _require_both_classes(n_ctc: int, n_other: int) -> None:
    if min(n_ctc, n_other) < MIN_PER_CLASS:
        message = (
            f"{n_ctc} CTC and {n_other} non-CTC labels in training patients: a classifier needs at least "
            f"{MIN_PER_CLASS} of each. Label more cells of patients with the role 'train'."
        )
        raise NotEnoughLabels(message)


def _pipeline(n: int, parameters: Parameters) -> Any:
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.decomposition import PCA
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import SVC

    svc = SVC(kernel="rbf", C=parameters.C, gamma=parameters.gamma, class_weight="balanced", break_ties=True)
    # Unshuffled folds over rows sorted by cell_id hold out neighbours of the same cartridge together.
    return make_pipeline(
        PCA(min(parameters.components, n - 1), random_state=parameters.seed),
        CalibratedClassifierCV(svc, method="sigmoid", cv=parameters.folds, ensemble=False),
    )


def _digest(cell_ids: Sequence[str], labels: NDArray[np.int64], encoder_id: str, parameters: Parameters) -> str:
    rows = [[cell_id, int(label)] for cell_id, label in zip(cell_ids, labels, strict=True)]
    text = json.dumps([encoder_id, asdict(parameters), rows], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def save(classifier: Classifier, folder: Path) -> Path:
    """Write weights and config into `folder` (created)."""
    folder.mkdir(parents=True, exist_ok=True)
    skops_io().dump(classifier.pipeline, folder / WEIGHTS)
    config = {"kind": "classifier", "name": classifier.id, "encoder_id": classifier.encoder_id}
    counts = {"n_ctc": classifier.n_ctc, "n_other": classifier.n_other}
    write_config(folder, {**config, **counts, "parameters": asdict(classifier.parameters)}, [WEIGHTS])
    return folder


def load(folder: Path) -> Classifier:
    """Read a saved classifier after its hash was verified; nothing outside `TRUSTED` is ever built.

    Raises:
        ModelError: the folder is incomplete, was changed, or holds types that are not trusted.
    """
    config, skops = load_config(folder), skops_io()
    try:
        pipeline = skops.load(folder / WEIGHTS, trusted=list(TRUSTED))
    except skops.exceptions.UntrustedTypesFoundException as error:
        message = f"{folder / WEIGHTS}: holds types that are not part of our classifier ({error}). It is not loaded."
        raise ModelError(message) from error
    except _NO_SKOPS as error:
        message = f"{folder / WEIGHTS}: not a classifier's file ({type(error).__name__}). It is not loaded; fit again."
        raise ModelError(message) from error
    parameters = Parameters(**config["parameters"])
    return Classifier(config["name"], config["encoder_id"], parameters, config["n_ctc"], config["n_other"], pipeline)


@dataclass(frozen=True)
class Scores:
    """Performance on labelled cells; precision, recall and F1 of class CTC in 0..1."""

    n: int
    n_ctc: int
    precision: float
    recall: float
    f1: float
    balanced_accuracy: float


def evaluate(probabilities: NDArray[np.float32], labels: NDArray[np.int64], threshold: float = 0.5) -> Scores | None:
    """Scores at a threshold; None where there is no label at all."""
    if len(labels) == 0:
        return None
    from sklearn.metrics import precision_recall_fscore_support

    called = (probabilities >= threshold).astype(np.int64)
    precision, recall, f1, _ = precision_recall_fscore_support(labels, called, average="binary", zero_division=0.0)
    classes = [float((called[labels == value] == value).mean()) for value in (0, 1) if (labels == value).any()]
    balanced = sum(classes) / len(classes)
    return Scores(len(labels), int(labels.sum()), float(precision), float(recall), float(f1), balanced)
