"""Matching, intervals and counts, against literals and an exhaustive search."""

from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from ctc_core.enumeration import (
    ClosePair,
    Summary,
    at_threshold,
    candidate_rows,
    candidate_table,
    close_pairs,
    located,
    match,
    summarise,
)
from ctc_core.intervals import Proportion, wilson


@pytest.mark.parametrize(("k", "n"), [(0, 5), (5, 5), (24, 38), (648, 3638), (1, 1)])
def test_wilson_equals_scipy(k: int, n: int) -> None:
    oracle = binomtest(k, n).proportion_ci(0.95, method="wilson")
    assert wilson(k, n) == Proportion(k, n, k / n, pytest.approx(oracle.low), pytest.approx(oracle.high))


def test_wilson_of_nothing_says_nothing() -> None:
    assert wilson(0, 0) is None


def test_match_is_one_to_one_and_optimal_where_the_nearest_is_not() -> None:
    """Greedy matching would pair cell 0 with event 0 (1 px) and leave cell 1 alone."""
    cells = np.array([[0.0, 0.0], [0.0, 10.0]])
    events = np.array([[0.0, 1.0], [0.0, -9.0]])
    assert match(cells, events, max_distance_um=0.64 * 10) == [(0, 1), (1, 0)]


def test_match_never_exceeds_the_distance() -> None:
    assert match(np.array([[0.0, 0.0]]), np.array([[0.0, 15.7]]), max_distance_um=10.0) == []
    assert match(np.array([[0.0, 0.0]]), np.array([[0.0, 15.6]]), max_distance_um=10.0) == [(0, 0)]


def test_each_event_has_its_own_reach() -> None:
    """Boxes of 8 and 60 px: a cell 11 px from both centres belongs to the larger box only."""
    boxes = pd.DataFrame({"x0": [0.0, 100.0], "y0": [0.0, 100.0], "x1": [8.0, 160.0], "y1": [8.0, 130.0]})
    events = located(boxes)
    assert (events.y.tolist(), events.x.tolist()) == ([4.0, 115.0], [4.0, 130.0])
    assert events.reach_um.tolist() == [6.2, 30 * 0.64]
    centres = events[["y", "x"]].to_numpy(float)
    assert match(centres + np.array([0.0, 11.0]), centres, events.reach_um.to_numpy(float)) == [(1, 1)]
    assert match(centres + np.array([0.0, 9.6]), centres, events.reach_um.to_numpy(float)) == [(0, 0), (1, 1)]


def test_two_ctcs_that_nearly_touch_stay_two_where_one_was_segmented() -> None:
    """As on a simulated cartridge: centres 11.7 px apart, boxes of 19 and 22 px, one cell, on the second event."""
    boxes = pd.DataFrame({"x0": [603.0, 610.0], "y0": [111.0, 118.0], "x1": [622.0, 631.0], "y1": [130.0, 140.0]})
    events = located(boxes)
    reach = events.reach_um.to_numpy(float)
    assert match(np.array([[128.6, 619.9]]), events[["y", "x"]].to_numpy(float), reach) == [(0, 1)]
    assert match(np.array([[128.6, 619.9]]), events[["y", "x"]].to_numpy(float)[:1], reach[:1]) == []


def test_match_of_nothing() -> None:
    assert match(np.zeros((0, 2)), np.array([[1.0, 1.0]])) == []
    assert match(np.array([[1.0, 1.0]]), np.zeros((0, 2))) == []


def _exhaustive(cells: np.ndarray, events: np.ndarray, limit_px: float) -> tuple[int, float]:
    """Most pairs, then least distance, over every assignment of up to six cells to up to six events."""
    distances = np.linalg.norm(cells[:, None] - events[None], axis=2)
    size = max(distances.shape)
    best = (0, 0.0)
    for order in permutations(range(size)):
        pairs = [
            (i, j) for i, j in enumerate(order) if i < len(cells) and j < len(events) and distances[i, j] <= limit_px
        ]
        total = -sum(distances[i, j] for i, j in pairs)
        best = max(best, (len(pairs), total))
    return best


@pytest.mark.parametrize("seed", range(20))
def test_match_equals_exhaustive_search(seed: int) -> None:
    rng = np.random.default_rng(seed)
    cells, events = rng.uniform(0, 40, (rng.integers(1, 7), 2)), rng.uniform(0, 40, (rng.integers(1, 7), 2))
    pairs = match(cells, events, max_distance_um=10.0)
    total = -sum(float(np.linalg.norm(cells[i] - events[j])) for i, j in pairs)
    count, expected = _exhaustive(cells, events, 10.0 / 0.64)
    assert (len(pairs), pytest.approx(total)) == (count, expected)


def _cells() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "cell_id": ["a", "b", "c", "d"],
            "frame": [1, 1, 1, 2],
            "y": [10.0, 50.0, 90.0, 10.0],
            "x": [10.0, 50.0, 90.0, 10.0],
            "cartridge_y": [10.0, 50.0, 90.0, 10.0],
            "cartridge_x": [10.0, 50.0, 90.0, 210.0],
            "probability": [0.9, 0.7, 0.2, 0.1],
            "crop_index": [0, 1, 2, 3],
        }
    )


def _events() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "rid": ["1", "2", "3"],
            "frame": [1, 1, 2],
            "y": [11.0, 91.0, 80.0],
            "x": [11.0, 91.0, 80.0],
            "cartridge_y": [11.0, 91.0, 80.0],
            "cartridge_x": [11.0, 91.0, 280.0],
            "assigned": [True, False, True],
            "crop_index": [0, 1, 2],
            "reach_um": [6.2, 6.2, 6.2],
        }
    )


def test_candidate_table_puts_everything_into_its_group() -> None:
    table = candidate_table(_cells(), _events(), threshold=0.5)
    shown = table[["candidate_id", "cell_id", "event_rid", "group", "frame", "assigned", "crop_index"]]
    rows = [[None if pd.isna(value) else value for value in row] for row in shown.to_numpy(object).tolist()]
    assert rows == [
        ["a", "a", "1", "agreed", 1, True, 0],
        ["b", "b", None, "model", 1, None, 1],
        ["c", "c", "2", "cellsearch", 1, False, 2],
        ["event:3", None, "3", "cellsearch", 2, True, 2],
    ]
    assert table.probability.fillna(-1).tolist() == [0.9, 0.7, 0.2, -1.0]


def test_a_decided_cell_below_the_threshold_is_listed_and_on_nobodys_side() -> None:
    table = candidate_table(_cells(), _events(), 0.5, also=["d"]).assign(label=["ctc", None, None, None, "ctc"])
    assert table[["candidate_id", "group"]].to_numpy().tolist()[-1] == ["d", "less"]
    found = summarise(table, _events())
    assert (found.confirmed, found.model_shown, found.undecided) == (2, 2, 3)
    assert found.model_ppv == wilson(1, 1)


@pytest.mark.parametrize("threshold", [0.05, 0.5, 0.8, 0.95])
def test_another_threshold_gives_the_table_that_would_have_been_made_there(threshold: float) -> None:
    decided = pd.DataFrame({"candidate_id": ["b", "d"], "label": ["ctc", "non-ctc"]})
    everything = candidate_table(_cells(), _events(), 0.0).merge(decided, on="candidate_id", how="left")
    direct = candidate_table(_cells(), _events(), threshold, also=["b", "d"]).merge(decided, how="left")
    pd.testing.assert_frame_equal(at_threshold(everything, threshold, also=["b", "d"]), direct)


def test_a_cell_in_one_frame_matches_the_event_of_its_other_half_in_the_next() -> None:
    cells = _cells().iloc[[3]].assign(cartridge_x=199.0, probability=0.9)
    events = _events().iloc[[0]].assign(cartridge_y=10.0, cartridge_x=201.0)
    assert candidate_table(cells, events, 0.5).group.tolist() == ["agreed"]


def test_halves_of_a_cell_in_two_frames_are_close_to_each_other() -> None:
    cells = _cells().iloc[[0, 3]].assign(cartridge_x=[195.0, 205.0], probability=0.9)
    table = candidate_table(cells, _events().iloc[:0], 0.5).assign(label="ctc")
    assert close_pairs(table) == [ClosePair("a", "d", pytest.approx(6.4), (1, 10, 10))]


def test_candidate_table_without_cells_or_events() -> None:
    assert candidate_table(_cells().iloc[:0], _events(), 0.5).candidate_id.tolist() == ["event:1", "event:3", "event:2"]
    assert candidate_table(_cells(), _events().iloc[:0], 0.5).group.tolist() == ["model", "model"]
    assert candidate_table(_cells().iloc[:0], _events().iloc[:0], 0.5).empty


def test_cells_without_a_score_are_no_candidates() -> None:
    table = candidate_table(_cells().assign(probability=np.nan), _events(), 0.5)
    assert set(table.group) == {"cellsearch"}


def test_summary_counts_each_cell_once() -> None:
    table = candidate_table(_cells(), _events(), 0.5).assign(label=["ctc", None, "non-ctc", "ctc"])
    assert summarise(table, _events()) == Summary(
        model_shown=2,
        model_ppv=wilson(1, 1),
        cellsearch_events=3,
        cellsearch_assigned=2,
        cellsearch_ppv=wilson(2, 3),
        cellsearch_confirmed=2,
        confirmed=2,
        undecided=1,
    )


def test_rows_for_scripts_hold_candidates_only() -> None:
    table = candidate_table(_cells(), _events(), 0.5).assign(label=None)
    assert candidate_rows(table, {"b": -1, "z": 3}) == [
        {
            "cell_id": "a",
            "frame": 1,
            "y": 10.0,
            "x": 10.0,
            "probability": 0.9,
            "cluster": None,
            "event_rid": "1",
            "label": None,
        },
        {
            "cell_id": "b",
            "frame": 1,
            "y": 50.0,
            "x": 50.0,
            "probability": 0.7,
            "cluster": -1,
            "event_rid": None,
            "label": None,
        },
    ]
