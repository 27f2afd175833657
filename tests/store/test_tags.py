"""Tags: in the journal, read back, replaced and taken back; refused where they cannot be meant."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ctc_core.errors import DecisionRefused
from ctc_core.store import Store
from ctc_core.store.tags import Tag, Tagging, together
from tests.small_store import CARTRIDGE

BOTH = (Tag.CLUSTER, Tag.APOPTOTIC)


@pytest.fixture
def store(small_store: Callable[..., Path]) -> Iterator[Store]:
    with Store.open(small_store()) as store:
        yield store


def cell(store: Store, number: int = 0) -> str:
    return str(store.cells(CARTRIDGE).cell_id[number])


def word(id_: str, cell_id: str | None, tags: tuple[Tag, ...], reader: str = "anna", rid: str | None = None) -> Tagging:
    return Tagging(id_, CARTRIDGE, cell_id, rid, tags, reader, "s")


def told(store: Store) -> list[tuple[str, str, str]]:
    return [tuple(row) for row in store.tags(CARTRIDGE)[["candidate_id", "reader", "tags"]].to_numpy()]


def test_tags_of_cells_and_events_are_kept_and_audited(store: Store) -> None:
    first = cell(store)
    assert store.tag([word("a", first, BOTH), word("b", None, (Tag.CLUSTER,), rid="r9")]) == ("a", "b")
    assert told(store) == [(first, "anna", "apoptotic cluster"), ("event:r9", "anna", "cluster")]
    entries = [entry for entry in store.journal.entries() if entry.kind == "tag"]
    assert [(entry.subject, entry.old, entry.new, entry.reader) for entry in entries] == [
        (f"{CARTRIDGE}/{first}", None, ["apoptotic", "cluster"], "anna"),
        (f"{CARTRIDGE}/event:r9", None, ["cluster"], "anna"),
    ]


def test_the_last_word_of_each_reader_counts(store: Store) -> None:
    first, second = cell(store), cell(store, 1)
    store.tag([word("a", first, (Tag.APOPTOTIC,)), word("b", first, (Tag.CLUSTER,)), word("c", second, BOTH)])
    store.tag([word("d", second, ()), word("e", first, (Tag.APOPTOTIC,), reader="bob")])
    assert told(store) == [(first, "anna", "cluster"), (first, "bob", "apoptotic")]
    assert dict(together(store.tags(CARTRIDGE))) == {first: "apoptotic cluster"}
    (undone,) = (entry for entry in store.journal.entries() if entry.id == "d")
    assert (undone.old, undone.new) == (["apoptotic", "cluster"], [])


def test_a_changed_tag_says_what_it_replaces_and_nobody_is_asked(store: Store) -> None:
    first = cell(store)
    store.tag([word("a", first, (Tag.APOPTOTIC,)), word("b", first, (Tag.CLUSTER,)), word("c", first, (Tag.CLUSTER,))])
    store.tag([replace(word("d", first, ()), session="later"), replace(word("e", first, BOTH), session="later")])
    whys = [entry.why for entry in store.journal.entries() if entry.kind == "tag"]
    later = r"in place of what was said on .* UTC; it counts nothing, so nobody was asked why"
    expected = ["", r"corrected in the same session after \d s", "", later, ""]
    assert [bool(re.fullmatch(pattern, why)) for pattern, why in zip(expected, whys, strict=True)] == [True] * 5
    assert store.audit(kinds=["tag"]).why.tolist() == whys[::-1]


def test_sent_twice_is_saved_once(store: Store) -> None:
    one = word("a", cell(store), BOTH)
    assert store.tag([one]) == store.tag([one]) == ("a",)
    assert [entry.id for entry in store.journal.entries() if entry.kind == "tag"] == ["a"]


@pytest.mark.parametrize(
    "wrong", [word("a", "no-such-cell", BOTH), word("a", None, BOTH, rid="no-such-event"), word("taken", None, BOTH)]
)
def test_what_cannot_be_meant_is_refused_whole(store: Store, wrong: Tagging) -> None:
    store.tag([word("taken", cell(store), ())])
    with pytest.raises(DecisionRefused, match="Nothing was saved"):
        store.tag([word("good", cell(store), BOTH), wrong])
    assert told(store) == []


def test_tags_change_no_label_and_survive_a_lost_database(small_store: Callable[..., Path]) -> None:
    data = small_store()
    with Store.open(data) as store:
        first = cell(store)
        store.tag([word("a", first, BOTH)])
        assert store.current_labels(CARTRIDGE).empty
    (data / "store.duckdb").unlink()
    with Store.open(data) as store:
        assert told(store) == [(first, "anna", "apoptotic cluster")]
    lines = [json.loads(line) for path in (data / "journal").glob("*.jsonl") for line in path.read_text().splitlines()]
    assert [line["new"] for line in lines if line["kind"] == "tag"] == [["apoptotic", "cluster"]]
