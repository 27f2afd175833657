"""The calibration tab: a set is made, read blind, ended once the browser has sent all, and judged."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from ctc_core.accounts import AccountRole
from ctc_core.reader_calibration import make_set
from ctc_core.store import Store
from ctc_core.types import Decision, Label
from ctc_core.ui import relabel_calibration, session
from ctc_core.ui.relabel_calibration import different_rows, share
from ctc_core.ui.review import outbox_name
from ctc_core.ui.session import User
from tests.pages.conftest import OpenApp

ROUNDS = "pages/relabel/rounds.py"


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the page hands to the gallery, run by run."""
    runs: list[dict[str, Any]] = []
    monkeypatch.setattr(relabel_calibration, "gallery", lambda rows, **told: runs.append({"rows": rows, **told}))
    monkeypatch.setattr(relabel_calibration, "film", lambda *_, **__: None)
    return runs


def open_tab(open_app: OpenApp) -> AppTest:
    at = open_app()
    at.session_state["rounds_tab"] = "Calibration"
    at.switch_page(ROUNDS).run()
    assert not at.exception and not at.error
    return at


def subheaders(at: AppTest) -> list[str]:
    return [heading.value for heading in at.subheader]


def answers(cells: Sequence[str], reader: str, value: Label = Label.CTC) -> list[Decision]:
    return [Decision(f"{reader}-{cell}", cell.split("-")[0], cell, None, value, reader, "s") for cell in cells]


def made_and_read(data: Path, *readers: str) -> list[str]:
    """A set of 20 cells, which these readers have read to the end, calling everything a CTC; its cells."""
    with Store.open(data) as store:
        set_id = make_set(store, n=20, once=True, reader="anna", session="s")
        (made,) = store.calibration_sets()
        cells = list(made.cells.cell_id)
        for reader in readers:
            store.calibrate(set_id, answers(cells, reader))
            store.end_calibration(set_id, reader=reader, session="s")
    return cells


def test_an_expert_makes_a_set(open_app: OpenApp, mapped_store: Path, shown: list[dict[str, Any]]) -> None:
    at = open_tab(open_app)
    assert subheaders(at) == ["No calibration set yet"]
    assert "0 cells (0 CTCs) two or more people agree on, or an expert has settled. 120 cells (40 CTCs) in all." in [
        text.value for text in at.text
    ]
    assert at.checkbox(key="calibration_once").value  # nothing was read twice here
    at.number_input(key="calibration_n").set_value(30)
    next(button for button in at.button if button.label == "Make the set").click().run()
    assert not at.exception and not at.error
    assert [len(run["rows"]) for run in shown] == [30]
    assert subheaders(at) == ["All readers"]


def test_who_is_no_expert_makes_none(open_app: OpenApp, mapped_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "_only_person", lambda _: User("bela", "", AccountRole.READER))
    at = open_tab(open_app)
    assert "An expert of your lab makes it here." in at.text[0].value
    assert not at.expander


def test_read_blind_and_ended_once_the_browser_has_sent_everything(
    open_app: OpenApp, mapped_store: Path, shown: list[dict[str, Any]]
) -> None:
    cells = made_and_read(mapped_store, "bela")
    at = open_tab(open_app)
    told = shown[-1]
    assert list(told["rows"].candidate_id) == cells
    assert told["rows"][["label", "own", "comment"]].isna().all().all()
    assert not {"probability", "cluster", "why", "reader"} & set(told["rows"].columns)
    assert (told["show_score"], told["drain"]) == (False, None)
    assert not told["outbox"].startswith(outbox_name(mapped_store, "anna"))  # or another gallery would send them
    assert at.button(key="calibration_end").disabled
    told["save"](answers(cells[:19], "anna"))
    at.run()
    assert "1 of 20 cells are left to read." in [caption.value for caption in at.caption]
    told["save"](answers(cells[19:], "anna", Label.UNSURE))
    at.run()
    assert "Your agreement" not in subheaders(at)
    at.button(key="calibration_end").click().run()
    assert shown[-1]["drain"] is not None
    assert subheaders(at) == ["All readers"]  # it waits for the browser


def test_own_figures_and_all_readers_side_by_side(open_app: OpenApp, mapped_store: Path) -> None:
    made_and_read(mapped_store, "anna", "bela")
    at = open_tab(open_app)
    assert subheaders(at) == ["Your agreement", "Cells that you saw differently", "All readers"]
    own, everybody = (table.value for table in at.table)
    assert own.to_numpy().tolist()[0][2:4] == ["1.00 (0.72 to 1.00), n = 10", "0.00 (0.00 to 0.28), n = 10"]
    assert list(everybody.Reader) == ["anna", "bela"]
    assert list(everybody["Labelled before"]) == ["20", "0"]
    assert any("You had labelled or settled 20 of these 20 cells before" in caption.value for caption in at.caption)


def test_a_reader_sees_only_the_own_figures(
    open_app: OpenApp, mapped_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_and_read(mapped_store, "anna", "bela")
    monkeypatch.setattr(session, "_only_person", lambda _: User("bela", "", AccountRole.READER))
    at = open_tab(open_app)
    assert subheaders(at) == ["Your agreement", "Cells that you saw differently"]
    assert [list(table.value.Reader) for table in at.table] == [["bela"]]


def test_the_end_comes_with_the_last_answer_of_the_browser(
    open_app: OpenApp, mapped_store: Path, monkeypatch: pytest.MonkeyPatch, shown: list[dict[str, Any]]
) -> None:
    cells = made_and_read(mapped_store)
    at = open_tab(open_app)
    shown[-1]["save"](answers(cells, "anna"))
    monkeypatch.setattr(relabel_calibration, "gallery", lambda *_, drain, **__: drain() if drain else None)
    at.run()
    at.button(key="calibration_end").click().run()
    assert not at.exception
    assert subheaders(at)[0] == "Your agreement"
    st.cache_resource.clear()  # closes the store
    with Store.open(mapped_store) as store:
        (made,) = store.calibration_sets()
        assert store.has_ended_calibration(made.set_id, "anna")
        assert set(store.calibration_answers(made.set_id).cell_id) == set(cells)


def test_the_newest_of_several_sets_is_read_first(
    open_app: OpenApp, mapped_store: Path, shown: list[dict[str, Any]]
) -> None:
    made_and_read(mapped_store, "anna")
    with Store.open(mapped_store) as store:
        second = make_set(store, n=24, seed=1, once=True, reader="anna", session="s")
        first = store.calibration_sets()[0].set_id
    at = open_tab(open_app)
    assert at.selectbox(key="calibration_set").value == second and len(shown[-1]["rows"]) == 24
    at.selectbox(key="calibration_set").set_value(first).run()
    assert subheaders(at)[0] == "Your agreement"


def test_cells_seen_differently_in_rows() -> None:
    both = pd.DataFrame({
        "cell_id": list("abcd"), "label": ["ctc", "artifact", "ctc", "ctc"], "hard": [True, False, False, True],
        "opinion": ["non-ctc", "ctc", "ctc", None], "truth": ["ctc", "non-ctc", "ctc", "ctc"],
    })  # fmt: skip
    assert [(row.heading, row.cell_ids, row.captions) for row in different_rows(both)] == [
        ("CTCs that you did not call so: 1", ("a",), ("settled: CTC, hard",)),
        ("Other cells that you called CTC: 1", ("b",), ("settled: artifact",)),
        ("You were unsure: 1", ("d",), ("settled: CTC, hard",)),
    ]
    assert share(None) == "–"
