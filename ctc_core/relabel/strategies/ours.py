"""Our strategy: labels go where they should remove the most errors, and there to unsure cells that differ.

To an expert: "The desk shares your labels out by how many errors each area holds, and gives every area a few. Within an
area it asks for cells that the classifier is unsure of and that differ from each other; where hardly anything is
labelled, for typical cells first."
"""

from __future__ import annotations

import numpy as np

from ctc_core.relabel.allocation import error_counts
from ctc_core.relabel.evidence import Evidence, Selection
from ctc_core.relabel.strategies.choice import Rows, cluster_name, nearest_squared, smallest
from ctc_core.relabel.strategies.cluster_margin import different
from ctc_core.relabel.strategies.typical import typical_rows
from ctc_core.relabel.strategies.uncertainty import margin_of

COLD = 5
"""With fewer labels in a cluster the classifier's doubts there say little: typical cells come first."""
CANDIDATES = 1.5
"""Unsure cells looked at for each that is taken. Twice as many made them surer than their variety was worth."""


def ours(evidence: Evidence, n: int, seed: int) -> Selection:
    """Shares by `allocation.error_counts`; in each cluster typical cells, then unsure ones that differ.

    Each cluster's most wanted cells come first, so that an expert who stops early has seen every area.
    """
    ids = sorted({*evidence.pool_cluster.tolist(), *evidence.train_cluster.tolist()})
    available = {cluster: int((evidence.pool_cluster == cluster).sum()) for cluster in ids}
    counts = error_counts(evidence.cluster_f1, evidence.cluster_n, available, n)
    chosen = []
    for cluster, number in counts.items():
        for turn, (row, why) in enumerate(_from_cluster(evidence, cluster, number, seed)):
            chosen.append(((turn + 0.5) / number, row, why))
    chosen.sort()
    summary = "Cells of all areas, shared out by the errors that labels should remove; unsure ones that differ."
    return Selection(np.array([row for _, row, _ in chosen], np.int64), tuple(why for *_, why in chosen), summary)


def _from_cluster(evidence: Evidence, cluster: int, number: int, seed: int) -> list[tuple[int, str]]:
    """Rows of one cluster with their reasons, the most wanted first."""
    typical = _typical(evidence, cluster, number, seed)
    unsure = _unsure(evidence, cluster, typical, number - len(typical), seed)
    where = cluster_name(cluster)
    reason = f"Typical of {where}, where hardly any cell is labelled."
    lonely = _lonely(evidence, unsure)
    return [(row, reason) for row in typical.tolist()] + [
        (row, _unsure_reason(evidence, row, where, lonely=alone))
        for row, alone in zip(unsure.tolist(), lonely, strict=True)
    ]


def _typical(evidence: Evidence, cluster: int, number: int, seed: int) -> Rows:
    """Typical cells of a cluster with fewer than `COLD` labels, up to that number."""
    train = evidence.train[evidence.train_cluster == cluster]
    rows = np.flatnonzero(evidence.pool_cluster == cluster)
    found, _ = typical_rows(evidence.pool[rows], train, min(number, max(COLD - len(train), 0)), seed)
    return rows[np.array(found, np.int64)]


def _unsure(evidence: Evidence, cluster: int, taken: Rows, number: int, seed: int) -> Rows:
    """The least sure cell of each of `number` groups of unsure cells."""
    free = evidence.pool_cluster == cluster
    free[taken] = False
    rows = np.flatnonzero(free)
    rows = rows[smallest(margin_of(evidence.pool_probability[rows]), int(CANDIDATES * number), seed)]
    return rows[different(evidence.pool[rows], number)] if number else rows[:0]


def _lonely(evidence: Evidence, rows: Rows) -> list[bool]:
    """Of cells asked for together, the half that is farther from all labelled ones."""
    nearest = nearest_squared(evidence.pool[rows], evidence.train)
    return [bool(value) for value in nearest >= np.median(nearest)] if len(rows) else []


def _unsure_reason(evidence: Evidence, row: int, where: str, *, lonely: bool) -> str:
    unsure = f"The classifier is unsure here (P = {evidence.pool_probability[row]:.2f})"
    return f"{unsure} and few cells like it are labelled." if lonely else f"{unsure}, in {where}."
