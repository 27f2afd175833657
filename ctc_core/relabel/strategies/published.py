"""The strategies of the paper: real-world, simulated, and the random baseline."""

from __future__ import annotations

import numpy as np

from ctc_core.relabel.allocation import inverse_f1_counts
from ctc_core.relabel.evidence import Evidence, Selection
from ctc_core.relabel.strategies.choice import CLASS, Rows, cluster_name, selection


def random(evidence: Evidence, n: int, seed: int) -> Selection:
    """Cells of the whole pool at random."""
    rows = np.random.default_rng(seed).permutation(len(evidence.pool))[:n]
    return selection(evidence, rows, lambda _: "Chosen at random.", "Cells at random from all that are not labelled.")


# ---- real-world -----------------------------------------------------------------------------------------------------


def real_world(evidence: Evidence, n: int, seed: int, *, cluster: int | None = None) -> Selection:
    """Random cells of the weakest cluster that are called what is most often called wrongly there.

    The weakest cluster is that of lowest F1 among those that have such cells; one without validation cells counts as 0,
    of several the lowest id is taken. Where nothing is called wrongly, any call will do.

    cluster: take this one rather than the weakest.
    """
    candidates = [cluster] if cluster is not None else _weakest_first(evidence)
    for weakest in candidates:
        rows = _rows_called_wrongly(evidence, weakest)
        if len(rows):
            return _from_one_cluster(evidence, weakest, np.random.default_rng(seed).permutation(rows)[:n])
    return selection(evidence, [], str, "No cell is left to ask for.")


def _weakest_first(evidence: Evidence) -> list[int]:
    clusters = set(evidence.pool_cluster.tolist())
    return sorted(clusters, key=lambda cluster: (evidence.cluster_f1.get(cluster, 0.0), cluster))


def _rows_called_wrongly(evidence: Evidence, cluster: int) -> Rows:
    inside = evidence.pool_cluster == cluster
    wrong = evidence.wrong_class.get(cluster)
    if wrong is not None:
        inside = inside & ((evidence.pool_probability >= 0.5) == (wrong == 1))
    return np.flatnonzero(inside)


def _from_one_cluster(evidence: Evidence, cluster: int, rows: Rows) -> Selection:
    predicted, f1 = evidence.wrong_class.get(cluster), evidence.cluster_f1.get(cluster)
    called = f"Called {CLASS[predicted]} in" if predicted is not None else "One of"
    weakness = f"F1 {f1:.2f}" if f1 is not None else "no labels yet"
    reason = f"{called} {cluster_name(cluster)}, where the classifier is weakest ({weakness})."
    which = f"cells called {CLASS[predicted]}" if predicted is not None else "cells"
    summary = f"Random {which} in {cluster_name(cluster)}: the weakest at present ({weakness})"
    if predicted is not None:
        summary += f", and {CLASS[predicted]} is what is most often called wrongly there"
    return Selection(rows, (reason,) * len(rows), f"{summary}.", cluster, predicted)


# ---- simulated ------------------------------------------------------------------------------------------------------


def inverse_f1(evidence: Evidence, n: int, seed: int) -> Selection:
    """Random cells of all clusters, the more the lower the F1 (`allocation.inverse_f1_counts`), in random order."""
    ids = sorted({*evidence.pool_cluster.tolist(), *evidence.train_cluster.tolist()})
    available = {cluster: int((evidence.pool_cluster == cluster).sum()) for cluster in ids}
    counts = inverse_f1_counts(evidence.cluster_f1, available, n)
    rng = np.random.default_rng(seed)
    rows = [
        rng.permutation(np.flatnonzero(evidence.pool_cluster == cluster))[:number] for cluster, number in counts.items()
    ]

    def why(row: int) -> str:
        cluster = int(evidence.pool_cluster[row])
        f1 = evidence.cluster_f1.get(cluster)
        known = f"F1 is {f1:.2f} there" if f1 is not None else "there is no label yet"
        return f"One of {counts[cluster]} cells of {cluster_name(cluster)}: {known}, and weak clusters get more."

    summary = f"Random cells of {sum(1 for number in counts.values() if number)} clusters, the more the lower their F1."
    return selection(evidence, rng.permutation(np.concatenate([np.zeros(0, np.int64), *rows])), why, summary)
