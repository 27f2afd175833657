"""The count, and how probable it is that the true one reaches the cut-off.

Four sources of doubt are drawn together, many times: each decision is right with the probability that follows from the
image's own chance and the readers' error rates; images not read hold CTCs with their chance; so do cells that nobody is
shown (`misses`); and the tube is a sample of the patient's blood. For the last, CTCs in blood of mean density are
Poisson distributed (Tibbe et al. 2007, Cytometry A 71: 154, on Poisson limits of CTC counts): with n CTCs in v ml, the
mean per 7.5 ml is Gamma(n + 0.1, v / 7.5) under a prior that is nearly 1 / mean. Counts of patients spread over orders
of magnitude, as 1 / mean says; Jeffreys' prior, 1 / sqrt(mean), expects high ones more often.

Not counted in: CTCs lost between the tube and the cartridge.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ctc_core.enumeration.candidates import proposed
from ctc_core.enumeration.misses import PRIOR, UNKNOWN, Misses, numbers, unseen
from ctc_core.enumeration.readers import ASSUMED, ReaderErrors, rates
from ctc_core.enumeration.recalibration import UNTAUGHT, Belief, Review, called_chance, chances, design, logits
from ctc_core.intervals import Interval
from ctc_core.types import Label

Array = NDArray[np.floating[Any]]
Whole = NDArray[np.int64]

BLOCK = 16
"""Samples computed together."""

STANDARD_ML = 7.5
"""Blood that counts refer to, and that a CellSearch tube is drawn for."""


class Cancer(StrEnum):
    """Cancers with a published cut-off."""

    BREAST = "breast"
    PROSTATE = "prostate"
    COLORECTAL = "colorectal"


CUT_OFFS = {Cancer.BREAST: 5, Cancer.PROSTATE: 5, Cancer.COLORECTAL: 3}
"""CTCs per 7.5 ml from which the outlook is worse (Cristofanilli 2004, de Bono 2008, Cohen 2008)."""

METHOD = (
    "Each decision is weighed with the readers' measured error rates, and CTCs expected among unread images and cells "
    "below the threshold are added. Because two tubes of the same blood differ by chance (Poisson), the probability is "
    "that of the patient's mean count per 7.5 ml, with that of this tube alone beside it."
)


@dataclass(frozen=True)
class Knowledge:
    """What the desk knows before this draw is read."""

    belief: Belief = UNTAUGHT
    errors: ReaderErrors = ASSUMED
    misses: Misses = UNKNOWN


@dataclass(frozen=True, eq=False)
class Samples:
    """Samples (s,) of the true numbers of CTCs by where they are, and each image's chance."""

    read: Whole
    """Among images decided (unsure ones with their chance)."""
    unread: Whole
    below: Whole
    """Shown by neither, and not found among less certain cells."""
    proposed: Whole
    """Among the classifier's candidates, read or not."""
    called: Array
    """(n,) probability that a reader would call each image a CTC, from what has been read."""
    chance: Array
    """(n,) probability that it is one, apart from its own decision."""

    @property
    def total(self) -> Whole:
        """(s,) CTCs on the cartridge."""
        return self.read + self.unread + self.below


@dataclass(frozen=True)
class Count:
    """What a clinician signs. Intervals are 95 %."""

    confirmed: int
    per_7_5_ml: float
    """Confirmed CTCs, scaled by the volume."""
    cellsearch_assigned: int
    """CellSearch's own count."""
    in_tube: Interval
    """CTCs per 7.5 ml in this blood, if every one were found and nobody erred."""
    concentration: Interval
    """The patient's mean per 7.5 ml."""
    cut_off: int
    p_tube: float
    """Probability that the number in 7.5 ml of this blood reaches the cut-off."""
    p_patient: float
    """Probability that the patient's mean per 7.5 ml does: the one to sign."""


def decided(table: pd.DataFrame) -> NDArray[np.bool_]:
    """(n,) whether an image has a decision that says what it is; unsure does not."""
    return np.asarray(table.label.notna() & (table.label != Label.UNSURE.value))


def shown(table: pd.DataFrame) -> NDArray[np.bool_]:
    """(n,) whether the classifier or CellSearch shows an image."""
    return np.asarray(table.group != "less")


def confirmed(table: pd.DataFrame) -> NDArray[np.bool_]:
    """(n,) whether an image was called a CTC."""
    return np.asarray(table.label == Label.CTC.value)


def sample(table: pd.DataFrame, known: Knowledge, *, n: int = 2000, seed: int = 0) -> Samples:
    """Samples of the true number of CTCs, given the decisions in `table` (`candidate_table` with a column label).

    Coefficients of the images' chances and readers' rates are drawn near the most probable ones (Laplace), weighed by
    what they make of all decisions, and drawn again by weight (sampling importance resampling, Rubin 1988).
    """
    rng = np.random.default_rng(seed)
    found = reviewed(table, known.errors).update(known.belief)
    drawn, of_readers = found.sample(n, rng), known.errors.sample(n, rng)
    told = table[decided(table) & shown(table)]
    called = called_chance(chances(drawn, design(told)), *rates(of_readers, reader_logits(told)))
    fits = np.log(np.where(confirmed(told), called, 1 - called)).sum(axis=1)
    weight = fits + known.belief.log_density(drawn) - found.log_density(drawn)
    rows = np.sort(rng.choice(n, n, p=np.exp(weight - np.logaddexp.reduce(weight))))
    is_ctc, of_image, chance = _truths(table, drawn[rows], (of_readers[0][rows], of_readers[1][rows]), rng)
    seen = np.asarray(table.label.notna())
    read, unread, ours = numbers(is_ctc, np.column_stack([seen, ~seen, proposed(table)])).T
    return Samples(read, unread, unseen(known.misses, table, is_ctc, rng), ours, of_image, chance)


def _truths(
    table: pd.DataFrame, drawn: Array, of_readers: tuple[Array, Array], rng: np.random.Generator
) -> tuple[NDArray[np.bool_], Array, Array]:
    """(s, n) samples of which images are CTCs, with (s, k) coefficients of images and readers; `Samples.called` and
    `Samples.chance`.

    A block at a time, in float32: arrays of all samples would be 100 MB each and leave the processor's cache.
    """
    x, hard, said = design(table).astype(np.float32), reader_logits(table).astype(np.float32), decided(table)
    ctc, drawn = confirmed(table)[said], drawn.astype(np.float32)
    missed, false_calls = (coefficients.astype(np.float32) for coefficients in of_readers)
    is_ctc = np.empty((len(drawn), len(table)), bool)
    called, chance = np.zeros(len(table)), np.zeros(len(table))
    for start in range(0, len(drawn), BLOCK):
        part = slice(start, start + BLOCK)
        q, (sensitivity, false) = chances(drawn[part], x), rates((missed[part], false_calls[part]), hard)
        called += called_chance(q, sensitivity, false).sum(axis=0, dtype=float)
        chance += q.sum(axis=0, dtype=float)
        q[:, said] = after_decision(q[:, said], ctc, sensitivity[:, said], false[:, said])
        is_ctc[part] = rng.random(q.shape, np.float32) < q
    return is_ctc, called / len(drawn), chance / len(drawn)


def reviewed(table: pd.DataFrame, errors: ReaderErrors) -> Review:
    """The decisions in `table` that say what an image is, by readers with these errors.

    Less certain cells are left out: somebody chose which of them to look at.
    """
    rows = table[decided(table) & shown(table)]
    return Review(design(rows), confirmed(rows), *errors.rates(reader_logits(rows)))


def reader_logits(table: pd.DataFrame) -> Array:
    """(n,) logit P(CTC) that readers' errors follow; an image without a score is as hard as an ordinary other one."""
    return logits(table.probability, missing=0.1)


def after_decision(chance: Array, ctc: NDArray[np.bool_], sensitivity: Array, false_positive: Array) -> Array:
    """The chance (s, n) after one reader's decision (n,), by Bayes' rule with rates (s, n)."""
    if_ctc = np.where(ctc, sensitivity, 1 - sensitivity) * chance
    if_other = np.where(ctc, false_positive, 1 - false_positive) * (1 - chance)
    return np.asarray(if_ctc / np.maximum(if_ctc + if_other, 1e-12))


def reaching(total: Whole, cut_off: int, volume_ml: float = STANDARD_ML) -> Array:
    """(s,) probability that the patient's mean per 7.5 ml reaches the cut-off, with (s,) CTCs in the tube."""
    from scipy.special import gammaincc

    return np.asarray(gammaincc(total + PRIOR, cut_off * volume_ml / STANDARD_ML))


def per_standard(total: Whole, volume_ml: float, rng: np.random.Generator) -> Whole:
    """(s,) CTCs in 7.5 ml of this blood, with (s,) in `volume_ml`: the rest adds some, or a part is taken."""
    if volume_ml > STANDARD_ML:
        return rng.binomial(total, STANDARD_ML / volume_ml)
    density = rng.gamma(total + PRIOR) / volume_ml
    return np.asarray(total + rng.poisson(density * (STANDARD_ML - volume_ml)))


def count(
    table: pd.DataFrame, samples: Samples, *, cut_off: int, volume_ml: float = STANDARD_ML, seed: int = 0
) -> Count:
    """The count of one draw. volume_ml: blood that went into the cartridge."""
    rng, n = np.random.default_rng([seed, 1]), int(confirmed(table).sum())
    tube = per_standard(samples.total, volume_ml, rng)
    mean = rng.gamma(samples.total + 0.5) * STANDARD_ML / volume_ml
    return Count(
        confirmed=n,
        per_7_5_ml=n * STANDARD_ML / volume_ml,
        cellsearch_assigned=int(table.assigned.map(lambda value: value is True).sum()),
        in_tube=_interval(tube),
        concentration=_interval(mean),
        cut_off=cut_off,
        p_tube=float((tube >= cut_off).mean()),
        p_patient=float(reaching(samples.total, cut_off, volume_ml).mean()),
    )


def _interval(values: NDArray[np.generic]) -> Interval:
    low, high = np.quantile(values.astype(float), [0.025, 0.975])
    return Interval(float(values.mean()), float(low), float(high))
