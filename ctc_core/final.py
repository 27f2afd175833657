"""The paper's last experiment on simulated patients: the model after the rounds, on ten patients nobody has seen.

Each cohort seed has its own labelled cells (half of a cohort, one in four a CTC), the unread cartridges of other
training patients, which the rounds ask about, and its own ten unseen patients. A simulated reader decides on every
candidate and every event; from that come the rows of Table 2 and the overlap of figure 4.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ctc_core.classify import Classifier
from ctc_core.enumeration.ppv import PpvRow, pooled, ppv_row
from ctc_core.intervals import Proportion
from ctc_core.rounds.cohort import Cohort
from ctc_core.rounds.experiment import Plan, loops, setting_with_pool
from ctc_core.rounds.unseen import Draws
from ctc_core.types import Label, Progress, silent

ROUND = 300
"""Cells of a round: five minutes, as published, at a cell a second."""

MISSED, FALSE = 0.04, 0.003
"""Share of CTCs that the simulated reader does not call so, and of other images that are called CTC (assumed; the
first as readers in Ignatiadis et al. 2014 agree)."""


@dataclass(frozen=True)
class Result:
    """One cohort seed."""

    seed: int
    rows: tuple[PpvRow, ...]
    truth: tuple[int, ...]
    """CTCs on each cartridge."""
    n_train: int
    """Labelled cells after the last round."""
    before: PpvRow
    """All patients together, by the classifier before the first round."""

    @property
    def pooled(self) -> PpvRow:
        """All patients together."""
        return pooled(f"seed {self.seed}", self.rows)


def run(
    cohort_of: Callable[[int], Cohort],
    pool_of: Callable[[int], Draws],
    draws_of: Callable[[int], Draws],
    *,
    seeds: int,
    strategy: str,
    plan: Plan,
    encoder_id: str,
    progress: Progress = silent,
) -> list[Result]:
    """One result for each cohort seed; `cohort_of`, `pool_of` and `draws_of` give the patients of a seed."""
    results = []
    for seed in range(seeds):
        setting = setting_with_pool(cohort_of(seed), _unlabelled(pool_of(seed)), seed, encoder_id=encoder_id)
        first, *_, last = loops(setting, strategy, seed, plan, encoder_id)
        draws = draws_of(seed)
        (before, _), (rows, truth) = (_apply(one.classifier, draws, seed, plan.threshold) for one in (first, last))
        results.append(Result(seed, rows, truth, last.n_train, pooled(f"seed {seed}, before the rounds", before)))
        progress(seed + 1, seeds, "Cohorts")
    return results


def _unlabelled(draws: Draws) -> Cohort:
    """Cells as a pool; the simulated expert knows what they are."""
    return Cohort(draws.vectors, draws.is_ctc, np.where(draws.is_ctc, "ctc", "other"), draws.patients)


def _apply(
    classifier: Classifier, draws: Draws, seed: int, threshold: float
) -> tuple[tuple[PpvRow, ...], tuple[int, ...]]:
    """A row for each patient, and the true CTCs of each."""
    table = read(draws, np.asarray(classifier.probabilities(draws.vectors), float), threshold, seed)
    groups = list(table.groupby("patient", sort=False))
    rows = tuple(ppv_row(str(number), part) for number, (_, part) in enumerate(groups, start=1))
    return rows, tuple(int(part.is_ctc.sum()) for _, part in groups)


def read(draws: Draws, probability: np.ndarray, threshold: float, seed: int) -> pd.DataFrame:
    """Cells as in `enumeration.candidate_table`, with patient, is_ctc and what a simulated reader says of those shown.

    probability: (n,) P(CTC).
    """
    rng = np.random.default_rng([seed, 6])
    called = np.where(draws.is_ctc, 1 - MISSED, FALSE) > rng.random(len(draws.is_ctc))
    proposed, shown = probability >= threshold, draws.shown
    group = np.select([proposed & shown, proposed, shown], ["agreed", "model", "cellsearch"], "less")
    label = np.where(called, Label.CTC.value, Label.NON_CTC.value).astype(object)
    label[group == "less"] = None
    return pd.DataFrame({
        "patient": draws.patients,
        "group": group,
        "event_rid": ["event" if there else None for there in shown],
        "assigned": [bool(one) if there else None for one, there in zip(draws.assigned, shown, strict=True)],
        "label": label,
        "is_ctc": draws.is_ctc,
    })  # fmt: skip


# ---- what came of it -------------------------------------------------------------------------------------------------

HEAD = (
    "| patient | candidates | CTCs | PPV | events | CTCs | PPV | by both | model only | CellSearch only | true CTCs |\n"
    "|---|---|---|---|---|---|---|---|---|---|---|"
)


def markdown(results: Sequence[Result]) -> str:
    """Table 2 and figure 4 for each seed, pooled rows with 95 % Wilson intervals."""
    parts = ["Simulated patients, simulated reader; cells are the true objects (no segmenter)."]
    for result in results:
        rows = [_line(row, true) for row, true in zip(result.rows, result.truth, strict=True)]
        ends = [_line(row, sum(result.truth), limits=True) for row in (result.pooled, result.before)]
        parts += [f"\nCohort seed {result.seed}, {result.n_train} labelled cells\n", HEAD, *rows, *ends]
    return "\n".join(parts)


def _line(row: PpvRow, true: int, *, limits: bool = False) -> str:
    ours, theirs, overlap = row.model, row.cellsearch, row.overlap
    cells = [
        row.name, ours.shown, ours.ctcs, _share(ours.ppv, limits), theirs.shown, theirs.ctcs,
        _share(theirs.ppv, limits), overlap.both, overlap.model_only, overlap.cellsearch_only, true,
    ]  # fmt: skip
    return f"| {' | '.join(map(str, cells))} |"


def _share(value: Proportion | None, limits: bool) -> str:
    if value is None:
        return "–"
    return f"{value.estimate:.3f}" + (f" ({value.low:.3f} to {value.high:.3f})" if limits else "")


def values(result: Result, row_values: Callable[[PpvRow, float], dict[str, Any]], seconds: float) -> dict[str, Any]:
    """One seed as plain values. row_values: of one row, as the command `ppv` prints it."""
    rows = [
        {**row_values(row, seconds), "true_ctcs": true} for row, true in zip(result.rows, result.truth, strict=True)
    ]
    ends = {
        name: {**row_values(row, seconds), "true_ctcs": sum(result.truth)}
        for name, row in (("pooled", result.pooled), ("before", result.before))
    }
    return {"seed": result.seed, "n_train": result.n_train, "patients": rows, **ends}
