"""The calibration set read in a real browser: blind, by keyboard, through a reload, to the reader's own agreement."""

from pathlib import Path

import pandas as pd
import pytest
from playwright.sync_api import Browser, Page, expect

from ctc_core.store import Store, verify
from tests.browser.conftest import READY
from tests.server import serving

pytestmark = pytest.mark.browser
SAVED = 120_000
"""Milliseconds to wait for an answer on a busy machine."""
CELLS = 6
"""Numbers 0 and 3 are CTCs."""


@pytest.fixture
def calibrated(mapped_store: Path) -> tuple[Path, list[str]]:
    """A data folder with a set of six settled cells, and their ids in order."""
    with Store.open(mapped_store) as store:
        ids = store.cells("T1").cell_id[:CELLS].tolist()
        labels = ["ctc" if number % 3 == 0 else "non-ctc" for number in range(CELLS)]
        cells = pd.DataFrame({"cell_id": ids, "label": labels, "hard": [number > 3 for number in range(CELLS)]})
        store.add_calibration_set(cells, reader="eva", session="tests")
    return mapped_store, ids


def open_calibration(page: Page, address: str) -> None:
    """By the menu, as people do."""
    page.goto(address)
    page.wait_for_selector(READY, timeout=SAVED)
    page.get_by_role("link", name="Rounds", exact=True).click()
    page.get_by_role("tab", name="Calibration").click()


def test_a_set_is_read_blind_to_its_end(calibrated: tuple[Path, list[str]], browser: Browser) -> None:
    data, ids = calibrated
    profile = browser.new_context(viewport={"width": 1440, "height": 1000})
    page = profile.new_page()
    finish = page.get_by_role("button", name="Finish and show my agreement")
    with serving(data) as address:
        open_calibration(page, address)
        page.wait_for_selector(".card.focused", timeout=SAVED)
        assert page.locator(".card").count() == CELLS
        shown = page.locator('[data-testid="stMain"]').inner_text().lower()
        assert "settled:" not in shown and "kappa" not in shown and "p(ctc)" not in shown
        expect(finish).to_be_disabled()
        read = []
        for key in ("2", "1", "u", "2", "2"):  # the second is taken back, and said again
            read.append(str(page.locator(".card.focused").get_attribute("data-id")))
            page.keyboard.press(key)
        expect(page.locator(".count")).to_have_text("3 saved", timeout=SAVED)
        assert {*read} <= {*ids}
        open_calibration(page, address)  # in the middle: the answers are there, and nobody else's
        expect(page.get_by_text("3 of 6 cells are left to read.")).to_be_visible(timeout=SAVED)
        page.wait_for_selector(".card.focused", timeout=SAVED)
        for key in "123":
            page.keyboard.press(key)
        expect(page.get_by_text("All cells are read.")).to_be_visible(timeout=SAVED)
        finish.click()
        expect(page.get_by_role("heading", name="Your agreement")).to_be_visible(timeout=SAVED)
        expect(page.get_by_text("settled: CTC").first).to_be_visible(timeout=SAVED)
        expect(page.locator(".card")).to_have_count(0)
        open_calibration(page, address)
        expect(page.get_by_role("heading", name="Your agreement")).to_be_visible(timeout=SAVED)
    profile.close()
    with Store.open(data) as store:
        answers = store.calibration_answers(store.calibration_sets()[0].set_id)
        entries = [entry for entry in store.journal.entries() if entry.kind.startswith("calibration")]
        labelled = [entry for entry in store.journal.entries() if entry.kind == "label" and entry.session != "tests"]
        assert verify(store).ok
    said = dict(zip(answers.cell_id, answers.label, strict=True))
    assert said == dict(zip(ids, ("non-ctc", "non-ctc", "non-ctc", "ctc", "non-ctc", "unsure"), strict=True))
    assert [entry.kind for entry in entries][0 :: len(entries) - 1] == ["calibration-set", "calibration-end"]
    assert all(entry.why.startswith(("taken back", "corrected")) for entry in entries if entry.old is not None)
    assert labelled == []
