"""A save that fails in the middle: the browser keeps whatever the journal may have, and nothing is saved twice."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from ctc_core.errors import StoreError, UserError
from ctc_core.store import Store, projection, verify
from ctc_core.types import Decision
from ctc_core.ui.gallery import Replies, save_batch
from ctc_core.ui.session import User
from tests.small_store import CARTRIDGE


@pytest.fixture
def store(small_store: Callable[..., Path]) -> Iterator[Store]:
    with Store.open(small_store()) as store:
        yield store


def sent(store: Store, *ids: str) -> list[dict[str, Any]]:
    cells = store.cells(CARTRIDGE).cell_id
    return [
        {"id": id_, "candidate_id": cells[i], "cartridge_id": CARTRIDGE, "label": "ctc"} for i, id_ in enumerate(ids)
    ]


def save(store: Store, batch: list[dict[str, Any]], replies: Replies) -> None:
    save_batch(batch, User("anna", "tab-1"), lambda decisions: store.decide(list(decisions)), replies)


def test_a_store_that_fails_after_the_journal_refuses_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise StoreError("The store refused (Corrupt database file)")

    batch, replies = sent(store, "a", "b"), Replies()
    with monkeypatch.context() as patch:
        patch.setattr(projection, "project", broken)
        save(store, batch, replies)
        save(store, batch, replies)
    assert (replies.saved, replies.refused, replies.trouble) == ({}, {}, "The store refused (Corrupt database file)")
    written = [entry.id for entry in store.journal.entries()]
    assert written[-2:] == ["a", "b"]  # they are there; they only were not acknowledged
    save(store, batch, replies)
    assert (list(replies.saved), replies.refused, replies.trouble) == (["a", "b"], {}, "")
    assert [row[0] for row in store.decisions()] == ["a", "b"]
    assert verify(store).ok


def test_somebody_who_must_not_save_now_loses_nothing(store: Store) -> None:
    def expired(_: Sequence[Decision]) -> Sequence[str]:
        raise UserError("Your log-in has ended. Sign in again.")

    replies = Replies()
    save_batch(sent(store, "a"), User("anna", "tab-1"), expired, replies)
    assert replies == Replies(trouble="Your log-in has ended. Sign in again.")


def test_a_decision_that_means_nothing_is_refused_and_named(store: Store) -> None:
    replies = Replies()
    good = sent(store, "a")
    save(store, [*good, {**good[0], "id": "b", "candidate_id": "no-such-cell"}], replies)
    assert (list(replies.saved), list(replies.refused)) == (["a"], ["b"])
    assert replies.trouble == ""
