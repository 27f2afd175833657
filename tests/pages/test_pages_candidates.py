"""The review page on an empty store, on a small store, and without the router."""

from collections.abc import Callable
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from ctc_core.accounts import AccountRole
from ctc_core.report.sign import draft, sign
from ctc_core.settings import ROOT
from ctc_core.store import Store
from ctc_core.types import Decision, Label
from ctc_core.ui import session
from ctc_core.ui.session import User
from tests.pages.conftest import OpenApp
from tests.small_store import CARTRIDGE, ENCODER, PATIENT

PAGE = "pages/review/candidates.py"
ALL = ["All 32", "Agreed 3", "Model only 22", "CellSearch only 7", "Less certain 0"]


def figures(at: AppTest) -> dict[str, tuple[str, str]]:
    return {metric.label: (metric.value, metric.delta) for metric in at.metric}


def marks(at: AppTest) -> list[str]:
    """What the usual thresholds mean, up to the number of images."""
    return [button.label.split(" images")[0] for button in at.button if "images" in button.label]


def order(at: AppTest) -> list[str]:
    kept: list[str] = at.session_state["candidates_order"]
    return kept


def test_empty_store_says_what_to_do(open_app: OpenApp) -> None:
    at = open_app(PAGE)
    assert not at.exception
    assert [title.value for title in at.title] == ["Candidates"]
    assert [text.value for text in at.text] == [
        "Put a CellSearch archive into the inbox folder and start it on the Ingest page. Its candidates appear here."
    ]
    assert [link.value for link in at.page_link] == ["Go to Ingest"]


def test_counts_of_an_unread_cartridge(open_app: OpenApp, small_store: Callable[..., Path]) -> None:
    small_store()
    at = open_app(PAGE)
    assert not at.exception and not at.error
    # 40 cells scored evenly from 0.99 down to 0.20: 25 reach 0.5. Ten events, five of them assigned.
    found = figures(at)
    assert {name: found[name] for name in ("Confirmed CTCs", "Undecided", "CellSearch's count", "Our PPV")} == {
        "Confirmed CTCs": ("0", "0 shown by CellSearch"),
        "Undecided": ("32", "of 32 images"),
        "CellSearch's count": ("5", "of 10 events shown"),
        "Our PPV": ("–", "nothing decided yet"),
    }
    assert found["CellSearch's PPV"] == ("0.50", "0.24 to 0.76, n = 10")
    assert found["CTCs not seen yet"][0].startswith("up to ")
    assert at.segmented_control[0].options == ALL
    assert marks(at) == ["0.40  30", "**0.50**  25", "0.60  20"]
    assert any("Read on" in text.value for text in at.markdown)
    assert any(
        "1 of 6 frames could not be read and are not counted (frame 6:" in caption.value for caption in at.caption
    )


def test_threshold_changes_what_is_shown_and_never_cellsearchs_count(
    open_app: OpenApp, small_store: Callable[..., Path]
) -> None:
    small_store()
    at = open_app(PAGE)
    at.slider(key="candidates_threshold").set_value(0.9).run()
    assert not at.exception
    # five cells reach 0.9, one of them an event's; the other nine events are shown as well
    assert at.segmented_control[0].options[:4] == ["All 14", "Agreed 1", "Model only 4", "CellSearch only 9"]
    assert figures(at)["CellSearch's count"] == ("5", "of 10 events shown")
    assert marks(at) == ["0.40  30", "0.50  25", "0.60  20", "**0.90**  5"]
    next(button for button in at.button if button.label.startswith("0.60")).click().run()
    assert at.slider(key="candidates_threshold").value == 0.6
    assert at.segmented_control[0].options[0] == "All 27"


def test_saved_decisions_are_counted(open_app: OpenApp, small_store: Callable[..., Path]) -> None:
    data = small_store()
    with Store.open(data) as store:
        best = store.predictions(CARTRIDGE, "classifier-of-tests").cell_id[:3]
        labels = (Label.CTC, Label.CTC, Label.NON_CTC)
        store.decide(
            [
                Decision(f"d{i}", CARTRIDGE, cell, None, label, "anna", "s")
                for i, (cell, label) in enumerate(zip(best, labels, strict=True))
            ]
        )
    at = open_app(PAGE)
    assert figures(at)["Confirmed CTCs"][0] == "2"
    assert figures(at)["Undecided"] == ("29", "of 32 images")
    assert figures(at)["Our PPV"] == ("0.67", "0.21 to 0.94, n = 3")


def test_order_and_group_stand_in_the_address(open_app: OpenApp, small_store: Callable[..., Path]) -> None:
    with Store.open(small_store()) as store:
        likeliest = list(store.predictions(CARTRIDGE, "classifier-of-tests").cell_id[:25])  # scores fall
    at = open_app(PAGE, order="probability", cells="model")
    assert not at.exception
    assert (at.segmented_control[0].value, at.selectbox(key="candidates_sort").value) == ("model", "probability")
    assert order(at)[:25] == likeliest
    at.selectbox(key="candidates_sort").set_value("place").run()
    assert "place" in at.query_params["order"]
    assert order(at)[:25] != likeliest


def test_order_stays_while_one_reads(open_app: OpenApp, small_store: Callable[..., Path]) -> None:
    small_store()
    at = open_app(PAGE)
    before = order(at)
    at.selectbox(key="candidates_reader").set_value("Nobody yet").run()
    assert "Filtered: read by Nobody yet." in [caption.value for caption in at.caption]
    assert order(at) == before


def test_hidden_scores_leave_only_the_order_that_tells_nothing(
    open_app: OpenApp, small_store: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    small_store()
    monkeypatch.setenv("CTC_HIDE_SCORE", "true")
    at = open_app(PAGE)
    assert not at.exception
    assert at.selectbox(key="candidates_sort").options == ["Place on the cartridge"]


def test_an_unsigned_patient_cannot_be_released(open_app: OpenApp, small_store: Callable[..., Path]) -> None:
    small_store()
    at = open_app(PAGE)
    assert "Release to training" in [expander.label for expander in at.expander]
    assert f"{CARTRIDGE}: no signed report. Sign one on the Report page first." in [text.value for text in at.text]


def test_a_signed_off_patient_is_released_by_an_expert_with_a_reason(
    open_app: OpenApp, small_store: Callable[..., Path]
) -> None:
    data = small_store()
    with Store.open(data) as store:
        cell = str(store.cells(CARTRIDGE).cell_id[0])
        store.decide([Decision("d", CARTRIDGE, cell, None, Label.CTC, "anna", "s")])
        sign(store, draft(store, CARTRIDGE, 0.5), name="anna", reason="All read.", reader="anna", session="s")
    at = open_app(PAGE)
    at.button(key=f"candidates_release_{PATIENT}_send").click().run()
    needed = "patient\\-01\\: releasing decisions to training needs a reason\\. Give one\\."
    assert [error.value for error in at.error] == [needed]
    at.text_input(key=f"candidates_release_{PATIENT}_reason").set_value("typical ghosts")
    at.button(key=f"candidates_release_{PATIENT}_send").click().run()
    assert not at.exception and not at.error
    assert "Release to training" not in [expander.label for expander in at.expander]
    assert any(caption.value.startswith("Patient patient\\-01 (train)") for caption in at.caption)
    st.cache_resource.clear()  # closes the store
    with Store.open(data) as store:
        assert store.training_pool(ENCODER).cell_ids == (cell,)
        (entry,) = (entry for entry in store.journal.entries() if entry.kind == "role")
    assert (entry.subject, entry.new, entry.reader, entry.reason) == (PATIENT, "train", "anna", "typical ghosts")


def test_who_is_no_expert_cannot_release(
    open_app: OpenApp, small_store: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store.open(small_store()) as store:
        sign(store, draft(store, CARTRIDGE, 0.5), name="anna", reason="All read.", reader="anna", session="s")
    monkeypatch.setattr(session, "_only_person", lambda _: User("bela", "", AccountRole.READER))
    at = open_app(PAGE)
    assert not at.exception
    assert "Only an expert can release a patient. Ask one of your lab." in [text.value for text in at.text]
    assert not [button.key for button in at.button if "release" in str(button.key)]


def test_gate_with_own_limits(open_app: OpenApp, small_store: Callable[..., Path]) -> None:
    small_store()
    at = open_app(PAGE)
    at.selectbox(key="candidates_gate").set_value("leukocyte").run()
    assert not at.exception
    assert [box.label for box in at.number_input if "candidates_gate" in (box.key or "")] == [
        "CK SD, below", "DAPI maximum, above", "CD45 maximum, above",
    ]  # fmt: skip
    at.number_input(key="candidates_gate_leukocyte_cd45_max_low").set_value(0.0).run()
    assert not at.exception


def test_less_certain_cells_of_a_mapped_draw(open_app: OpenApp, mapped_store: Path) -> None:
    at = open_app(PAGE, cartridge="R1", cells="less")
    assert not at.exception and not at.error
    label = at.segmented_control[0].options[4]
    assert label.startswith("Less certain ") and label != "Less certain 0"
    assert at.segmented_control[0].value == "less"
    assert all("CTCs expected" in button.label for button in at.button if "images" in button.label)


def test_cartridge_from_the_address(open_app: OpenApp, small_store: Callable[..., Path]) -> None:
    small_store()
    assert open_app(PAGE, cartridge="no-such").selectbox[0].value == CARTRIDGE
    assert open_app(PAGE, cartridge=CARTRIDGE).selectbox[0].value == CARTRIDGE


def test_start_page_goes_where_there_is_something_to_do(open_app: OpenApp) -> None:
    assert open_app().title[0].value == "Ingest"


def test_start_page_of_a_filled_store(open_app: OpenApp, small_store: Callable[..., Path]) -> None:
    small_store()
    assert open_app().title[0].value == "Candidates"


def test_pages_do_nothing_without_the_router(open_app: OpenApp) -> None:
    for page in sorted((ROOT / "pages").glob("*/*.py")):
        at = AppTest.from_file(str(page), default_timeout=30).run()
        assert [error.value for error in at.error] == ["Nobody is signed in. Open the desk from its first page."], page
        assert not at.exception
        assert not at.title


def test_store_of_another_process_is_named(open_app: OpenApp, tmp_path: Path) -> None:
    with Store.open(tmp_path / "data"):
        at = open_app()
    assert not at.exception
    assert "in use by process" in at.error[0].value
    assert not at.title
