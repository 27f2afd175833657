"""The noise filter in the store: fitted from 'artifact' labels when a round ends, and what it sets aside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ctc_core import classify
from ctc_core.errors import NotEnoughLabels
from ctc_core.relabel.noise import REJECTED, fit_noise
from ctc_core.rounds.inputs import Group
from ctc_core.store import Store
from ctc_core.types import Role

NOISE = "noise"
"""Kind of the model."""


def fit_filter(train: Group, encoder_id: str, folder: Path) -> dict[str, Any] | None:
    """Fit on labelled training cells, save to `folder`: model_id, artifacts, clean (labels); None: too few labels."""
    try:
        found = fit_noise(train.vectors, train.artifact, train.cell_ids, encoder_id=encoder_id)
    except NotEnoughLabels:
        return None
    classify.save(found, folder)
    return {"model_id": found.id, "artifacts": int(train.artifact.sum()), "clean": int((~train.artifact).sum())}


def use_filter(
    store: Store, folder: Path, about: dict[str, Any], encoder_id: str, *, reader: str, session: str
) -> None:
    """Make a filter known, set aside what it rejects, and use it from now on. Again is harmless."""
    model_id, weights = about["model_id"], classify.load(folder).weights_sha256
    parameters = {"encoder_id": encoder_id, **about, "weights_sha256": weights}
    store.add_model(model_id, NOISE, folder, parameters, reader=reader, session=session)
    active = store.active_model(NOISE)
    if active is not None and active.model_id == model_id:
        return
    cartridges = store.cartridges()
    ours = cartridges[(cartridges.role == Role.TRAIN) & (cartridges.encoder_id == encoder_id)]
    for cartridge_id in ours.cartridge_id:
        reject(store, folder, model_id, str(cartridge_id))
    reason = f"fitted on {about['artifacts']} labelled artifacts"
    store.activate_model(model_id, reader=reader, session=session, reason=reason)


def reject(store: Store, folder: Path, model_id: str, cartridge_id: str) -> None:
    """Note which cells of a cartridge a filter rejects."""
    found = classify.load(folder)
    cell_ids, vectors = store.vectors(cartridge_id, found.encoder_id)
    noisy = found.probabilities(vectors)
    rows = (noisy >= REJECTED).nonzero()[0]
    if len(rows):
        store.save_rejects(model_id, [cell_ids[i] for i in rows], noisy[rows])


def reject_new(store: Store, cartridge_id: str) -> None:
    """Let the filter in use judge the cells of a new cartridge of a training patient."""
    active = store.active_model(NOISE)
    row = store.cartridges().set_index("cartridge_id").loc[cartridge_id]
    if active is None or row.role != Role.TRAIN or row.encoder_id != active.parameters["encoder_id"]:
        return
    reject(store, active.folder, active.model_id, cartridge_id)
