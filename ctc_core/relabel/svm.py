"""The published classifier on features that are reduced already: an SVM with scikit-learn's defaults."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Features = NDArray[np.floating]
SLOPE = 2.0
"""Of the sigmoid that turns a decision value into P(CTC)."""


@dataclass(frozen=True)
class Svm:
    """A fitted SVM; labels of one class only give the classifier that always answers that class."""

    svc: Any
    """None where there was only one class."""
    only: int = 0
    """The one class."""

    def call(self, features: Features) -> NDArray[np.int64]:
        """(n, d) features -> (n,) class, 1 CTC and 0 anything else."""
        if self.svc is None or not len(features):
            return np.full(len(features), self.only, np.int64)
        return np.asarray(self.svc.predict(features), np.int64)

    def probability(self, features: Features) -> NDArray[np.float32]:
        """P(CTC) as strategies need it, (n,) float32: at least one half where `call` says CTC, ordered by distance.

        A fixed sigmoid of the decision value and no calibration, which would cost five more fits.
        """
        if self.svc is None or not len(features):
            return np.full(len(features), float(self.only), np.float32)
        from scipy.special import expit

        return np.asarray(expit(SLOPE * self.svc.decision_function(features)), np.float32)


def fit(features: Features, labels: NDArray[np.int64]) -> Svm:
    """Fit on (n, d) features and (n,) labels 0 or 1; the order of rows has a minute influence.

    Rows weigh as with `class_weight="balanced"`, to the last bit: given one by one, scikit-learn need not look the
    classes up, which takes half as long as a fit on 100 cells.
    """
    from sklearn.svm import SVC

    counts = np.bincount(labels, minlength=2)
    if not counts.all():
        return Svm(None, int(labels[0]) if len(labels) else 0)
    svc = SVC(kernel="rbf", C=1, gamma="scale", break_ties=True)
    return Svm(svc.fit(features, labels, sample_weight=(len(labels) / (2 * counts))[labels]))
