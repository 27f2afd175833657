"""Verification of all that a desk holds: journal, store and bundles, and what the classifiers make of them.

Scores are in no journal, since they can be made again; so they are: what the classifier in use says of the vectors in
the store must be what the store says it said.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from ctc_core import classify
from ctc_core.errors import JournalError, ModelError, StoreError
from ctc_core.store import ModelRecord, Report, Store
from ctc_core.store import verify as verify_store

WEIGHTS = "weights_sha256"
"""Parameter of a model in the journal: hash of its fitted numbers. Classifiers of older versions have none."""

SAME = 1e-3
"""Scores may differ by so much: other machines round differently, by some 1e-5."""


def verify(what: Store | Path, kept: Collection[str] = ()) -> Report:
    """`store.verify`, and every classifier and noise filter against its hash, and the scores of the one in use."""
    if isinstance(what, Path):
        try:
            with Store.open(what) as store:
                return verify(store, kept)
        except (JournalError, StoreError):
            return verify_store(what, kept)
    found = verify_store(what, kept)
    return replace(found, problems=(*found.problems, *_model_problems(what)))


def _model_problems(store: Store) -> Iterator[str]:
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
        elif model.active and model.kind == "classifier":
            yield from _score_problems(store, model, classifier)


def _score_problems(store: Store, model: ModelRecord, classifier: classify.Classifier) -> Iterator[str]:
    """Scores that are lacking are made when the desk starts; those that are there must be right."""
    for cartridge_id in store.cartridges().cartridge_id:
        cell_ids, vectors = store.vectors(cartridge_id, classifier.encoder_id)
        scores = store.predictions(cartridge_id, model.model_id).set_index("cell_id").probability
        found = scores.reindex(list(cell_ids)).to_numpy(float)
        expected = classifier.probabilities(vectors)
        wrong = np.flatnonzero(np.abs(found - expected) > SAME)
        if len(wrong):
            first = wrong[0]
            yield (
                f"{cartridge_id}: P(CTC) of {len(wrong)} of {len(found)} cells is not what {model.model_id} says, as"
                f" {cell_ids[first]}: {found[first]:.3f} in the store, {expected[first]:.3f}. Score it again:"
                f" python -m ctc_core score {cartridge_id}"
            )
