"""The classifier in use: fitting it on all labels, and what it says of every cell."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from ctc_core import classify
from ctc_core.errors import ModelError
from ctc_core.store import Store


def fit(store: Store, models_dir: Path, encoder_id: str, *, reader: str, session: str) -> dict[str, Any]:
    """Fit on all training labels, measure on the test patients, activate, and score every cartridge of that encoder.

    Returns:
        model_id, encoder_id, n_ctc, n_other, test (scores or None), scored (cartridge ids).

    Raises:
        NotEnoughLabels: too few labels of training patients.
    """
    pool = store.training_pool(encoder_id)
    classifier = classify.fit(pool.vectors, pool.labels, pool.cell_ids, encoder_id=encoder_id)
    held = store.evaluation_pool(encoder_id)
    test = classify.evaluate(classifier.probabilities(held.vectors), held.labels)
    folder = classify.save(classifier, models_dir / classifier.id)
    measured = {"n_ctc": classifier.n_ctc, "n_other": classifier.n_other, "test": asdict(test) if test else None}
    parameters = {"encoder_id": encoder_id, **measured}
    noted = {**parameters, "weights_sha256": classifier.weights_sha256}
    store.add_model(classifier.id, "classifier", folder, noted, reader=reader, session=session)
    store.activate_model(classifier.id, reader=reader, session=session, reason="fitted on all training labels")
    cartridges = store.cartridges()
    scored = score(store, list(cartridges.cartridge_id[cartridges.encoder_id == encoder_id]))
    return {"model_id": classifier.id, **parameters, "scored": list(scored)}


def score(store: Store, cartridge_ids: list[str]) -> dict[str, int]:
    """P(CTC) of all cells of some cartridges by the active classifier; number of cells by cartridge.

    Raises:
        ModelError: there is no active classifier, or it was fitted on another encoder's vectors.
    """
    active = store.active_model("classifier")
    if active is None:
        message = "No classifier is active. Label cells of training patients, then run: python -m ctc_core fit."
        raise ModelError(message)
    classifier = classify.load(active.folder)
    return {cartridge_id: _score(store, classifier, cartridge_id) for cartridge_id in cartridge_ids}


def score_unscored(store: Store) -> None:
    """Score cartridges that lack it although there is a classifier for them: scores are not in the journal."""
    active = store.active_model("classifier")
    lacking = store.unscored(active.model_id, active.parameters["encoder_id"]) if active else []
    if lacking:
        score(store, lacking)


def _score(store: Store, classifier: classify.Classifier, cartridge_id: str) -> int:
    cell_ids, vectors = store.vectors(cartridge_id, classifier.encoder_id)
    n_cells = len(store.cells(cartridge_id))
    if len(cell_ids) != n_cells:
        message = (
            f"{cartridge_id}: {n_cells} cells, but {len(cell_ids)} vectors of the encoder {classifier.encoder_id} "
            "that the active classifier needs. Ingest the cartridge again with this encoder, or fit for its encoder."
        )
        raise ModelError(message)
    store.save_predictions(classifier.id, cell_ids, classifier.probabilities(vectors))
    return n_cells
