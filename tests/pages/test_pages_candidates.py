"""The review page on an empty store, on a small store, and without the router."""

from collections.abc import Callable
from pathlib import Path

from streamlit.testing.v1 import AppTest

from ctc_core.settings import ROOT
from ctc_core.store import Store
from ctc_core.types import Decision, Label
from tests.pages.conftest import OpenApp
from tests.small_store import CARTRIDGE

PAGE = "pages/review/candidates.py"


def figures(at: AppTest) -> dict[str, tuple[str, str]]:
    return {metric.label: (metric.value, metric.delta) for metric in at.metric}


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
    assert not at.exception
    # 40 cells scored evenly from 0.99 down to 0.20: 25 reach 0.5. Ten events, five of them assigned.
    assert figures(at) == {
        "Confirmed CTCs": ("0", "by readers of this desk"),
        "Undecided": ("32", "candidates and events"),
        "Shown by CellSearch": ("0", "of the confirmed CTCs"),
        "CellSearch's count": ("5", "of 10 events shown"),
        "PPV of our candidates": ("–", "nothing decided yet"),
        "PPV of CellSearch": ("0.50", "95 % CI 0.24 to 0.76, n = 10"),
    }
    assert at.segmented_control[0].options == ["All 32", "Agreed 3", "Model only 22", "CellSearch only 7"]
    assert any(
        "1 of 6 frames could not be read and are not counted (frame 6:" in caption.value for caption in at.caption
    )


def test_usual_thresholds_are_marked_with_what_they_show(open_app: OpenApp, small_store: Callable[..., Path]) -> None:
    small_store()
    assert "Cells from 0.4: 30, 0.5: 25, 0.6: 20" in [caption.value for caption in open_app(PAGE).caption]


def test_threshold_changes_what_is_shown_and_never_cellsearchs_count(
    open_app: OpenApp, small_store: Callable[..., Path]
) -> None:
    small_store()
    at = open_app(PAGE)
    at.slider[0].set_value(0.9).run()
    assert not at.exception
    # five cells reach 0.9, one of them an event's; the other nine events are shown as well
    assert at.segmented_control[0].options == ["All 14", "Agreed 1", "Model only 4", "CellSearch only 9"]
    assert figures(at)["CellSearch's count"] == ("5", "of 10 events shown")


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
    assert figures(at)["Confirmed CTCs"] == ("2", "by readers of this desk")
    assert figures(at)["Undecided"] == ("29", "candidates and events")
    assert figures(at)["PPV of our candidates"] == ("0.67", "95 % CI 0.21 to 0.94, n = 3")


def test_cartridge_from_the_address(open_app: OpenApp, small_store: Callable[..., Path]) -> None:
    small_store()
    assert open_app(PAGE, cartridge="no-such").selectbox[0].value == CARTRIDGE
    assert open_app(PAGE, cartridge=CARTRIDGE).selectbox[0].value == CARTRIDGE


def test_start_page_goes_where_there_is_something_to_do(open_app: OpenApp, small_store: Callable[..., Path]) -> None:
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
