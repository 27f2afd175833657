"""A simulated expert: reads a round's queue from known truth, errs now and then, and decides like a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ctc_core.store import Store
from ctc_core.types import Decision, Label

_MISTAKEN = {
    Label.CTC: Label.NON_CTC,
    Label.NON_CTC: Label.CTC,
    Label.ARTIFACT: Label.NON_CTC,
    Label.UNSURE: Label.NON_CTC,
}
"""What is said in place of what is meant."""


def says(truth: Sequence[Label], error_rate: float, seed: int) -> list[Label]:
    """What an expert says of cells whose true labels are given; each is wrong with the chance `error_rate` (0..1)."""
    wrong = np.random.default_rng([seed, 3]).random(len(truth)) < error_rate
    return [_MISTAKEN[label] if flip else label for label, flip in zip(truth, wrong, strict=True)]


def simulated_expert(
    store: Store, round_id: str, truth: Mapping[str, Label], *, error_rate: float = 0.0, seed: int = 0
) -> int:
    """Read the queue of an open round from first to last and save each decision; number of those saved.

    truth: by cell_id; a cell that is not in it is skipped, as by a person who runs out of time. Equal arguments make
        equal decisions with equal ids, so that a second reading of the same queue saves nothing twice.
    """
    reader = store.round(round_id).reader
    queue = store.queue(round_id)
    queue = queue[queue.cell_id.isin(list(truth))]
    labels = says([truth[cell_id] for cell_id in queue.cell_id], error_rate, seed)
    why, session = f"read again, seed {seed} (simulated)", "simulated expert"
    decisions = [
        Decision(f"expert-{round_id}-{seed}-{cell_id}", cartridge_id, cell_id, None, label, reader, session, why=why)
        for cell_id, cartridge_id, label in zip(queue.cell_id, queue.cartridge_id, labels, strict=True)
    ]
    return len(store.decide(decisions)) if decisions else 0
