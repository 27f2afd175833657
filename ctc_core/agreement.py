"""How well readers agree: Cohen's and Fleiss' kappa with 95 % intervals. Pure functions on tables of readings.

A reading is what one reader says about one cell: columns cell_id, reader, label. Asked is whether a cell is a CTC: all
other labels count alike, and unsure is no opinion.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ctc_core.intervals import Z95, Interval
from ctc_core.types import Label


@dataclass(frozen=True)
class Agreement:
    """Agreement on the cells that at least two of some readers have read."""

    n: int
    """Cells."""
    readers: int
    observed: float | None
    """Share of pairs of readings of the same cell that agree; None without a cell."""
    expected: float | None
    """The same if every reader drew labels at random as often as before."""
    kappa: Interval | None
    """1: always, 0: as often as by chance; None without a cell, or where all readings are alike."""


def cohen(first: Sequence[str], second: Sequence[str]) -> Agreement:
    """Cohen's kappa of two readers who read the same cells, item by item (Cohen 1960)."""
    left, right = np.asarray(first, dtype=np.str_), np.asarray(second, dtype=np.str_)
    if len(left) == 0:
        return Agreement(0, 2, None, None, None)
    shares = [((left == label).mean(), (right == label).mean()) for label in np.union1d(left, right)]
    expected = float(sum(a * b for a, b in shares))
    return _agreement(len(left), 2, float((left == right).mean()), expected)


def fleiss(counts: NDArray[np.int64], readers: int | None = None) -> Agreement:
    """Fleiss' kappa (Fleiss 1971) of any number of readers.

    Args:
        counts: (n, labels) how many readers gave a cell each label. Cells with fewer than two readings are left out.
            The number of readings may differ from cell to cell: each cell then counts with its own share of agreeing
            pairs (Fleiss, Levin and Paik 2003, section 18.3).
        readers: how many readers there were; None: as many as the most often read cell has.
    """
    counts = counts[counts.sum(axis=1) >= 2]
    if len(counts) == 0:
        return Agreement(0, readers or 0, None, None, None)
    read = counts.sum(axis=1)
    agreeing = (counts * (counts - 1)).sum(axis=1) / (read * (read - 1))
    shares = counts.sum(axis=0) / counts.sum()
    return _agreement(len(counts), readers or int(read.max()), float(agreeing.mean()), float((shares**2).sum()))


def overall(readings: pd.DataFrame) -> Agreement:
    """All readers on all cells that two or more of them read: Cohen's kappa for two readers, else Fleiss'."""
    return _of_table(_table(readings))


def pairs(readings: pd.DataFrame) -> dict[tuple[str, str], Agreement]:
    """Cohen's kappa of every two readers with cells in common, by their names in alphabetical order."""
    table = _table(readings)
    found = {(a, b): _of_table(table[[a, b]]) for a, b in itertools.combinations(table.columns, 2)}
    return {pair: agreement for pair, agreement in found.items() if agreement.n}


def by_cluster(readings: pd.DataFrame, clusters: Mapping[str, int]) -> dict[int, Agreement]:
    """As `overall` within each cluster that has cells read twice; a cell without a cluster is left out."""
    table = _table(readings)
    groups = table.groupby(table.index.map(clusters)) if len(table) else ()
    found = {int(cluster): _of_table(rows) for cluster, rows in groups}
    return {cluster: agreement for cluster, agreement in found.items() if agreement.n}


def against_consensus(readings: pd.DataFrame, consensus: Mapping[str, str]) -> dict[str, Agreement]:
    """Cohen's kappa of every reader with the consensus, on cells that others have read too.

    Cells in open conflict have no consensus and are left out, which flatters; adjudicate them first.
    """
    table = _table(readings)
    known = table.index.map(lambda cell_id: opinion(consensus.get(cell_id)))
    return {
        reader: _of_table(pd.DataFrame({reader: table[reader].to_numpy(), "": known}, dtype=object))
        for reader in table.columns
    }


def _table(readings: pd.DataFrame) -> pd.DataFrame:
    """Opinions by cell and reader (None: no opinion), of cells with two or more of them."""
    label = pd.Series([opinion(label) for label in readings.label], index=readings.index, dtype=object)
    opinions = readings.assign(label=label).dropna(subset="label")
    table = opinions.pivot(index="cell_id", columns="reader", values="label").astype(object)
    return table[table.notna().sum(axis=1) >= 2]


def opinion(label: str | None) -> str | None:
    """A label as an answer to whether a cell is a CTC (ctc or non-ctc); None where there is none, or unsure."""
    if label is None or label == Label.UNSURE:
        return None
    return str(Label.CTC if label == Label.CTC else Label.NON_CTC)


def _of_table(table: pd.DataFrame) -> Agreement:
    """Agreement between the columns of a table of opinions; only columns with cells in common count."""
    table = table[table.notna().sum(axis=1) >= 2].dropna(axis="columns", how="all")
    if table.shape[1] == 2:
        return cohen(*(table[reader].tolist() for reader in table.columns))
    labels = (Label.CTC, Label.NON_CTC)
    counts = np.column_stack([(table == label).sum(axis=1) for label in labels]).astype(np.int64)
    return fleiss(counts, readers=table.shape[1])


def _agreement(n: int, readers: int, observed: float, expected: float) -> Agreement:
    """Limits: the score interval of the observed agreement (Wilson 1927), given the agreement expected by chance.

    Cohen (1960) takes the standard error the same way; the usual normal limits are [1, 1] wherever all readings agree,
    however few they are. Simulated readings (30 to 300 cells, 8 to 50 % CTCs, kappa .22 to .92): two readers' intervals
    hold the true kappa in 93 to 99 %. With more readers a cell's share of agreeing pairs varies less than a yes or no,
    and the intervals are on the wide side (four readers: 96 to 100 %).
    """
    if expected >= 1 - 1e-12:
        return Agreement(n, readers, observed, expected, None)
    limits = (_score(observed, n, sign) for sign in (-1, 1))
    low, high = ((limit - expected) / (1 - expected) for limit in limits)
    return Agreement(n, readers, observed, expected, Interval((observed - expected) / (1 - expected), low, high))


def _score(share: float, n: int, sign: int) -> float:
    """Lower (-1) or upper (1) 95 % limit of a share of `n` cells."""
    z2 = Z95 * Z95
    half = Z95 * np.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    return float(np.clip((share + z2 / (2 * n) + sign * half) / (1 + z2 / n), 0.0, 1.0))
