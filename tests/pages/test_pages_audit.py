"""The audit page: the last hash, entries found by what they say, and verification in plain words."""

from collections.abc import Callable
from pathlib import Path

from streamlit.testing.v1 import AppTest

from ctc_core.store import Store
from ctc_core.types import Decision, Label
from tests.pages.conftest import OpenApp
from tests.small_store import CARTRIDGE

PAGE = "pages/system/audit.py"


def decide(data: Path) -> tuple[int, str]:
    """Two readers on two cells, one with a changed mind; the head of the journal afterwards."""
    with Store.open(data) as store:
        first, second = store.cells(CARTRIDGE).cell_id[:2]
        store.decide([
            Decision("d1", CARTRIDGE, first, None, Label.CTC, "bert", "s1"),
            Decision("d2", CARTRIDGE, first, None, Label.UNSURE, "bert", "s1", "the nucleus is torn"),
            Decision("d3", CARTRIDGE, second, None, Label.ARTIFACT, "carl", "s2"),
        ])  # fmt: skip
        return store.journal.head


def rows(at: AppTest) -> list[tuple[str, ...]]:
    table = at.dataframe[0].value
    return [tuple(row) for row in table[["What", "Person", "Before", "After", "Reason"]].to_numpy()]


def test_an_empty_journal_says_what_will_stand_here(open_app: OpenApp) -> None:
    at = open_app(PAGE)
    assert not at.exception
    assert (at.metric[0].value, at.code[0].value) == ("0", "0" * 64)
    assert at.text[0].value.startswith("Every decision, import and change of a role appears here")


def test_entries_are_found_by_what_they_say(open_app: OpenApp, small_store: Callable[..., Path]) -> None:
    seq, head = decide(small_store())
    at = open_app(PAGE)
    assert not at.exception
    assert (at.metric[0].value, at.code[0].value) == (str(seq), head)
    assert rows(at)[:3] == [
        ("Cell labelled", "carl", "", "artifact", ""),
        ("Cell labelled", "bert", "ctc", "unsure", "the nucleus is torn"),
        ("Cell labelled", "bert", "", "ctc", ""),
    ]
    assert len(rows(at)) == seq
    assert at.dataframe[0].value["Hash"].iloc[0] == head
    at.text_input(key="audit_text").set_value("NUCLEUS").run()
    assert rows(at) == [("Cell labelled", "bert", "ctc", "unsure", "the nucleus is torn")]
    at.text_input(key="audit_text").set_value("").run()
    at.selectbox(key="audit_reader").set_value("carl").run()
    assert rows(at) == [("Cell labelled", "carl", "", "artifact", "")]
    at.multiselect(key="audit_kinds").set_value(["patient"]).run()
    assert "No entry fits." in [caption.value for caption in at.caption]
    at.selectbox(key="audit_reader").set_value(None).run()
    assert [row[0] for row in rows(at)] == ["Patient added"]


def test_verification_says_what_differs(open_app: OpenApp, small_store: Callable[..., Path]) -> None:
    data = small_store()
    decide(data)
    at = open_app(PAGE)
    verify(at)
    assert at.success[0].value.startswith("Journal, store, bundles and scores say the same: ")
    (bundle,) = (data / "bundles").iterdir()
    (bundle / "cells.parquet").write_bytes(b"x")
    verify(at)
    assert at.error[0].value.startswith("1 difference in ")
    assert any("cells.parquet was changed" in text.value for text in at.text)


def verify(at: AppTest) -> None:
    next(button for button in at.button if button.label == "Verify now").click().run()
    assert not at.exception
