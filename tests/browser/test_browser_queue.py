"""A round read in a real browser: keys, clock, 1,000 cells, a server killed in the middle; nothing lost or doubled."""

import statistics
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from ctc_core.jobs import Jobs, Kind
from ctc_core.store import RoundDraft, Store
from ctc_core.types import Role
from tests.server import free_port, serving
from tests.small_store import CARTRIDGE, ENCODER, PATIENT, write_small_bundle

pytestmark = pytest.mark.browser
CELLS = 1000
SAVED = 120_000
"""Milliseconds to wait for an answer on a busy machine."""


@pytest.fixture
def queued(tmp_path: Path) -> Path:
    """A data folder in which anna has a round of 1,000 cells."""
    data = tmp_path / "data"
    bundle = write_small_bundle(tmp_path / "bundle", n_cells=CELLS)
    with Store.open(data) as store:
        store.add_patient(PATIENT, Role.TRAIN, reader="tests", session="tests")
        store.add_bundle(bundle)
        ids = tuple(store.cells(CARTRIDGE).cell_id)
        why = ("Typical of cells without a label.",) * CELLS
        asked = RoundDraft(encoder_id=ENCODER, strategy="typiclust", cell_ids=ids, reasons=why, minutes=5)
        store.open_round(asked, reader="anna", session="tests")
    return data


def open_queue(page: Page, address: str) -> None:
    page.goto(f"{address}/queue")
    page.wait_for_selector(".card.focused", timeout=SAVED)


def read(page: Page, n: int) -> list[str]:
    """Decide the next n cells, taking turns between CTC and non-CTC; which cells these were."""
    cells = []
    for i in range(n):
        cells.append(str(page.locator(".card.focused").get_attribute("data-id")))
        page.keyboard.press("12"[i % 2])
    return cells


def test_a_thousand_cells_by_keyboard(queued: Path, browser: Browser) -> None:
    """Times are printed, not asserted: machines differ."""
    port, profile = free_port(), browser.new_context(viewport={"width": 1440, "height": 1000})
    page = profile.new_page()
    with serving(queued, port=port, kill=True) as address:
        open_queue(page, address)
        expect(page.locator(".why")).to_have_text("Typical of cells without a label.")
        assert page.locator(".place").inner_text() == f"1 of {CELLS}"
        assert page.locator(".clock").inner_text().endswith(" left")
        page.evaluate("""() => {
            window.waits = [];
            document.addEventListener("keydown", (event) => requestAnimationFrame(() =>
                setTimeout(() => window.waits.push(performance.now() - event.timeStamp))), true);
        }""")
        began = time.monotonic()
        cells = read(page, 150)
        seconds = time.monotonic() - began
        expect(page.locator(".count")).to_have_text("150 saved", timeout=SAVED)
        waits = page.evaluate("window.waits")
        assert page.locator(".card").count() < 60  # only those in sight exist
    early, late = (statistics.median(part) for part in (waits[:50], waits[-50:]))
    ranked = sorted(waits)
    print(
        f"key to next cell drawn, {CELLS} cells: median {statistics.median(ranked):.0f} ms, "
        f"p95 {ranked[int(0.95 * len(ranked))]:.0f} ms; first 50 {early:.0f} ms, last 50 {late:.0f} ms; "
        f"{60 * len(cells) / seconds:.0f} cells a minute"
    )
    more = read(page, 10)  # the server is dead
    expect(page.locator(".status")).to_contain_text("Saving 10")
    with serving(queued, port=port) as address:
        expect(page.locator(".count")).to_have_text("160 saved", timeout=SAVED)
        open_queue(page, address)
        expect(page.locator(".count")).to_have_text("160 saved", timeout=SAVED)
        assert page.locator(".place").inner_text() == f"161 of {CELLS}"
    profile.close()
    assert len({*cells, *more}) == 160
    expected = {cell: ("ctc", "non-ctc")[i % 2] for part in (cells, more) for i, cell in enumerate(part)}
    with Store.open(queued) as store:
        said = store.readings()
        written = [entry.id for entry in store.journal.entries() if entry.kind == "label"]
    assert dict(zip(said.cell_id, said.label, strict=True)) == expected
    assert len(written) == len(set(written)) == 160


def test_a_comment_waits_for_its_decision_and_finishing_for_both(queued: Path, browser: Browser) -> None:
    """A comment on an undecided cell outlives a reload; a decision made just before the end counts for the round."""
    profile = browser.new_context(viewport={"width": 1440, "height": 1000})
    page = profile.new_page()
    with serving(queued) as address:
        open_queue(page, address)
        page.keyboard.press("c")
        page.keyboard.type("torn at 12")
        page.keyboard.press("Enter")
        page.reload()
        page.wait_for_selector(".card.focused", timeout=SAVED)
        expect(page.locator(".facts")).to_contain_text("torn at 12")
        page.keyboard.press("1")
        page.get_by_role("button", name="Finish the round").click()  # the decision waits for others to travel with
        expect(page.get_by_text("The round is being finished")).to_be_visible(timeout=SAVED)
    profile.close()
    with Store.open(queued) as store:
        (said,) = [entry for entry in store.journal.entries() if entry.kind == "label"]
        (job,) = Jobs(queued).status(Kind.REFIT)
    assert (said.new, said.reason, said.reader) == ("ctc", "torn at 12", "anna")
    assert job.job.created > datetime.fromisoformat(said.time).replace(tzinfo=UTC).timestamp()


def test_time_runs_out_and_nothing_is_lost(queued: Path, browser: Browser) -> None:
    profile = browser.new_context(viewport={"width": 1440, "height": 1000})
    page = profile.new_page()
    with serving(queued) as address:
        open_queue(page, address)
        page.clock.install()
        page.reload()
        page.wait_for_selector(".card.focused", timeout=SAVED)
        page.keyboard.press("1")
        page.clock.fast_forward("06:00")
        expect(page.locator(".clock")).to_have_text("Time is up")
        expect(page.locator("p.over")).to_be_visible()
        page.keyboard.press("2")  # keys go on working
        page.clock.run_for(1000)
        expect(page.locator(".count")).to_have_text("2 saved", timeout=SAVED)
    profile.close()
