"""Verification of all that a desk holds: journal, store and bundles, and what the classifiers make of them.

Scores are in no journal, since they can be made again; so they are: what a classifier says of the vectors in the store
must be what the store says it said. A classifier that is not in use may be taken back, with the scores that it has.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ctc_core import classify
from ctc_core.errors import JournalError, ModelError, StoreError
from ctc_core.store import Report, Store
from ctc_core.store import verify as verify_store

WEIGHTS = "weights_sha256"
"""Parameter of a model in the journal: hash of its fitted numbers. Classifiers of older versions have none."""

SAME = 1e-3
"""Scores may differ by so much: other machines round differently, by some 1e-5."""


def verify(what: Store | Path, kept: Collection[str] = ()) -> Report:
    """`store.verify`, classifiers and noise filters against their hashes, and what each classifier said of cells."""
    if isinstance(what, Path):
        try:
            with Store.open(what) as store:
                return verify(store, kept)
        except (JournalError, StoreError):
            return verify_store(what, kept)
    found = verify_store(what, kept)
    problems = [*found.problems]
    try:
        problems.extend(_model_problems(what))
    except StoreError as error:
        problems.append(f"Scores cannot be compared: {error}")
    return replace(found, problems=tuple(problems))


def _model_problems(store: Store) -> Iterator[str]:
    classifiers = []
    for model in store.models():
        if WEIGHTS not in model.parameters:
            continue
        try:
            classifier = classify.load(model.folder)
        except ModelError as error:
            yield f"Model {model.model_id}: {error}"
            continue
        if (classifier.id, classifier.weights_sha256) != (model.model_id, model.parameters[WEIGHTS]):
            yield f"Model {model.model_id}: {model.folder} holds another one. Restore the folder from a backup."
        elif model.kind == "classifier":
            classifiers.append(classifier)
    for cartridge_id in store.cartridges().cartridge_id:
        vectors = {id_: store.vectors(cartridge_id, id_) for id_ in {c.encoder_id for c in classifiers}}
        for classifier in classifiers:
            yield from _score_problems(store, cartridge_id, classifier, *vectors[classifier.encoder_id])


def _score_problems(
    store: Store,
    cartridge_id: str,
    classifier: classify.Classifier,
    cell_ids: tuple[str, ...],
    vectors: NDArray[np.float32],
) -> Iterator[str]:
    """Scores that are lacking are made when the desk starts; those that are there must be right."""
    said = store.predictions(cartridge_id, classifier.id)
    if said.empty:
        return
    found = said.probability.to_numpy(float)
    expected = pd.Series(classifier.probabilities(vectors), cell_ids).reindex(said.cell_id).to_numpy()
    wrong = np.flatnonzero(~(np.abs(found - expected) <= SAME))  # nor is what is no number
    if len(wrong):
        first = wrong[0]
        yield (
            f"{cartridge_id}: P(CTC) of {len(wrong)} of {len(found)} cells is not what {classifier.id} says, as"
            f" {said.cell_id[first]}: {found[first]:.3f} in the store, {expected[first]:.3f}. Delete store.duckdb; it"
            " is filled and scored again."
        )
