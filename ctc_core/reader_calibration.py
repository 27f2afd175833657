"""How well each reader agrees with what the lab has settled: a fixed set of cells that everybody reads blind.

The answers train nothing and count nothing (`store.calibration`); they only tell each reader, and an expert, how they
read.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ctc_core.agreement import Agreement, cohen, opinion
from ctc_core.errors import UserError
from ctc_core.intervals import Proportion, wilson
from ctc_core.store import Store
from ctc_core.store.calibration import CalibrationSet
from ctc_core.types import Label

CELLS = 60
"""Usual size: five minutes of reading; a sensitivity of .93 from 30 CTCs has the limits .79 and .98."""
FEWEST, MOST = 20, 400
HARD_SHARE = 0.25
"""Cells of a class that the classifier supports least are called hard; half of a set comes from them."""


@dataclass(frozen=True)
class ReaderFigures:
    """How one reader's answers agree with the settled labels: CTC against everything else, unsure left out."""

    reader: str
    cells: int
    """Read, unsure included."""
    unsure: int
    known: int
    """Cells that this reader had labelled or settled before: there the agreement is with oneself."""
    agreement: Agreement
    """Cohen's kappa with the settled labels."""
    sensitivity: Proportion | None
    """Of the CTCs, called so; None: none read."""
    specificity: Proportion | None
    """Of the other cells, not called CTC."""
    easy: Proportion | None
    """Answers that agree, on the cells that are not hard."""
    hard: Proportion | None


# -------------------------------------------------------------------------------------------------------- making a set
def make_set(store: Store, *, n: int = CELLS, seed: int = 0, once: bool = False, reader: str, session: str) -> str:
    """Choose `n` settled cells of training patients and keep them as a set for all readers; returns its id.

    Args:
        store: where the cells are.
        n: cells, half of them CTCs where n is even.
        seed: another one chooses other cells; the same one chooses the same from the same cells.
        once: also cells that one person alone has labelled.
        reader: who makes the set.
        session: as in the journal.

    Raises:
        UserError: too few settled cells.
    """
    with store.frozen():
        chosen = draw(settled(store, once=once), n, seed)
        return store.add_calibration_set(chosen, reader=reader, session=session)


def settled(store: Store, *, once: bool = False) -> pd.DataFrame:
    """Cells that a set may hold (`Store.settled_cells`); those of one reader alone only if asked for (`once`)."""
    cells = store.settled_cells()
    return cells if once else cells[cells.readers > 1].reset_index(drop=True)


def draw(cells: pd.DataFrame, n: int, seed: int = 0) -> pd.DataFrame:
    """Half CTCs, half others; of each, half hard ones where there are so many. In an order that tells nothing.

    Args:
        cells: cell_id, label, probability of being a CTC (NaN: not scored).
        n: cells to choose.
        seed: part of the hash by which cells are chosen and ordered: no other cell changes a cell's place.

    Returns:
        cell_id, label, hard (bool).

    Raises:
        UserError: fewer CTCs or other cells than wanted, or a size out of range.
    """
    if not FEWEST <= n <= MOST:
        message = f"A calibration set has {FEWEST} to {MOST} cells, not {n}. Choose another size."
        raise UserError(message)
    is_ctc = cells.label == Label.CTC
    turn = [hashlib.sha256(f"{seed} {cell_id}".encode()).hexdigest() for cell_id in cells.cell_id]
    known = cells.assign(hard=_hard(cells, is_ctc), turn=turn, is_ctc=is_ctc).sort_values("turn")
    parts = [_some(known[known.is_ctc], n // 2, "CTCs"), _some(known[~known.is_ctc], n - n // 2, "other cells")]
    return pd.concat(parts).sort_values("turn")[["cell_id", "label", "hard"]].reset_index(drop=True)


def _hard(cells: pd.DataFrame, is_ctc: pd.Series) -> pd.Series:
    """The share of each class whose label has the least support of the classifier."""
    support = cells.probability.where(is_ctc, 1 - cells.probability)
    return support.groupby(is_ctc).rank(method="first", pct=True) <= HARD_SHARE


def _some(cells: pd.DataFrame, n: int, what: str) -> pd.DataFrame:
    if len(cells) < n:
        message = (
            f"{n} {what} are wanted, and only {len(cells)} are settled. Ask for fewer cells, or have more cells read "
            "twice: blind second readings come with a round, and disagreements are settled under Agreement."
        )
        raise UserError(message)
    hard = cells[cells.hard].head(n // 2)
    easy = cells[~cells.hard].head(n - len(hard))
    rest = cells.drop([*hard.index, *easy.index]).head(n - len(hard) - len(easy))
    return pd.concat([hard, easy, rest])


# ------------------------------------------------------------------------------------------------------ what came of it
def results(store: Store, made: CalibrationSet) -> tuple[ReaderFigures, ...]:
    """Figures of every reader who is done with a set, by name."""
    answers = store.calibration_answers(made.set_id)
    return tuple(figures(str(name), rows, made.cells) for name, rows in answers.groupby("reader"))


def compared(answers: pd.DataFrame, cells: pd.DataFrame) -> pd.DataFrame:
    """cell_id, label, hard, said, known, opinion and truth (ctc or non-ctc; None: unsure) of the cells read.

    Args:
        answers: cell_id, label, known of one reader.
        cells: cell_id, label, hard of the set.
    """
    both = cells.merge(answers.rename(columns={"label": "said"}), on="cell_id", validate="one_to_one")
    named = {"opinion": both.said, "truth": both.label}
    return both.assign(**{name: _opinions(labels) for name, labels in named.items()})


def _opinions(labels: pd.Series) -> pd.Series:
    return pd.Series([opinion(label) for label in labels], index=labels.index, dtype=object)


def figures(reader: str, answers: pd.DataFrame, cells: pd.DataFrame) -> ReaderFigures:
    """One reader's answers (cell_id, label, known) beside the labels of the set (cell_id, label, hard)."""
    both = compared(answers, cells)
    sure = both[both.opinion.notna()]
    right, is_ctc = (sure.opinion == sure.truth).to_numpy(bool), (sure.truth == Label.CTC).to_numpy(bool)
    hard = sure.hard.to_numpy(bool)
    return ReaderFigures(
        reader=reader,
        cells=len(both),
        unsure=len(both) - len(sure),
        known=int(both.known.sum()),
        agreement=cohen(sure.opinion.tolist(), sure.truth.tolist()),
        sensitivity=_share(right[is_ctc]),
        specificity=_share(right[~is_ctc]),
        easy=_share(right[~hard]),
        hard=_share(right[hard]),
    )


def _share(right: NDArray[np.bool_]) -> Proportion | None:
    return wilson(int(right.sum()), len(right))
