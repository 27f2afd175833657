"""Simulated draws for the experiments on counts: probabilities, events and truth of every cell, without pixels.

A lab has a classifier, readers who err, and patients who differ; the desk learns of it what a desk learns: decisions in
earlier draws, cells read twice, error rates by cluster from decided cells. Numbers are tuned to the paper's Table 2
(candidates, events, predictive values, CTCs found by one side only). Scores do not follow the desk's model: they are
mixtures of normal distributions with patients' own shifts, and readers and CellSearch err more on difficult cells.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ctc_core.enumeration.counts import Knowledge, reviewed
from ctc_core.enumeration.misses import misses
from ctc_core.enumeration.readers import ReaderErrors, reader_errors
from ctc_core.enumeration.recalibration import learn
from ctc_core.reliability import Evidence, Rates, rates
from ctc_core.types import Label

CLUSTERS = (0, 1, 2, 3)
"""Typical CTCs, difficult cells, debris, leukocytes."""
CTC_SHARES = np.array([0.65, 0.25, 0.07, 0.03])
CTC_SCORES = np.array([[3.2, 1.3], [1.0, 1.6], [-0.2, 1.6], [-1.0, 1.5]])
"""Mean and standard deviation of logit P(CTC) of CTCs in each cluster: 87 % reach P = .5."""
OTHERS = np.array([15.0, 150.0, 1500.0, 3135.0])
"""Other cells of a cartridge: 4,800, as in the paper's ten patients."""
OTHER_SCORES = np.array([[-0.5, 1.5], [-2.0, 1.6], [-4.0, 1.3], [-5.0, 1.2]])
SHIFT, SPREAD = 0.4, 0.5
"""Standard deviation between patients: of scores in each cluster, and of the logarithm of the number of other cells."""
SHOWN = np.array([0.97, 0.92, 0.85, 0.80])
"""Share of CTCs in each cluster that CellSearch shows."""
EVENTS = (250.0, 0.6, 80.0, 1200.0)
"""Events without a CTC: median, logarithmic spread, least, most."""
DIFFICULTY = np.array([0.6, 2.0, 2.0, 2.0])
"""How many times likelier than on average readers and operator miss a CTC of each cluster."""
CONFUSION = np.array([4.0, 2.5, 0.7, 0.4])
"""The same for taking another cell for a CTC."""
METASTATIC, LOW = (16.0, 143.0), (0.5, 12.0)
"""Range of the mean number of CTCs: the paper's patients, and patients around the cut-off."""


@dataclass(frozen=True, eq=False)
class SimulatedDraw:
    """One cartridge."""

    table: pd.DataFrame
    """What the gallery shows: columns of `candidate_table` that matter here, cluster, is_ctc, and `said` (what the
    reader says when asked)."""
    called: NDArray[np.int64]
    """(c,) candidates by cluster."""
    total: NDArray[np.int64]
    """(c,) cells by cluster."""
    hidden: int
    """CTCs that neither side shows."""
    density: float
    """Mean number of CTCs in 7.5 ml of this patient's blood."""
    volume_ml: float
    beyond: int
    """CTCs in the blood up to 7.5 ml that is not on the cartridge."""
    evidence: pd.DataFrame
    """cluster, is_ctc (as read), called: decided cells and a few others, from which error rates are learned."""

    @property
    def ctcs(self) -> int:
        """CTCs on the cartridge."""
        return int(self.table.is_ctc.sum()) + self.hidden


@dataclass(frozen=True, eq=False)
class Lab:
    """Readers, and what the desk knows after some draws."""

    sensitivity: float
    false_positive: float
    belief_and_errors: Knowledge
    rates: Rates

    def knowledge(self, draw: SimulatedDraw) -> Knowledge:
        """What the desk knows before a draw is read."""
        known = self.belief_and_errors
        return Knowledge(known.belief, known.errors, misses(self.rates, draw.total))


def open_lab(rng: np.random.Generator, *, earlier: int = 12, twice: int = 3) -> Lab:
    """A lab after `earlier` draws that were read to the end, of which `twice` were read by two readers."""
    sensitivity, false_positive = float(rng.uniform(0.90, 0.98)), float(rng.uniform(0.001, 0.006))
    draws = [
        simulate_draw(rng, density(rng, METASTATIC if i % 2 else LOW), sensitivity, false_positive)
        for i in range(earlier)
    ]
    tables = [draw.table.assign(label=draw.table.said) for draw in draws]
    errors = _read_twice(rng, draws[-twice:], sensitivity, false_positive)
    belief = learn([reviewed(table, errors) for table in tables])
    return Lab(sensitivity, false_positive, Knowledge(belief, errors), _rates(draws))


def density(rng: np.random.Generator, between: tuple[float, float]) -> float:
    """Mean number of CTCs per 7.5 ml of a patient, log-uniform."""
    return float(np.exp(rng.uniform(*np.log(between))))


def simulate_draw(
    rng: np.random.Generator, mean: float, sensitivity: float, false_positive: float, volume_ml: float = 7.5
) -> SimulatedDraw:
    """One cartridge of a patient with `mean` CTCs per 7.5 ml, and what a reader with these rates would say of it."""
    n = int(rng.poisson(mean * volume_ml / 7.5))
    beyond = int(rng.poisson(mean * max(0.0, 7.5 - volume_ml) / 7.5))
    cells = pd.concat([_ctcs(rng, n), _others(rng)], ignore_index=True)
    cells["said"] = _say(rng, cells, sensitivity, false_positive)
    table = _gallery(cells)
    called, size = cells.probability >= 0.5, len(CLUSTERS)
    outside = ~cells.cell_id.isin(table.cell_id)
    few = cells[outside & cells.cell_id.notna()].sample(60, random_state=int(rng.integers(2**31)))
    known = pd.concat([table[table.cell_id.notna()], few])
    evidence = known.assign(is_ctc=known.said == Label.CTC.value, called=known.probability >= 0.5)
    return SimulatedDraw(
        table,
        np.bincount(cells.cluster[called], minlength=size),
        np.bincount(cells.cluster[cells.cell_id.notna()], minlength=size),
        n - int(table.is_ctc.sum()),
        mean,
        volume_ml,
        beyond,
        evidence[["cluster", "is_ctc", "called"]],
    )


# ---- cells -----------------------------------------------------------------------------------------------------------


def _ctcs(rng: np.random.Generator, n: int) -> pd.DataFrame:
    """One CTC in a hundred is not found by the segmenter."""
    shares = rng.dirichlet(CTC_SHARES * 40)
    cluster = rng.choice(len(CLUSTERS), n, p=shares)
    logit = rng.normal(*CTC_SCORES[cluster].T) + rng.normal(0, SHIFT, len(CLUSTERS))[cluster]
    odds = SHOWN / (1 - SHOWN) * np.exp(rng.normal(0, 0.5))
    event = rng.random(n) < (odds / (1 + odds))[cluster]
    sensitivity = rng.uniform(0.90, 0.97)
    assigned = event & (rng.random(n) >= (1 - sensitivity) * DIFFICULTY[cluster])
    return _cells(rng, cluster, logit, event, assigned, is_ctc=True, without_cell=0.01)


def _others(rng: np.random.Generator) -> pd.DataFrame:
    numbers = rng.poisson(OTHERS * np.exp(rng.normal(0, SPREAD, len(OTHERS))))
    cluster = np.repeat(np.arange(len(CLUSTERS)), numbers)
    logit = rng.normal(*OTHER_SCORES[cluster].T) + rng.normal(0, SHIFT, len(CLUSTERS))[cluster]
    median, spread, least, most = EVENTS
    due = min(int(np.clip(median * np.exp(rng.normal(0, spread)), least, most)), len(cluster))
    weight = np.exp(0.35 * logit)
    event = np.zeros(len(cluster), bool)
    event[rng.choice(len(cluster), due, replace=False, p=weight / weight.sum())] = True
    assigned = event & (rng.random(len(cluster)) < rng.uniform(0.002, 0.012) * CONFUSION[cluster])
    return _cells(rng, cluster, logit, event, assigned, is_ctc=False, without_cell=0.1)


def _cells(
    rng: np.random.Generator,
    cluster: NDArray[np.int64],
    logit: NDArray[np.float64],
    event: NDArray[np.bool_],
    assigned: NDArray[np.bool_],
    *,
    is_ctc: bool,
    without_cell: float,
) -> pd.DataFrame:
    lost = (rng.random(len(cluster)) < without_cell) & (event | is_ctc)
    ids = [None if gone else f"{is_ctc:d}-{i}" for i, gone in enumerate(lost)]
    return pd.DataFrame(
        {
            "cell_id": ids,
            "event_rid": ["e" if shown else None for shown in event],
            "assigned": [bool(call) if shown else None for shown, call in zip(event, assigned, strict=True)],
            "cluster": cluster,
            "probability": np.where(lost, np.nan, 1 / (1 + np.exp(-logit))),
            "is_ctc": is_ctc,
        }
    )


def _say(rng: np.random.Generator, cells: pd.DataFrame, sensitivity: float, false_positive: float) -> NDArray[np.str_]:
    """What a reader says of each cell."""
    cluster, ctc = cells.cluster.to_numpy(), cells.is_ctc.to_numpy()
    yes = np.where(ctc, 1 - (1 - sensitivity) * DIFFICULTY[cluster], false_positive * CONFUSION[cluster])
    return np.where(rng.random(len(cells)) < yes, Label.CTC.value, Label.NON_CTC.value)


def _gallery(cells: pd.DataFrame) -> pd.DataFrame:
    proposed, shown = cells.probability >= 0.5, cells.event_rid.notna()
    group = np.select([proposed & shown, proposed], ["agreed", "model"], "cellsearch")
    table = cells.assign(group=group, label=None)[proposed | shown].reset_index(drop=True)
    return table.assign(candidate_id=[str(i) for i in range(len(table))])


# ---- what the desk learns --------------------------------------------------------------------------------------------


def _read_twice(
    rng: np.random.Generator, draws: list[SimulatedDraw], sensitivity: float, false_positive: float
) -> ReaderErrors:
    """Two readers of these draws, who err independently; disagreements are settled rightly."""
    table = pd.concat([draw.table for draw in draws], ignore_index=True)
    ids = [str(i) for i in range(len(table))]
    said = [_say(rng, table, sensitivity, false_positive) for _ in range(2)]
    truth = np.where(table.is_ctc, Label.CTC.value, Label.NON_CTC.value)
    settled = np.where(said[0] == said[1], said[0], truth)
    readings = pd.concat(
        [
            pd.DataFrame({"cell_id": ids, "reader": name, "label": one, "probability": table.probability})
            for name, one in zip("ab", said, strict=True)
        ]
    )
    return reader_errors(readings, dict(zip(ids, settled.tolist(), strict=True)))


def _rates(draws: list[SimulatedDraw]) -> Rates:
    rows = pd.concat([draw.evidence.assign(patient=str(i)) for i, draw in enumerate(draws)], ignore_index=True)
    evidence = Evidence(
        tuple(str(i) for i in range(len(rows))),
        rows.patient.to_numpy(np.str_),
        rows.cluster.to_numpy(np.int64),
        rows.is_ctc.to_numpy().astype(np.int64),
        rows.called.to_numpy(bool),
    )
    return rates(evidence, CLUSTERS)
