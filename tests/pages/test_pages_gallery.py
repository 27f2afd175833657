"""From what a browser sends to journal and store, without a browser."""

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ctc_core import workflows
from ctc_core.enumeration import EVENT_PREFIX, event_ids
from ctc_core.errors import JournalError
from ctc_core.matched import candidates
from ctc_core.settings import ROOT
from ctc_core.store import Store
from ctc_core.types import Decision, Label
from ctc_core.ui.gallery import FILM, ROWS, arrow
from ctc_core.ui.received import Replies, save_batch
from ctc_core.ui.review import pictures
from ctc_core.ui.session import User
from tests.small_store import CARTRIDGE

ANNA = User("anna", "tab-1")


@pytest.fixture
def store(small_store: Callable[..., Path]) -> Iterator[Store]:
    with Store.open(small_store()) as store:
        yield store


def sent(id_: str, candidate_id: str, label: str | None) -> dict[str, Any]:
    """What outbox.js sends."""
    return {"id": id_, "candidate_id": candidate_id, "cartridge_id": CARTRIDGE, "label": label, "made_ms": 1, "made": 0}


def save(store: Store, batch: Sequence[dict[str, Any]], replies: Replies | None = None) -> Replies:
    replies = replies or Replies()
    save_batch(batch, ANNA, lambda decisions: workflows.decide(store, list(decisions)), replies)
    return replies


def labels(store: Store) -> dict[str, tuple[str, str]]:
    current = store.current_labels(CARTRIDGE)
    return {
        cell: (label, reader)
        for cell, label, reader in zip(current.cell_id, current.label, current.reader, strict=True)
    }


def test_cells_and_events_are_saved_under_the_signed_in_reader(store: Store) -> None:
    cell = store.cells(CARTRIDGE).cell_id[0]
    replies = save(store, [sent("a", cell, "ctc"), sent("b", f"{EVENT_PREFIX}r9", "artifact")])
    assert replies == Replies(saved={"a": None, "b": None})
    assert labels(store) == {cell: ("ctc", "anna")}
    reviews = store.current_reviews(CARTRIDGE)
    assert [tuple(row) for row in reviews[["rid", "label", "reader"]].to_numpy()] == [("r9", "artifact", "anna")]


def test_sent_twice_is_saved_once_and_acknowledged_twice(store: Store) -> None:
    cell = store.cells(CARTRIDGE).cell_id[0]
    batch = [sent("a", cell, "ctc")]
    save(store, batch)
    assert save(store, batch) == Replies(saved={"a": None})
    assert list(store.label_history(cell).id) == ["a"]


def test_undo_withdraws_or_restores(store: Store) -> None:
    first, second = store.cells(CARTRIDGE).cell_id[:2]
    save(
        store,
        [
            sent("a", first, "ctc"),
            sent("b", first, None),
            sent("c", second, "unsure"),
            sent("d", second, "ctc"),
            sent("e", second, "unsure"),
        ],
    )
    assert labels(store) == {second: ("unsure", "anna")}


def test_one_wrong_decision_does_not_hold_up_the_others(store: Store) -> None:
    cell = store.cells(CARTRIDGE).cell_id[0]
    replies = save(
        store, [sent("a", "no-such-cell", "ctc"), sent("b", cell, "ctc"), sent("c", cell, "malignant"), {"id": "d"}]
    )
    assert list(replies.saved) == ["b"]
    assert {id_: answer["candidate_id"] for id_, answer in replies.refused.items()} == {
        "a": "no-such-cell",
        "c": cell,
        "d": "None",
    }
    assert "no such cell" in replies.refused["a"]["reason"]
    assert labels(store) == {cell: ("ctc", "anna")}


def test_a_failing_disk_acknowledges_and_refuses_nothing() -> None:
    def full(decisions: Sequence[Decision]) -> list[str]:
        message = "journal: cannot be written (no space left on device)"
        raise JournalError(message)

    replies = Replies()
    save_batch([sent("a", "cell", "ctc")], ANNA, full, replies)
    assert replies == Replies(trouble="journal: cannot be written (no space left on device)")
    save_batch([sent("a", "cell", "ctc")], ANNA, lambda decisions: [d.id for d in decisions], replies)
    assert replies == Replies(saved={"a": None})


def crop_of(store: Store, row: Any) -> bytes:
    """Looked up by the name of the cell or event, not by the index that the code under test uses."""
    if row.cell_id is None:
        rids = list(store.events(CARTRIDGE).rid)
        return store.event_crops(CARTRIDGE)[rids.index(row.event_rid)].tobytes()
    return store.crops(CARTRIDGE)[list(store.cells(CARTRIDGE).cell_id).index(row.cell_id)].tobytes()


def test_tables_carry_every_cell_with_its_picture(store: Store) -> None:
    rows = candidates(store, CARTRIDGE, 0.5)
    told, film = arrow(rows, ROWS), pictures(store, CARTRIDGE, rows)
    assert (told.schema, film.schema) == (ROWS, FILM)
    assert told["candidate_id"].to_pylist() == film["candidate_id"].to_pylist() == list(rows.candidate_id)
    assert film["crop"].to_pylist() == [crop_of(store, row) for row in rows.itertuples()]
    alone = rows.index[rows.cell_id.isna()][0]
    assert told["probability"][int(alone)].as_py() is None  # not NaN: the browser shows "not scored"


def test_browser_and_store_know_the_same_labels() -> None:
    script = (ROOT / "ctc_core/ui/cell.js").read_text(encoding="utf-8")
    (line,) = [line for line in script.splitlines() if line.startswith("const LABELS")]
    assert re.findall(r'"?([a-z-]+)"?:', line) == [label.value for label in Label]


def test_events_are_named_as_the_enumeration_names_them() -> None:
    assert list(event_ids(pd.Series(["7"]))) == [f"{EVENT_PREFIX}7"]
