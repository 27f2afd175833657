"""The report page: empty, as a draft, signed, and out of date."""

from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from ctc_core.store import Store
from ctc_core.types import Label
from ctc_core.ui.desk import open_desk
from tests.mapped_store import label
from tests.pages.conftest import OpenApp

PAGE = "pages/review/report.py"


@pytest.fixture
def decided(unmapped_store: Path) -> Path:
    """One CTC of R1 is confirmed."""
    with Store.open(unmapped_store) as store:
        label(store, "R1", 0, Label.CTC)
    return unmapped_store


def test_empty_store_says_what_to_do(open_app: OpenApp) -> None:
    at = open_app(PAGE)
    assert not at.exception
    assert [title.value for title in at.title] == ["Report"]
    assert at.text[0].value.endswith("Its report can be signed here once its candidates are read.")


def test_an_unread_cartridge(open_app: OpenApp, small_store: Callable[..., Path]) -> None:
    small_store()
    at = open_app(PAGE)
    assert not at.exception
    assert at.warning[0].value == "Draft: nobody has signed a report on this cartridge yet."
    figures = {metric.label: metric.value for metric in at.metric}
    assert (figures["Confirmed CTCs"], figures["CellSearch's count"], figures["Undecided"]) == ("0", "5", "32")


def test_signing(open_app: OpenApp, decided: Path) -> None:
    at = on_r1(open_app)
    assert {metric.label: metric.value for metric in at.metric}["Confirmed CTCs"] == "1"
    at.text_input(key="report_name").set_value("somebody")
    at.text_input(key="report_reason").set_value("All read.")
    sign(at)
    assert at.error[0].value.replace("\\", "").startswith("The name is not that of the person signed in (anna).")
    at.text_input(key="report_name").set_value("anna")
    at.text_input(key="report_reason").set_value("All read.")
    sign(at)
    assert not at.exception and not at.error
    assert at.success[0].value.startswith("Version 1, signed ") and "by anna" in at.success[0].value
    assert any(text.value.endswith("UTC, anna: All read.") for text in at.text)
    files = sorted(path.name for path in (decided / "reports" / "R1").iterdir())
    assert files == ["v1.json", "v1.pdf"]


def test_nothing_is_signed_that_was_not_on_the_screen(open_app: OpenApp, decided: Path) -> None:
    """Another reader decides, or another cartridge is chosen, between the look and the click."""
    at = on_r1(open_app)
    label(open_desk().store, "R1", 1, Label.CTC)
    fill(at)
    changed = "The report has changed since you looked at it; nothing was signed."
    assert at.error[0].value.replace("\\", "").startswith(changed)
    assert {metric.label: metric.value for metric in at.metric}["Confirmed CTCs"] == "2"
    at.selectbox(key="cartridge").set_value("E1")  # and the click comes in the same run
    fill(at)
    assert at.error[0].value.replace("\\", "").startswith(changed)
    assert not (decided / "reports").exists()
    fill(at)
    assert not at.error and at.success[0].value.startswith("Version 1, signed ")
    assert [path.name for path in (decided / "reports").iterdir()] == ["E1"]


def test_neighbours_that_may_be_one_cell_are_asked_about(
    open_app: OpenApp, decided: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ctc_core.enumeration.summary.CLOSE_UM", 5000.0)
    with Store.open(decided) as store:
        frames = store.cells("R1").frame
        label(store, "R1", int(frames.index[frames == frames[0]][1]), Label.CTC)
    at = on_r1(open_app)
    assert at.warning[1].value.startswith("Perhaps counted twice\\: the counted CTCs 1 and 2 ")
    fill(at)
    assert "or confirm that they are different cells" in at.error[0].value
    at.checkbox(key="report_distinct").check()
    fill(at)
    assert not at.exception and not at.error
    assert at.success[0].value.startswith("Version 1, signed ")


def fill(at: AppTest) -> None:
    at.text_input(key="report_name").set_value("anna")
    at.text_input(key="report_reason").set_value("All read.")
    sign(at)


def on_r1(open_app: OpenApp) -> AppTest:
    at = open_app(PAGE)
    at.selectbox(key="cartridge").set_value("R1").run()
    assert not at.exception
    return at


def sign(at: AppTest) -> None:
    next(button for button in at.button if button.label == "Sign this report").click().run()


def test_another_cut_off_is_another_report(open_app: OpenApp, decided: Path) -> None:
    at = on_r1(open_app)
    at.selectbox(key="report_cancer").set_value("Colorectal").run()
    assert not at.exception
    assert "P(at least 3 in 7.5 ml)" in [metric.label for metric in at.metric]
