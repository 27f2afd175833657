"""Principal components: the classifier's own, so that map, classifier and novelty see the same features."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ctc_core.classify import Classifier
from ctc_core.errors import ModelError


@dataclass(frozen=True)
class Reduction:
    """A fitted PCA without whitening."""

    mean: NDArray[np.float64]
    """(128,)"""
    components: NDArray[np.float64]
    """(32, 128), fewer rows with fewer cells."""

    @classmethod
    def of(cls, classifier: Classifier) -> Reduction:
        """The PCA of a fitted classifier (`classify.fit`), fitted on labelled training cells only."""
        pca = classifier.pipeline[0]
        return cls(np.asarray(pca.mean_, np.float64), np.asarray(pca.components_, np.float64))

    @classmethod
    def fit(cls, vectors: NDArray[np.float32], components: int = 32, seed: int = 0) -> Reduction:
        """PCA of (n, 128) vectors; the same as within a classifier fitted on them."""
        from sklearn.decomposition import PCA

        pca = PCA(min(components, len(vectors) - 1, vectors.shape[1]), random_state=seed).fit(vectors)
        return cls(np.asarray(pca.mean_, np.float64), np.asarray(pca.components_, np.float64))

    def transform(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, 128) -> (n, 32) float32.

        Raises:
            ModelError: vectors of another length.
        """
        if vectors.ndim != 2 or vectors.shape[1] != len(self.mean):
            message = (
                f"Vectors of shape {vectors.shape} do not fit principal components of {len(self.mean)} numbers. "
                "Use vectors of the encoder that the classifier was fitted for."
            )
            raise ModelError(message)
        return np.asarray((vectors - self.mean) @ self.components.T, np.float32)
