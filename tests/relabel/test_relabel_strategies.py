"""Strategies: what all promise, and what each is for."""

from dataclasses import replace

import numpy as np
import pytest

from ctc_core.errors import SettingsError
from ctc_core.relabel.evidence import Evidence
from ctc_core.relabel.registry import STRATEGIES, strategy
from ctc_core.relabel.strategies.published import real_world
from tests.relabel.made_folder import made_evidence

NAMES = sorted(STRATEGIES)


def cut(evidence: Evidence, pool: int, train: int) -> Evidence:
    parts = {name: getattr(evidence, name)[:pool] for name in ("pool", "pool_probability", "pool_cluster")}
    parts |= {name: getattr(evidence, name)[:train] for name in ("train", "train_label", "train_cluster")}
    known = {} if train else {"cluster_f1": {}, "cluster_n": {}, "wrong_class": {}}
    return replace(evidence, **parts, **known)


@pytest.mark.parametrize("name", NAMES)
def test_a_promise_of_all(name: str) -> None:
    evidence = made_evidence()
    chosen = STRATEGIES[name].choose(evidence, 25, 4)
    rows = chosen.rows.tolist()
    assert len(rows) == len(set(rows)) == len(chosen.reasons) == 25
    assert chosen.rows.dtype == np.int64 and min(rows) >= 0 and max(rows) < 300
    assert all(reason.endswith(".") for reason in (*chosen.reasons, chosen.summary))
    again = STRATEGIES[name].choose(evidence, 25, 4)
    assert (again.rows.tolist(), again.reasons) == (rows, chosen.reasons)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("pool", "train"), [(0, 60), (1, 60), (10, 60), (40, 0), (0, 0)])
def test_small_pools_and_no_labels(name: str, pool: int, train: int) -> None:
    rows = STRATEGIES[name].choose(cut(made_evidence(), pool, train), 25, 0).rows.tolist()
    assert len(rows) == len(set(rows)) <= min(pool, 25)
    if name != "real-world":
        assert len(rows) == min(pool, 25)


@pytest.mark.parametrize("name", NAMES)
def test_a_pool_of_equal_cells_without_any_doubt(name: str) -> None:
    same = made_evidence(pool=np.zeros((300, 2), np.float32), pool_probability=np.full(300, 0.5, np.float32))
    assert len(set(STRATEGIES[name].choose(same, 25, 0).rows.tolist())) == 25


def test_table_of_strategies() -> None:
    assert set(NAMES) == {
        "ours", "real-world", "inverse-f1", "random", "margin", "entropy", "core-set", "typiclust", "probcover",
        "cluster-margin",
    }  # fmt: skip
    assert [(entry.name, entry.sentence[-1]) for entry in STRATEGIES.values()] == [(name, ".") for name in STRATEGIES]
    with pytest.raises(SettingsError, match="guess: no strategy of this name"):
        strategy("guess")


# ---- published ------------------------------------------------------------------------------------------------------


def test_real_world_takes_what_is_called_wrongly_in_the_weakest_cluster() -> None:
    evidence = made_evidence()
    inside = (evidence.pool_cluster == 1) & (evidence.pool_probability >= 0.5)
    chosen = real_world(evidence, 500, 0)
    assert sorted(chosen.rows.tolist()) == np.flatnonzero(inside).tolist()
    assert (chosen.cluster, chosen.predicted) == (1, 1)
    assert chosen.reasons[0] == "Called CTC in cluster 1, where the classifier is weakest (F1 0.40)."
    assert real_world(evidence, 5, 0, cluster=2).cluster == 2


def test_real_world_ties_absent_clusters_and_no_errors() -> None:
    tied = made_evidence(cluster_f1={0: 0.4, 1: 0.4, 2: 0.4})
    assert real_world(tied, 5, 0).cluster == 0
    absent = made_evidence(cluster_f1={0: 0.4, 1: 0.4}, wrong_class={0: 1, 1: 1})
    chosen = real_world(absent, 5, 0)
    assert (chosen.cluster, chosen.predicted) == (2, None)
    assert chosen.reasons[0] == "One of cluster 2, where the classifier is weakest (no labels yet)."
    dry = made_evidence(pool_probability=np.zeros(300, np.float32))  # nothing is called CTC in cluster 1
    assert real_world(dry, 5, 0).cluster == 2


def test_inverse_f1_takes_more_of_weak_clusters() -> None:
    evidence = made_evidence()
    chosen = STRATEGIES["inverse-f1"].choose(evidence, 50, 0)
    assert np.bincount(evidence.pool_cluster[chosen.rows]).tolist() == [5, 30, 15]
    share = (evidence.pool_cluster[chosen.rows[:25]] == 1).mean()
    assert 0.4 < share < 0.8  # whoever stops early has still seen all clusters


# ---- doubt ----------------------------------------------------------------------------------------------------------


def test_margin_and_entropy_agree_on_two_classes() -> None:
    evidence = made_evidence()
    nearest = np.argsort(np.abs(evidence.pool_probability - 0.5))[:20]
    for name in ("margin", "entropy"):
        chosen = STRATEGIES[name].choose(evidence, 20, 0)
        assert chosen.rows.tolist() == nearest.tolist()
        assert chosen.reasons[0] == (
            f"The classifier is unsure here (P = {evidence.pool_probability[nearest[0]]:.2f})."
        )


def test_cluster_margin_is_unsure_and_spread() -> None:
    evidence = made_evidence()
    rows = STRATEGIES["cluster-margin"].choose(evidence, 10, 0).rows
    unsure = np.argsort(np.abs(evidence.pool_probability - 0.5))
    assert set(rows.tolist()) <= set(unsure[:100].tolist())
    assert spread(evidence, rows) > spread(evidence, unsure[:10])


def spread(evidence: Evidence, rows: np.ndarray) -> float:
    """Mean distance to the nearest other chosen cell."""
    points = evidence.pool[rows]
    distances = np.linalg.norm(points[:, None] - points, axis=2) + np.eye(len(rows)) * 1e9
    return float(distances.min(axis=1).mean())


# ---- coverage -------------------------------------------------------------------------------------------------------


def test_core_set_is_k_center_greedy() -> None:
    evidence = made_evidence(n_pool=80)
    centres, expected = list(evidence.train), []
    for _ in range(15):
        far = [min(float(np.linalg.norm(p - c)) for c in centres) for p in evidence.pool]
        expected.append(int(np.argmax(far)))
        centres.append(evidence.pool[expected[-1]])
    assert STRATEGIES["core-set"].choose(evidence, 15, 0).rows.tolist() == expected


def test_probcover_goes_where_nothing_is_labelled() -> None:
    evidence = made_evidence()
    near = evidence.train_cluster != 0
    bare = replace(
        evidence,
        train=evidence.train[near],
        train_label=evidence.train_label[near],
        train_cluster=evidence.train_cluster[near],
        pool_probability=(evidence.pool_cluster == 1).astype(np.float32),
    )
    chosen = STRATEGIES["probcover"].choose(bare, 1, 0)
    assert evidence.pool_cluster[chosen.rows].tolist() == [0]
    assert chosen.reasons[0].startswith("Stands for ")


def test_typiclust_takes_typical_cells_of_unlabelled_groups() -> None:
    evidence = replace(made_evidence(), train=np.tile(np.float32([[8, 0], [0, 8]]), (30, 1)))
    rows = STRATEGIES["typiclust"].choose(evidence, 5, 0).rows
    assert (evidence.pool_cluster[rows] == 0).sum() >= 3


# ---- ours -----------------------------------------------------------------------------------------------------------


def test_ours_asks_for_unsure_cells_and_for_typical_ones_where_nothing_is_known() -> None:
    evidence = made_evidence(n_train=200)
    chosen = STRATEGIES["ours"].choose(evidence, 30, 0)
    assert set(evidence.pool_cluster[chosen.rows]) == {0, 1, 2}
    margin = np.abs(evidence.pool_probability - 0.5)
    assert margin[chosen.rows].mean() < np.median(margin)
    assert sum("few cells like it are labelled" in reason for reason in chosen.reasons) >= 10
    cold = replace(evidence, train_cluster=np.zeros(200, np.int64))
    reasons = STRATEGIES["ours"].choose(cold, 30, 0).reasons
    assert any(reason == "Typical of cluster 1, where hardly any cell is labelled." for reason in reasons)
    assert not any("Typical of cluster 0" in reason for reason in reasons)
