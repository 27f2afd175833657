"""The published real-world experiment on a features folder, as far as a folder can tell it.

The expert's answers have to be in the folder: a column `expert` of `df_unlabeled_train`, 1 CTC, 0 non-CTC, all else
not seen. The published folder has none; then only the start is scored and the first gallery is proposed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ctc_core.errors import SettingsError
from ctc_core.features import FeaturesFolder
from ctc_core.relabel import svm
from ctc_core.relabel.experiments.cells import Group, test_group, training_group
from ctc_core.relabel.experiments.draws import draw
from ctc_core.relabel.experiments.loop import Record, score
from ctc_core.relabel.experiments.simulated import CLUSTER_SPECIFIC
from ctc_core.relabel.validation import pooled

GALLERY = 1000
"""Most cells in the gallery of a loop (published)."""
EXPERT = "expert"
"""Column of `df_unlabeled_train` with the expert's answers."""


@dataclass(frozen=True)
class Real:
    """How far the expert gets."""

    step: int = 300
    """Cells read in a loop: five minutes at a second each."""
    loops: int = 4


@dataclass(frozen=True)
class _Pool:
    """The unlabelled cells."""

    features: NDArray[np.floating]
    clusters: NDArray[np.int64]
    answers: NDArray[np.int64] | None
    """1, 0, or -1 where the expert did not look; None without a column."""


def real(folder: FeaturesFolder, name: str, seed: int, plan: Real = Real()) -> list[Record]:
    """Start with all labelled cells; in each loop the expert reads cells that are probably called wrongly.

    `cluster-specific` takes the cluster of lowest F1 on the test cells in the present loop (background included; of
    equals the lowest id) and the class most often called wrongly there; `random` the same class in any cluster. Only
    cells whose answer is not the call join the training cells, as published; cells that were read leave the pool.

    Returns:
        As the simulations; on records of all clusters also `unlabelled_rows` (positions in df_unlabeled_train of the
        cells that joined), and on the last `gallery`: chosen cluster, class and positions shown next.

    Raises:
        UserError: another strategy, or the folder lacks clusters.
    """
    if name not in (CLUSTER_SPECIFIC, "real-world", "random"):
        message = f"--strategy {name}: the real-world experiment has 'cluster-specific' and 'random' only."
        raise SettingsError(message)
    train, test, pool = training_group(folder), test_group(folder), _pool(folder)
    features, labels, added = train.features, train.labels, list[int]()
    free, records = np.ones(len(pool.features), bool), list[Record]()
    loops = plan.loops if pool.answers is not None else 0
    for loop in range(loops + 1):
        model = svm.fit(features, labels)
        about = {"strategy": name, "seed": seed, "loop": loop, "n_train": len(labels)}
        found = score(model, test, about, rows=list(range(len(train))) if loop == 0 else [])
        gallery = _gallery(model, test, pool, free, everywhere=name == "random", seed=seed)
        records += [{**found[0], "unlabelled_rows": added}, *found[1:]]
        if loop == loops or pool.answers is None:
            records[-len(found)]["gallery"] = gallery
            break
        read = np.array(gallery["rows"][: plan.step], np.int64)
        free[read] = False
        added = _corrections(model, pool, pool.answers, read)
        features = np.concatenate([features, pool.features[added]])
        labels = np.concatenate([labels, pool.answers[added]])
    return records


def _pool(folder: FeaturesFolder) -> _Pool:
    part, table = folder.unlabelled, folder.unlabelled.table
    answers = None
    if EXPERT in table:
        answers = np.where(table[EXPERT].isin([0, 1]), table[EXPERT].fillna(-1), -1).astype(np.int64)
    assert part.clusters is not None  # `training_group` has looked
    return _Pool(part.features, part.clusters, answers)


def _gallery(
    model: svm.Svm, test: Group, pool: _Pool, free: NDArray[np.bool_], *, everywhere: bool, seed: int
) -> dict[str, Any]:
    known = pooled(test.labels, model.call(test.features), test.clusters)
    cluster = min(known.cluster_f1, key=lambda cluster: (known.cluster_f1[cluster], cluster))
    wrong = known.wrong_class.get(cluster)
    shown = free if everywhere else free & (pool.clusters == cluster)
    if wrong is not None:
        shown = shown & (model.call(pool.features) == wrong)
    return {"cluster": cluster, "predicted": wrong, "rows": draw(np.flatnonzero(shown).tolist(), GALLERY, seed)}


def _corrections(model: svm.Svm, pool: _Pool, answers: NDArray[np.int64], read: NDArray[np.int64]) -> list[int]:
    called = model.call(pool.features[read])
    return [int(row) for row in read[(answers[read] >= 0) & (answers[read] != called)]]
