"""How much must be read: in which order, and an upper bound on the CTCs not yet seen.

The bound is the smallest number that CTCs among unread images and below the threshold exceed with at most 5 %
probability, given every decision so far. Claimed is that it holds at the decision at which one stops, whichever that
is, since it is conditional on all that was read. Not claimed is that none of the bounds shown on the way there is ever
exceeded: of fifty looks one may be wrong in more than 5 % of the reviews. `sure_bound` is for that: the same with 1 %,
measured in `experiment stopping` as what holds at every look. It assumes that this patient resembles the lab's reviewed
patients as far as `recalibration` lets patients differ, that readers err at the estimated rates, and that CellSearch's
and the classifier's misses are not of the same cells more than `misses` allows. Where decisions contradict the
probabilities, `strange` says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ctc_core.enumeration.counts import Samples, confirmed, reader_logits
from ctc_core.enumeration.readers import ReaderErrors
from ctc_core.enumeration.recalibration import Belief, Review, design

LEVEL, SURE = 0.95, 0.99
TOLERANCE = 0.1
"""CTCs left unread that do not matter for the count, as a share of those confirmed; one never does unless it decides
the cut-off."""
EVIDENCE = 20.0
"""Evidence against the probabilities from which they are not believed: reached by chance in 1 of 20 draws (Ville)."""
SHIFTS = (-1.5, 1.5)
"""Wrong probabilities that `strange` looks for: odds 4.5 times smaller or larger than promised."""


class Verdict(StrEnum):
    """What the bound says of reading on."""

    READ_ON = "read-on"
    REACHED = "reached"
    """The cut-off is reached; reading on only makes the number exact."""
    OUT_OF_REACH = "out-of-reach"
    """Everything not seen cannot lift the count to the cut-off."""
    POINTLESS = "pointless"
    """Unread images can hardly change the count."""
    STRANGE = "strange"
    """Decisions contradict the probabilities: read everything."""


@dataclass(frozen=True)
class Unseen:
    """CTCs that nobody has decided about."""

    unread: float
    """Expected among images not read."""
    below: float
    """Expected among cells that neither side shows."""
    unread_bound: int
    """Upper 95 % bound of the first."""
    bound: int
    """Upper 95 % bound of both together."""
    sure_bound: int
    """Upper 99 % bound of both together: meant to hold at every look, not only at the last."""
    images_left: int
    verdict: Verdict
    sentence: str


def unseen_ctcs(table: pd.DataFrame, samples: Samples, *, cut_off: int, evidence: float = 1.0) -> Unseen:
    """The bound after the decisions in `table`, and what it means. evidence: as from `strange`."""
    found, left = int(confirmed(table).sum()), int(table.label.isna().sum())
    unread_bound, bound = upper(samples.unread), upper(samples.unread + samples.below)
    verdict = _verdict(found, left, unread_bound, bound, cut_off, evidence)
    words = SENTENCES[verdict] if left else ALL_READ
    sentence = words.format(left=left, unread=unread_bound, bound=bound, cut_off=cut_off, found=found)
    return Unseen(
        unread=float(samples.unread.mean()),
        below=float(samples.below.mean()),
        unread_bound=unread_bound,
        bound=bound,
        sure_bound=upper(samples.unread + samples.below, SURE),
        images_left=left,
        verdict=verdict,
        sentence=sentence,
    )


SENTENCES = {
    Verdict.READ_ON: "Read on: up to {unread} CTCs may be in the {left} images not read (95 %).",
    Verdict.REACHED: "{found} CTCs are confirmed, so the cut-off of {cut_off} is reached whatever the {left} images "
    "not read hold. Read on for an exact count: they may hold up to {unread} more (95 %).",
    Verdict.OUT_OF_REACH: "At most {bound} CTCs are not seen yet (95 %), too few to reach the cut-off of {cut_off}. "
    "Read on only for an exact count.",
    Verdict.POINTLESS: "Reading on is pointless: the {left} images not read hold at most {unread} CTCs, and with cells "
    "below the threshold at most {bound} are not seen (95 %).",
    Verdict.STRANGE: "Decisions do not fit the probabilities of this draw, so no bound can be trusted: read all "
    "{left} images left.",
}
ALL_READ = "All images are read. Below the threshold at most {bound} CTCs are not seen (95 %)."


def _verdict(found: int, left: int, unread: int, bound: int, cut_off: int, evidence: float) -> Verdict:
    if evidence >= EVIDENCE and left:
        return Verdict.STRANGE
    decides = found < cut_off <= found + unread
    if not left or (unread <= max(1, int(TOLERANCE * found)) and not decides):
        return Verdict.POINTLESS
    if found >= cut_off:
        return Verdict.REACHED
    return Verdict.OUT_OF_REACH if found + bound < cut_off else Verdict.READ_ON


def upper(samples: NDArray[np.int64], level: float = LEVEL) -> int:
    """Smallest number that is exceeded with probability 1 - level at most."""
    return int(np.quantile(samples, level, method="inverted_cdf"))


def reading_order(table: pd.DataFrame, samples: Samples) -> tuple[str, ...]:
    """candidate_id of unread images, the likeliest CTC first."""
    left = np.flatnonzero(table.label.isna())
    return tuple(table.candidate_id.iloc[left[np.argsort(-samples.called[left], kind="stable")]])


def strange(prior: Belief, table: pd.DataFrame, errors: ReaderErrors, order: Sequence[int], *, step: int = 10) -> float:
    """Largest evidence so far that decisions do not fit what was believed: an e-value, 20 or more is strange.

    Predictions are made for `step` decisions at a time from those before (rows `order` of `table`, as they were made),
    and are compared with odds shifted by `SHIFTS`. If they are right, the mean of the likelihood ratios is a
    martingale, so it ever reaches 1 / a with probability a at most (Ville's inequality), however one stops.
    """
    rows = table.iloc[list(order)]
    read = Review(design(rows), confirmed(rows), *errors.rates(reader_logits(rows)))
    logs, largest = np.zeros(len(SHIFTS)), 0.0
    for start in range(0, len(rows), step):
        now = slice(start, start + step)
        p, said = read.part(slice(start)).predict(prior, read.part(now)), read.said[now]
        odds = p / (1 - p)
        for i, shift in enumerate(SHIFTS):
            shifted = odds * np.exp(shift) / (1 + odds * np.exp(shift))
            logs[i] += np.log(np.where(said, shifted / p, (1 - shifted) / (1 - p))).sum()
        largest = max(largest, float(np.exp(np.minimum(logs, 50)).mean()))
    return largest
