"""What one draw counts, from the store: the count, what may still be unseen, and what to read next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd

from ctc_core.count_knowledge import Situation, situation, worth_a_look
from ctc_core.count_memory import cartridges, imported, kept
from ctc_core.enumeration.candidates import proposed
from ctc_core.enumeration.counts import STANDARD_ML, Count, Samples, Whole, confirmed, count, decided, sample, shown
from ctc_core.enumeration.ppv import PpvRow, pooled, ppv_row
from ctc_core.enumeration.readers import ReaderErrors
from ctc_core.enumeration.stopping import Unseen, reading_order, strange, unseen_ctcs
from ctc_core.enumeration.worth import worth
from ctc_core.errors import SettingsError, UserError
from ctc_core.intervals import Interval
from ctc_core.matched import candidates
from ctc_core.store import Store
from ctc_core.types import Role

THRESHOLDS = (0.4, 0.5, 0.6)
"""Compared in the paper: fewer misses, usual, fewer images."""
QUICK = 400
"""Samples for a figure on a slider; its mean is good to a twentieth of its spread."""


@dataclass(frozen=True)
class CountOptions:
    """Set by whoever signs."""

    cut_off: int = 5
    """CTCs per 7.5 ml (`enumeration.counts.CUT_OFFS`)."""
    volume_ml: float = STANDARD_ML
    """Blood that went into the cartridge."""
    less_certain: int = 100
    """Most cells below the threshold to offer."""


@dataclass(frozen=True)
class AtThreshold:
    """What a threshold means for this draw, as far as it has been read; intervals are 95 %."""

    threshold: float
    images: int
    """Candidates of the classifier."""
    expected_ctcs: float
    """CTCs among them, read or not."""
    expected_wrong: Interval
    """Candidates that are no CTC."""
    expected_missed: Interval
    """CTCs below the threshold, whether CellSearch shows them or not."""


def at_threshold(store: Store, cartridge_id: str, threshold: float) -> AtThreshold:
    """Images, CTCs and misses at one threshold, from the same samples as the count; kept until the store changes.

    Raises:
        UserError: there is no such cartridge.
    """
    return kept(
        store,
        f"at/{cartridge_id}/{threshold}",
        store.revision(),
        lambda: _at_threshold(store, cartridge_id, threshold),
    )


def _at_threshold(store: Store, cartridge_id: str, threshold: float) -> AtThreshold:
    now = situation(store, cartridge_id, threshold)
    samples, images = sample(now.table, now.known, n=QUICK), int(proposed(now.table).sum())
    return AtThreshold(
        threshold,
        images,
        float(samples.proposed.mean()),
        _interval(images - samples.proposed),
        _interval(samples.total - samples.proposed),
    )


def _interval(samples: Whole) -> Interval:
    low, high = np.quantile(samples, [0.025, 0.975], method="inverted_cdf")
    return Interval(float(samples.mean()), float(low), float(high))


@dataclass(frozen=True, eq=False)
class CountReport:
    """Everything the page and the report show of one draw's count."""

    cartridge_id: str
    pseudonym: str
    threshold: float
    options: CountOptions
    shown: int
    """Images in the gallery: candidates and events."""
    read: int
    """Of them decided."""
    found_below: int
    """CTCs that readers confirmed on CellSearch's events below the threshold, or among less certain cells."""
    count: Count
    unseen: Unseen
    ppv: PpvRow
    next_ids: tuple[str, ...]
    """candidate_id of unread images, the likeliest CTC first."""
    worth: Mapping[str, float]
    """By candidate_id of unread images: expected change of P(mean >= cut-off)."""
    less_certain: pd.DataFrame
    """cell_id, probability, cluster, area, unlike, chance (`enumeration.worth.less_certain`)."""
    errors: ReaderErrors
    reviews: int
    """Earlier draws that chances were learned from; 0: assumed."""
    notes: tuple[str, ...]
    """What could not be estimated, as sentences."""


def count_cartridge(
    store: Store, cartridge_id: str, threshold: float, options: CountOptions = CountOptions()
) -> CountReport:
    """The count of one cartridge as far as it has been read.

    Raises:
        UserError: there is no such cartridge.
        SettingsError: a cut-off or volume that cannot be.
    """
    _check(options)
    key = (store.revision(), threshold)  # before anything is read: what is kept must not be older than its key
    now, samples = kept(store, f"samples/{cartridge_id}", key, lambda: _sampled(store, cartridge_id, threshold))
    table, known = now.table, now.known
    evidence = strange(known.belief, table, known.errors, _order_read(table))
    of_image = worth(table, samples, known.errors, cut_off=options.cut_off, volume_ml=options.volume_ml)
    unread, listed = table.label.isna().to_numpy(bool), table[shown(table)]
    return CountReport(
        cartridge_id=cartridge_id,
        pseudonym=pseudonym_of(store, cartridge_id),
        threshold=threshold,
        options=options,
        shown=len(listed),
        read=int(listed.label.notna().sum()),
        found_below=int((confirmed(table) & ~proposed(table)).sum()),
        count=count(table, samples, cut_off=options.cut_off, volume_ml=options.volume_ml),
        unseen=unseen_ctcs(table, samples, cut_off=options.cut_off, evidence=evidence),
        ppv=ppv_row(cartridge_id, table),
        next_ids=reading_order(table, samples),
        worth=dict(zip(map(str, table.candidate_id[unread]), of_image[unread].tolist(), strict=True)),
        less_certain=worth_a_look(store, cartridge_id, table, threshold).head(options.less_certain),
        errors=known.errors,
        reviews=known.belief.patients,
        notes=now.notes,
    )


def _check(options: CountOptions) -> None:
    if options.cut_off < 1 or not 0.5 <= options.volume_ml <= 50:
        message = (
            f"Cut-off {options.cut_off}, {options.volume_ml} ml: a count needs a cut-off of 1 or more and 0.5 to 50 ml "
            "of blood. Usual are 5 (breast, prostate) or 3 (colorectal) per 7.5 ml."
        )
        raise SettingsError(message)


def pseudonym_of(store: Store, cartridge_id: str) -> str:
    """Whose cartridge it is."""
    return str(imported(store).set_index("cartridge_id").pseudonym[cartridge_id])


def _sampled(store: Store, cartridge_id: str, threshold: float) -> tuple[Situation, Samples]:
    """Kept together: a table of another moment may have other rows."""
    now = situation(store, cartridge_id, threshold)
    return now, sample(now.table, now.known)


def _order_read(table: pd.DataFrame) -> list[int]:
    """Rows of `table` with a decision that says what they are, as they were made."""
    rows = np.flatnonzero(decided(table) & shown(table))
    return sorted(rows.tolist(), key=table.time.tolist().__getitem__)


# ---- several draws ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class FollowUp:
    """One draw of a patient in time."""

    cartridge_id: str
    imported: datetime
    """UTC. The archive's draw date is patient data and not kept."""
    read: int
    shown: int
    count: Count


def follow_up(
    store: Store, pseudonym: str, threshold: float, options: CountOptions = CountOptions()
) -> tuple[FollowUp, ...]:
    """Counts of all draws of one patient, oldest first; all with the same volume and cut-off.

    Raises:
        UserError: the patient has no cartridge in the store.
    """
    every = cartridges(store)
    own = every[every.pseudonym == pseudonym].sort_values(["imported_at", "cartridge_id"])
    if own.empty:
        message = f"{pseudonym}: no cartridge of this patient in the store. Ingest one first."
        raise UserError(message)
    reports = [count_cartridge(store, str(id_), threshold, options) for id_ in own.cartridge_id]
    times = [time.to_pydatetime() for time in own.imported_at]
    return tuple(
        FollowUp(report.cartridge_id, time, report.read, report.shown, report.count)
        for report, time in zip(reports, times, strict=True)
    )


@dataclass(frozen=True)
class PpvTable:
    """The paper's Table 2 for this store."""

    rows: tuple[PpvRow, ...]
    """One for each patient of which an image was decided."""
    seen: tuple[str, ...]
    """Patients whose labels the classifier was fitted on: its candidates of them are too good. Not pooled."""
    pooled: PpvRow | None
    """All patients that the classifier did not see and that were read completely."""


def ppv_table(store: Store, threshold: float) -> PpvTable:
    """Predictive values of every patient with a decision, from the decisions in the store."""
    every = cartridges(store)
    read = every[every.decided > 0]
    rows = tuple(
        pooled(str(patient), [ppv_row(str(id_), candidates(store, str(id_), threshold)) for id_ in own.cartridge_id])
        for patient, own in read.groupby("pseudonym")
    )
    seen = set(read.pseudonym[read.role == Role.TRAIN])
    rows = tuple(row for row in rows if row.model.read + row.cellsearch.read)
    whole = [row for row in rows if row.complete and row.name not in seen]
    return PpvTable(rows, tuple(sorted(seen)), pooled("all", whole) if whole else None)
