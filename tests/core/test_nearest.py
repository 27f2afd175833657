"""The most similar labelled cells, against the plain search through all of them."""

import numpy as np
import pytest

from ctc_core.errors import ModelError
from ctc_core.nearest import LabelledCells
from ctc_core.types import Label


def labelled(n: int, seed: int = 0) -> LabelledCells:
    vectors = np.random.default_rng(seed).normal(3, 1, (n, 128)).astype(np.float32)
    labels = tuple(Label.CTC if i % 3 == 0 else Label.NON_CTC for i in range(n))
    return LabelledCells(tuple(f"c-{i}" for i in range(n)), vectors, labels)


def test_the_nearest_are_those_of_a_search_through_all():
    cells, vector = labelled(500), np.random.default_rng(9).normal(3, 1, 128).astype(np.float32)
    distances = np.sqrt(((cells.vectors.astype(float) - vector) ** 2).sum(axis=1))
    order = np.argsort(distances)[:6]
    found = cells.nearest(vector)
    assert found.cell_id.tolist() == [f"c-{i}" for i in order]
    assert found.label.tolist() == ["ctc" if i % 3 == 0 else "non-ctc" for i in order]
    np.testing.assert_allclose(found.distance, distances[order], rtol=1e-6)


def test_a_labelled_cell_is_nearest_to_itself():
    cells = labelled(40)
    assert cells.nearest(cells.vectors[7], k=1).to_dict("list") == {
        "cell_id": ["c-7"], "label": ["non-ctc"], "distance": [0.0],
    }  # fmt: skip


@pytest.mark.parametrize(("n", "k", "rows"), [(0, 6, 0), (3, 6, 3), (6, 6, 6)])
def test_fewer_labelled_cells_give_fewer_rows(n: int, k: int, rows: int):
    found = labelled(n).nearest(np.zeros(128, np.float32), k)
    assert (len(found), list(found.columns)) == (rows, ["cell_id", "label", "distance"])


def test_a_vector_of_another_encoder_is_refused():
    with pytest.raises(ModelError, match="another encoder's"):
        labelled(5).nearest(np.zeros(64, np.float32))
