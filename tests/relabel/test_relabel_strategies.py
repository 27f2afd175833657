"""Strategies: what all promise, and what each is for."""

from dataclasses import replace

import numpy as np
import pytest

from ctc_core.errors import SettingsError
from ctc_core.relabel.evidence import Evidence
from ctc_core.relabel.registry import STRATEGIES, recommended, strategy
from ctc_core.relabel.strategies.ours import _sample
from ctc_core.relabel.strategies.published import real_world
from ctc_core.relabel.strategies.telling import DOUBT, known, most_telling, open_covariance
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
        "ours", "real-world", "inverse-f1", "random", "margin", "entropy", "committee", "core-set", "typiclust",
        "probcover", "cluster-margin",
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


def test_ours_prefers_doubt_and_areas_with_errors() -> None:
    """Two equal groups each, far apart: an unsure one and a sure one, one of a weak cluster and one of a good one."""
    group = np.random.default_rng(0).normal(size=(40, 2)).astype(np.float32)
    pool = np.concatenate([group, group + np.float32([30, 0])])
    nothing = {
        "train": np.zeros((0, 2), np.float32),
        **dict.fromkeys(("train_label", "train_cluster"), np.zeros(0, int)),
    }
    for doubt, f1, first in (((0.5, 0.99), 0.9, 0), ((0.99, 0.5), 0.9, 1), ((0.5, 0.5), 0.2, 1)):
        evidence = made_evidence(
            pool=pool, pool_probability=np.repeat(doubt, 40).astype(np.float32), pool_cluster=np.repeat([0, 1], 40),
            cluster_f1={0: 0.9, 1: f1}, cluster_n={0: 500, 1: 500}, **nothing,
        )  # fmt: skip
        chosen = STRATEGIES["ours"].choose(evidence, 8, 0)
        assert chosen.rows[0] // 40 == first
        assert set((chosen.rows // 40).tolist()) == {0, 1}  # the other group is not forgotten
        assert chosen.reasons[0].startswith("The classifier is unsure here (P = 0.50, cluster ")


def test_a_large_pool_is_sampled_with_small_clusters_denser() -> None:
    clusters = np.repeat([0, 1, -1], [6400, 1600, 100])
    rows, stands_for = _sample(clusters, 1300, 0)
    assert len(set(rows.tolist())) == 1300
    taken = {c: int((clusters[rows] == c).sum()) for c in (0, 1, -1)}
    assert taken == {0: 800, 1: 400, -1: 100}  # as 80 to 40 to 10, which is all that the smallest has
    assert {c: set(stands_for[clusters[rows] == c].tolist()) for c in taken} == {0: {8.0}, 1: {4.0}, -1: {1.0}}
    few, ones = _sample(clusters[:50], 1300, 0)
    assert sorted(few.tolist()) == list(range(50)) and ones.tolist() == [1.0] * 50


def test_ours_takes_typical_cells_where_nothing_is_known() -> None:
    """Two groups of one cluster, the second with a label on it: the first choice is the middle of the first."""
    middle = np.float32([[0, 0]])
    ring = np.float32([[np.cos(a), np.sin(a)] for a in np.linspace(0, 6, 30)])
    pool = np.concatenate([ring, middle, ring + 20])
    evidence = made_evidence(
        pool=pool, pool_probability=np.full(61, 0.95, np.float32), pool_cluster=np.zeros(61, np.int64),
        train=middle + 20, train_label=np.array([1]), train_cluster=np.zeros(1, np.int64), cluster_f1={}, cluster_n={},
    )  # fmt: skip
    chosen = STRATEGIES["ours"].choose(evidence, 1, 0)
    assert chosen.rows.tolist() == [30]
    assert chosen.reasons == (
        "Hardly any labelled cell is like this one of cluster 0, and its label tells about 30 cells like it.",
    )


def test_the_most_telling_cells_leave_the_least_open() -> None:
    """Against the definition: the sum of weighted squared covariances that each next label takes away."""
    rng = np.random.default_rng(3)
    points, labelled, weights = rng.normal(size=(25, 3)), rng.normal(size=(6, 3)), rng.random(25)
    gamma = 1 / (3 * points.var())
    everything = np.concatenate([labelled, points])
    kernel = np.exp(-gamma * ((everything[:, None] - everything) ** 2).sum(axis=2))
    told, expected = list(range(6)), []
    for _ in range(5):
        inverse = np.linalg.inv(kernel[np.ix_(told, told)] + DOUBT * np.eye(len(told)))
        left = (kernel - kernel[:, told] @ inverse @ kernel[told])[6:, 6:]
        worth = (left**2) @ weights / (np.diag(left) + DOUBT)
        worth[expected] = -1
        expected.append(int(worth.argmax()))
        told.append(6 + expected[-1])
    found = most_telling(open_covariance(points, known(labelled, points)), weights, 5)
    assert [one.row for one in found] == expected
    assert found[0].open == pytest.approx(1.0, abs=0.3) and found[4].open < 1


def test_committee_takes_what_its_members_are_divided_on() -> None:
    evidence = made_evidence(n_train=40)
    chosen = STRATEGIES["committee"].choose(evidence, 300, 0)
    votes = [int(reason.split(" of ")[0]) for reason in chosen.reasons]
    divided = [min(vote, 10 - vote) for vote in votes]
    assert divided == sorted(divided, reverse=True) and divided[0] >= 3 and divided[-1] == 0


def test_what_is_recommended_before_and_after_the_first_classifier() -> None:
    assert (recommended(classifier=False), recommended(classifier=True)) == ("ours", "margin")
