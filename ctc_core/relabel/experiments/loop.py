"""One run: fit, score on the test cells, choose, label, fit again."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ctc_core.relabel import svm
from ctc_core.relabel.evidence import Evidence
from ctc_core.relabel.experiments.cells import Group
from ctc_core.relabel.validation import f1_of, monte_carlo_splits, validate
from ctc_core.reliability.metrics import Counts, count

Record = dict[str, Any]


@dataclass(frozen=True)
class State:
    """Where a run stands before a choice. Rows are positions among the training cells."""

    cells: Group
    train: list[int]
    """Rows in the order in which they came."""
    pool: list[int]
    """Rows that may be chosen, in their order."""
    model: svm.Svm
    """Fitted on `train`."""
    seed: int
    """Of the run."""

    def evidence(self, *, by_f1: bool) -> Evidence:
        """What a strategy may know; without `by_f1` the classifier is not validated and its figures are empty."""
        train, pool = np.array(self.train, np.int64), np.array(self.pool, np.int64)
        features, labels, clusters = self.cells.features, self.cells.labels, self.cells.clusters
        splits = monte_carlo_splits(len(train)) if by_f1 else ()
        known = validate(features[train], labels[train], clusters[train], splits)
        return Evidence(
            pool=np.asarray(features[pool], np.float32),
            pool_probability=self.model.probability(features[pool]),
            pool_cluster=clusters[pool],
            train=np.asarray(features[train], np.float32),
            train_label=labels[train],
            train_cluster=clusters[train],
            cluster_f1=known.cluster_f1,
            cluster_n=known.cluster_n,
            wrong_class=known.wrong_class,
        )


Choose = Callable[[State, int], list[int]]
"""choose(state, loop): rows of the pool to label, in the order in which they join the training cells; loop 1, 2, ..."""


def run(
    cells: Group,
    test: Group,
    start: Sequence[int],
    pool: Sequence[int],
    choose: Choose,
    *,
    loops: int,
    about: Record,
    spent: list[float] | None = None,
) -> list[Record]:
    """Records of loop 0 (fitted on `start`) to `loops`; `about` holds strategy and seed.

    spent: gets the seconds of each choice, validation included; records stay free of what a clock says.
    """
    state = _fitted(cells, list(start), list(pool), about["seed"])
    records = score(state.model, test, {**about, "loop": 0, "n_train": len(start)}, rows=list(start))
    for loop in range(1, loops + 1):
        began = time.perf_counter()
        drawn = choose(state, loop)
        if spent is not None:
            spent.append(time.perf_counter() - began)
        gone = set(drawn)
        state = _fitted(cells, state.train + drawn, [row for row in state.pool if row not in gone], state.seed)
        records += score(state.model, test, {**about, "loop": loop, "n_train": len(state.train)}, rows=drawn)
    return records


def _fitted(cells: Group, train: list[int], pool: list[int], seed: int) -> State:
    rows = np.array(train, np.int64)
    return State(cells, train, pool, svm.fit(cells.features[rows], cells.labels[rows]), seed)


# ---- scores ---------------------------------------------------------------------------------------------------------


def score(model: svm.Svm, test: Group, about: Record, rows: list[int]) -> list[Record]:
    """One record for all test cells, then one for each cluster, ascending; `rows` stand on the first.

    Where nothing can tell a figure it is what the published implementation writes: precision 0 where nothing is called
    CTC, recall 0 where no cell is one; F1 is 1 where neither is the case. Where the folder names kinds the first record
    also has `rarest_recall`: the share found of the CTCs of the rarest kind.
    """
    called = model.call(test.features)
    whole = np.ones(len(test), bool)
    records = [{**about, "cluster": None, **_figures(test, called, whole), "rows": rows}]
    if test.rare is not None and test.rare.any():
        records[0]["rarest_recall"] = float((called[test.rare] == 1).mean())
    return records + [
        {**about, "cluster": cluster, **_figures(test, called, test.clusters == cluster)}
        for cluster in sorted(set(test.clusters.tolist()))
    ]


def _figures(test: Group, called: NDArray[np.int64], inside: NDArray[np.bool_]) -> Record:
    labels, calls = test.labels[inside], called[inside]
    counts = count(labels, calls == 1)
    return {
        "n_test": counts.n,
        "f1": f1_of(labels, calls),
        "precision": _share(counts.tp, counts.fp),
        "recall": _share(counts.tp, counts.fn),
        "balanced_accuracy": _balanced_accuracy(counts),
    }


def _share(right: int, wrong: int) -> float:
    return right / (right + wrong) if right + wrong else 0.0


def _balanced_accuracy(counts: Counts) -> float:
    """Mean of the shares right of both classes, or that of the only one."""
    classes = [(counts.tp, counts.fn), (counts.tn, counts.fp)]
    shares = [_share(right, wrong) for right, wrong in classes if right + wrong]
    return sum(shares) / len(shares) if shares else 0.0
