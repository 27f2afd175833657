"""What can be done with a finished round: put its classifier in use, or do its fit again and compare."""

from __future__ import annotations

from dataclasses import dataclass

from ctc_core import classify
from ctc_core.errors import UserError
from ctc_core.store import Store


@dataclass(frozen=True)
class Replay:
    """A fit of the past done again from the journal."""

    model_id: str
    weights_sha256: str
    same: bool
    """Id and weights are those that the round noted."""


def activate(store: Store, model_id: str, *, reader: str, session: str, reason: str) -> None:
    """Use this classifier from now on; the desk then scores all cells with it. The earlier one stays and can come back.

    Raises:
        UserError: no such classifier, or no reason.
    """
    if all((model.model_id, model.kind) != (model_id, "classifier") for model in store.models()):
        message = f"{model_id}: no such classifier in the store. Choose one that a round or a fit has made."
        raise UserError(message)
    if not reason.strip():
        message = "Say in a few words why this classifier is to be used from now on; the journal keeps it."
        raise UserError(message)
    store.activate_model(model_id, reader=reader, session=session, reason=reason.strip())


def replay(store: Store, round_id: str) -> Replay:
    """Fit again on the labels and roles as they stood in the journal when the round was finished.

    Weights are the same on the same machine with the same versions of the libraries; others round otherwise.

    Raises:
        UserError: the round was not finished, or finished without a classifier.
    """
    outcome, found = store.outcome(round_id), store.round(round_id)
    if not outcome.get("after"):
        why = outcome.get("why") or f"it is {found.state}"
        message = f"Round {found.number} of {found.reader} made no classifier ({why}). Replay another one."
        raise UserError(message)
    pool = store.training_pool(found.encoder_id, until=int(outcome["until"]))
    made = classify.fit(pool.vectors, pool.labels, pool.cell_ids, encoder_id=found.encoder_id)
    noted = (outcome["after"]["model_id"], outcome["weights_sha256"])
    return Replay(made.id, made.weights_sha256, (made.id, made.weights_sha256) == noted)
