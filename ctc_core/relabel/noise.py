"""The noise filter: cells that look like what experts called an artifact leave the pool.

Published: the classifier's PCA and SVM, fitted on 400 noisy and 400 clean cells. Here P(artifact) of a
`classify.Classifier` whose positive class is 'artifact', so that it is saved, loaded and hashed like any other model.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ctc_core import classify
from ctc_core.errors import NotEnoughLabels

MIN_ARTIFACTS = 20
"""Fewest cells called artifact, and fewest clean ones, for a filter; with fewer it would set aside cells by luck."""
PER_CLASS = 400
"""Most cells of each class that a filter is fitted on: the published number."""
REJECTED = 0.5
"""P(artifact) from which a cell is set aside."""


def fit_noise(
    vectors: NDArray[np.float32],
    is_artifact: NDArray[np.bool_],
    cell_ids: Sequence[str],
    *,
    encoder_id: str,
    seed: int = 0,
) -> classify.Classifier:
    """Fit on (n, 128) vectors of labelled training cells; equal numbers of both classes, at most `PER_CLASS` each.

    Equal labels give an equal filter: where a class has more cells, which are taken depends on ids and seed only.

    Raises:
        NotEnoughLabels: fewer than `MIN_ARTIFACTS` cells of a class; there is no filter then.
    """
    noisy, clean = np.flatnonzero(is_artifact), np.flatnonzero(~np.asarray(is_artifact, bool))
    if min(len(noisy), len(clean)) < MIN_ARTIFACTS:
        message = (
            f"{len(noisy)} cells labelled artifact and {len(clean)} clean ones: a noise filter needs at least "
            f"{MIN_ARTIFACTS} of each. Until then no cell is set aside."
        )
        raise NotEnoughLabels(message)
    n = min(len(noisy), len(clean), PER_CLASS)
    rows = np.concatenate([_some(group, cell_ids, n, seed) for group in (noisy, clean)])
    labels = np.asarray(is_artifact, np.int64)[rows]
    return classify.fit(vectors[rows], labels, [cell_ids[row] for row in rows], encoder_id=encoder_id)


def _some(rows: NDArray[np.int64], cell_ids: Sequence[str], n: int, seed: int) -> NDArray[np.int64]:
    ordered = np.array(sorted(rows.tolist(), key=lambda row: cell_ids[row]), np.int64)
    return np.random.default_rng(seed).permutation(ordered)[:n]


def rejects(filter_: classify.Classifier | None, vectors: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which of (n, 128) vectors are set aside: (n,); none without a filter."""
    if filter_ is None:
        return np.zeros(len(vectors), bool)
    return filter_.probabilities(vectors) >= REJECTED
