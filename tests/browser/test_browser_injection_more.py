"""The same where several people meet: agreement, calibration, rounds and signatures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pandas as pd
import pytest
from playwright.sync_api import Browser, Page, expect

from ctc_core.report import sign
from ctc_core.store import RoundDraft, Store
from ctc_core.types import Decision, Label
from tests.browser.conftest import READY
from tests.browser.test_browser_injection import OBEYED, TEXTS
from tests.server import serving
from tests.small_store import ENCODER

pytestmark = pytest.mark.browser
SAVED = 120_000
"""Milliseconds to wait on a busy machine."""
IMAGE, LINK = TEXTS[4], TEXTS[3]


def fill(data: Path) -> None:
    """Names and words of readers wherever the pages repeat those of others."""
    with Store.open(data) as store:
        ids = store.cells("T1").cell_id
        for reader in (IMAGE, LINK):
            said = [Decision(f"{reader}{n}", "T1", ids[n], None, Label.UNSURE, reader, "s", reader) for n in range(3)]
            other = Decision(f"{reader}-", "T1", ids[5], None, Label.CTC, reader, "s", reader)
            store.decide([*said, other])  # anna calls that cell non-CTC: nobody agrees
        store.adjudicate(ids[5], Label.ARTIFACT, reader=IMAGE, session="s", reason=LINK)
        cells = pd.DataFrame({"cell_id": ids[:2], "label": ["ctc", "non-ctc"], "hard": [False, True]})
        set_id = store.add_calibration_set(cells, reader=IMAGE, session="s", reason=LINK)
        for reader in ("anna", IMAGE, LINK):
            sent = [Decision(f"c{reader}{n}", "T1", ids[n], None, Label.CTC, reader, "s", IMAGE) for n in range(2)]
            store.calibrate(set_id, sent)
            store.end_calibration(set_id, reader=reader, session="s")
        asked = RoundDraft(encoder_id=ENCODER, strategy="random", cell_ids=(ids[70],), summary=IMAGE, reasons=(LINK,))
        opened = store.open_round(asked, reader=IMAGE, session="s")
        store.abandon_round(opened.round_id, reader=IMAGE, session="s", reason=LINK)
        store.open_round(asked, reader="anna", session="s")
        by = {"name": IMAGE, "reason": LINK, "reader": IMAGE, "session": "s"}
        sign.sign(store, sign.draft(store, "E1", 0.5), **by, distinct=True)  # the cartridge that the page shows first


@contextmanager
def watched(browser: Browser) -> Iterator[Page]:
    """A page that may ask nobody but this machine."""
    profile = browser.new_context(viewport={"width": 1440, "height": 1400})
    page, asked = profile.new_page(), []
    page.on("request", lambda request: asked.append(request.url))
    page.on("dialog", lambda dialog: asked.append(f"dialog://{dialog.message}"))
    yield page
    profile.close()
    assert {urlsplit(url).hostname for url in asked if urlsplit(url).scheme not in ("data", "blob")} == {"127.0.0.1"}


def look(page: Page, *shown: str) -> None:
    """The texts are there, word for word, and none of them is anything else."""
    for text in shown:
        expect(page.get_by_text(text).locator("visible=true").first).to_be_visible(timeout=SAVED)
    page.wait_for_selector(READY, timeout=SAVED)
    assert page.evaluate("window.pwned") is None
    assert page.locator(OBEYED).count() == 0


def test_words_of_other_readers_are_not_obeyed(browser: Browser, mapped_store: Path) -> None:
    fill(mapped_store)
    with serving(mapped_store) as address, watched(browser) as page:
        page.goto(address)
        page.wait_for_selector(READY, timeout=SAVED)
        page.get_by_role("link", name="Rounds", exact=True).click()
        look(page, "Rounds")
        for tab, shown in {"Agreement": f"{IMAGE} and ", "Calibration": LINK}.items():
            page.get_by_role("tab", name=tab).click()
            look(page, shown)
        page.get_by_role("link", name="Report", exact=True).click()
        look(page, "Report")
        page.get_by_role("tab", name="Signed versions").click()
        look(page, f"{IMAGE}: {LINK}")
        page.get_by_role("link", name="Queue", exact=True).click()
        page.wait_for_selector(".card.focused", timeout=SAVED)
        look(page, LINK)
