"""Filters and orders of candidates, against lists written down."""

import pandas as pd
import pytest

from ctc_core.review.choice import DISAGREE, NOBODY, Choice, Sort, arranged, choose, order_of, readers_of

TABLE = pd.DataFrame(
    {
        "candidate_id": ["a", "b", "c", "event:1"],
        "group": ["agreed", "model", "cellsearch", "cellsearch"],
        "diameter_um": [12.0, 8.0, 15.5, None],
        "probability": [0.7, 0.9, 0.2, None],
        "reader": ["ann, bob", None, "bob disagree", "ann"],
        "frame": [2, 1, 1, 3],
        "y": [5.0, 900.0, 20.0, 1.0],
        "x": [5.0, 1.0, 30.0, 1.0],
    }
).astype({"reader": object})
TABLE["reader"] = TABLE.reader.where(TABLE.reader.notna(), None)
ABOUT = pd.DataFrame(
    {"candidate_id": ["a", "b", "c"], "place": ["Cluster 0", "Background", "Cluster 0"], "passes": [True, False, True]}
)


@pytest.mark.parametrize(
    ("choice", "shown"),
    [
        (Choice(), ["a", "b", "c", "event:1"]),
        (Choice(group="cellsearch"), ["c", "event:1"]),
        (Choice(places=("Cluster 0",)), ["a", "c"]),
        (Choice(places=("Cluster 0", "Background")), ["a", "b", "c"]),
        (Choice(sizes=(8.0, 12.0)), ["a", "b"]),
        (Choice(reader="bob"), ["a", "c"]),
        (Choice(reader="ann"), ["a", "event:1"]),
        (Choice(reader="an"), []),
        (Choice(reader=NOBODY), ["b"]),
        (Choice(reader=DISAGREE), ["c"]),
        (Choice(gate=True), ["a", "c"]),
        (Choice(gate=False), ["b"]),
        (Choice(group="cellsearch", places=("Cluster 0",), sizes=(15.0, 16.0), reader="bob", gate=True), ["c"]),
    ],
)
def test_filters(choice: Choice, shown: list[str]) -> None:
    assert list(choose(TABLE, ABOUT, choice).candidate_id) == shown


def test_without_details_a_filter_on_them_shows_nothing() -> None:
    nothing = pd.DataFrame({"candidate_id": [], "place": [], "passes": []})
    assert list(choose(TABLE, nothing, Choice()).candidate_id) == ["a", "b", "c", "event:1"]
    assert choose(TABLE, nothing, Choice(places=("Cluster 0",))).empty


def test_readers() -> None:
    assert readers_of(TABLE) == ["ann", "bob"]


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        (Sort.PROBABILITY, ["b", "a", "c", "event:1"]),
        (Sort.LIKELIEST, ["c", "b", "a", "event:1"]),
        (Sort.WORTH, ["b", "c", "a", "event:1"]),
        (Sort.PLACE, ["c", "b", "a", "event:1"]),
    ],
)
def test_orders(sort: Sort, order: list[str]) -> None:
    assert order_of(TABLE, sort, next_ids=["c", "b"], worth={"b": 0.2, "c": 0.1}) == order


def test_an_order_made_before_holds_and_new_rows_come_last() -> None:
    assert list(arranged(TABLE, ["event:1", "c", "gone"]).candidate_id) == ["event:1", "c", "a", "b"]
