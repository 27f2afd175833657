"""The table of a cartridge: matched once, and yet as if it were made from nothing after every change."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ctc_core.count_memory import MOST, Paced, kept
from ctc_core.enumeration import candidate_table, located
from ctc_core.errors import UserError
from ctc_core.matched import candidates, cartridge_grid
from ctc_core.store import Store
from ctc_core.types import Decision, Label
from tests.small_store import CARTRIDGE, ENCODER, MODEL, build_small_store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(build_small_store(tmp_path / "data")) as opened:
        yield opened


def say(store: Store, candidate_id: str, label: Label | None, reader: str = "ann") -> None:
    rid = candidate_id.removeprefix("event:") if candidate_id.startswith("event:") else None
    cell = candidate_id if rid is None else None
    said = Decision(uuid.uuid4().hex, CARTRIDGE, cell, rid, label, reader, "s", "", why="looked again")
    store.decide([said])


def from_nothing(store: Store, threshold: float, scores: dict[str, float]) -> pd.DataFrame:
    """The table as it is defined: scores, places, matching and the labels of this moment, nothing kept."""
    grid = cartridge_grid(store, CARTRIDGE)

    def placed(table: pd.DataFrame) -> pd.DataFrame:
        rows, columns = zip(*(grid.position(frame) for frame in table.frame), strict=True)
        y, x = table.y + grid.height * np.array(rows), table.x + grid.width * np.array(columns)
        return table.assign(cartridge_y=y.astype(float), cartridge_x=x.astype(float))

    cells = store.cells(CARTRIDGE).rename(columns={"probability": "segmentation_probability"})
    cells = cells.assign(probability=cells.cell_id.map(scores).astype(float))
    labels, reviews = store.current_labels(CARTRIDGE), store.current_reviews(CARTRIDGE)
    words: dict[str, tuple[object, ...]] = {}
    for said, targets in ((labels, labels.cell_id), (reviews, "event:" + reviews.rid)):
        values = said[["label", "reader", "time"]].astype(object)
        rows = values.where(values.notna(), None).itertuples(index=False, name=None)
        words |= dict(zip(targets, rows, strict=True))
    also = [target for target, (label, *_) in words.items() if label is not None]
    table = candidate_table(placed(cells), placed(located(store.events(CARTRIDGE))), threshold, also=also)
    found = [words.get(target, (None, None, None)) for target in table.candidate_id]
    names = ("label", "reader", "time")
    return table.assign(**{name: pd.Series([one[i] for one in found], dtype=object) for i, name in enumerate(names)})


def assert_as_from_nothing(store: Store, scores: dict[str, float]) -> None:
    for threshold in (0.0, 0.5, 0.95):
        pd.testing.assert_frame_equal(
            candidates(store, CARTRIDGE, threshold), from_nothing(store, threshold, scores), check_dtype=False
        )


def test_the_table_follows_every_decision_and_every_new_score(store: Store) -> None:
    cell_ids = list(store.cells(CARTRIDGE).cell_id)
    scores = dict(zip(cell_ids, np.linspace(0.99, 0.2, len(cell_ids)), strict=True))
    assert_as_from_nothing(store, scores)
    alone = next(one for one in candidates(store, CARTRIDGE, 0.5).candidate_id if one.startswith("event:"))
    steps = [
        (cell_ids[0], Label.CTC, "ann"),
        (cell_ids[-1], Label.CTC, "ann"),  # below every threshold: listed since somebody decided about it
        (cell_ids[-1], Label.NON_CTC, "bob"),  # readers disagree: no longer listed
        (alone, Label.CTC, "ann"),
        (cell_ids[0], None, "ann"),
        (cell_ids[-1], None, "bob"),
    ]
    for step in steps:
        say(store, *step)
        assert_as_from_nothing(store, scores)
    again = {cell_id: 1 - score for cell_id, score in scores.items()}
    store.save_predictions(MODEL, list(again), np.array(list(again.values())))
    assert_as_from_nothing(store, again)
    store.add_model("other", "classifier", store.folder / "models" / MODEL, {"encoder_id": ENCODER}, reader="tests")
    store.activate_model("other", reader="tests", session="tests", reason="another")
    assert_as_from_nothing(store, {})


def test_what_is_handed_out_can_be_changed_without_harm(store: Store) -> None:
    first = candidates(store, CARTRIDGE, 0.5)
    copy = first.copy()
    first["label"] = "ctc"
    first.loc[0, "probability"] = 0.0
    pd.testing.assert_frame_equal(candidates(store, CARTRIDGE, 0.5), copy)


def test_an_unknown_cartridge_is_named(store: Store) -> None:
    with pytest.raises(UserError, match="nope: no such cartridge"):
        candidates(store, "nope", 0.5)


def test_only_so_much_is_kept(store: Store) -> None:
    made: list[int] = []

    def ask(number: int) -> int:
        return kept(store, f"value {number}", "key", lambda: made.append(number) or number)  # type: ignore[func-returns-value]

    for number in range(MOST + 1):
        ask(number)
    assert [ask(MOST), ask(1), ask(0)] == [MOST, 1, 0]
    assert made == [*range(MOST + 1), 0]


@pytest.mark.parametrize(("taken", "rest"), [(0.1, 4.9), (3.0, 10.0)])  # a fiftieth of the time, or ten seconds
def test_a_paced_value_rests_after_each_making(monkeypatch: pytest.MonkeyPatch, taken: float, rest: float) -> None:
    clock = [0.0]
    monkeypatch.setattr("ctc_core.count_memory.monotonic", lambda: clock[0])

    def make(value: str) -> str:
        clock[0] += taken
        return value

    value: Paced[str] = Paced()
    assert value("a", lambda: make("first")) == "first"
    assert value("b", lambda: make("second")) == "first"
    clock[0] += rest - 0.1
    assert value("b", lambda: make("second")) == "first"
    clock[0] += 0.2
    assert value("b", lambda: make("second")) == "second"
    assert value("b", lambda: make("never")) == "second"
