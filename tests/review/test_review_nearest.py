"""Nearest labelled cells of many cells at once: against distances taken one by one."""

import math
from pathlib import Path

import numpy as np
import pytest

from ctc_core.errors import UserError
from ctc_core.nearest import LabelledCells
from ctc_core.review.nearest import nearest, nearest_of
from ctc_core.store import Store
from tests.small_store import CARTRIDGE, ENCODER, build_small_store


def matrix(rows: list[list[float]]) -> np.ndarray:
    return np.array(rows, np.float32)


def test_the_nearest_come_first_and_ties_keep_their_order() -> None:
    near, distance = nearest(matrix([[0, 0], [3, 4], [1, 0], [0, 1], [10, 10]]), matrix([[0, 0], [9, 7]]), k=3)
    assert near.tolist() == [[0, 2, 3], [4, 1, 2]]
    expected = [[0, 1, 1], [math.sqrt(10), math.sqrt(45), math.sqrt(113)]]
    np.testing.assert_allclose(distance, expected, rtol=1e-5)


def test_as_distances_taken_one_by_one() -> None:
    rng = np.random.default_rng(3)
    labelled, asked = rng.normal(size=(200, 2)), rng.normal(size=(300, 2))  # more than are held in memory together
    near, distance = nearest(labelled.astype(np.float32), asked.astype(np.float32))
    for i, one in enumerate(asked):
        apart = [math.dist(one, other) for other in labelled]
        assert near[i].tolist() == sorted(range(200), key=apart.__getitem__)[:5]
        np.testing.assert_allclose(distance[i], sorted(apart)[:5], atol=1e-3)


def test_fewer_labelled_cells_than_asked_for() -> None:
    near, distance = nearest(matrix([[0, 2], [0, 1]]), matrix([[0, 0]]))
    assert (near.tolist(), distance.tolist()) == ([[1, 0]], [[1.0, 2.0]])
    near, distance = nearest(np.empty((0, 2), np.float32), matrix([[0, 0]]))
    assert (near.shape, distance.shape) == ((1, 0), (1, 0))


def test_a_cell_is_nearest_to_itself_and_one_without_a_vector_is_named(tmp_path: Path) -> None:
    with Store.open(build_small_store(tmp_path / "data")) as store:
        ids, vectors = store.vectors(CARTRIDGE, ENCODER)
        labelled = LabelledCells(ids[::2], vectors[::2], ())
        near = nearest_of(store, labelled, ENCODER, CARTRIDGE, [ids[4], ids[0]])
        assert near[:, 0].tolist() == [2, 0]
        with pytest.raises(UserError, match="no-such-cell: no vector of encoder-of-tests"):
            nearest_of(store, labelled, ENCODER, CARTRIDGE, ["no-such-cell"])
