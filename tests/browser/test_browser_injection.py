"""Texts from outside that would run in a browser, on every page that shows them: shown as they are, never obeyed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, expect

from ctc_core.accounts import AccountRole
from ctc_core.errors import CartridgeError
from ctc_core.job import Job
from ctc_core.jobs import Jobs
from ctc_core.store import Store
from ctc_core.types import Decision, Label, Progress, Role
from tests.browser.conftest import READY
from tests.server import serving

pytestmark = pytest.mark.browser
TEXTS = (
    "<script>window.pwned=1</script>",
    "<img src=x onerror=window.pwned=1>",
    '"><svg onload=window.pwned=1>',
    "[click](javascript:window.pwned=1)",
    "![](http://198.51.100.7/x.png)",
    "<a href='javascript:window.pwned=1'>x</a>",
    "{{constructor.constructor('window.pwned=1')()}}",
    "$\\href{javascript:window.pwned=1}{x}$ :material/home: :red[x]",
)
OBEYED = "a[href^='javascript:' i], img[src*='198.51.100.7'], img[src='x'], [onerror], [onload]"
"""What any of them would have become."""
PAGES = ("ingest", "candidates", "report", "map", "queue", "rounds", "audit", "accounts", "system")


def refuse(job: Job, _folder: Path, _progress: Progress) -> dict[str, object]:
    raise CartridgeError(job.path, f"page 1 is named {TEXTS[1]}", TEXTS[3])


def fill(data: Path) -> None:
    """Every text in every place where a person or an archive can put one."""
    inbox = data / "inbox"
    for text in TEXTS:
        (inbox / text.replace("/", "\u2215")[:60]).mkdir(parents=True)
    (inbox / f"{TEXTS[1]}.zip").write_bytes(b"PK")
    jobs = Jobs(data)
    for text in TEXTS[:3]:
        job_id = jobs.create(inbox / text.replace("/", "\u2215"), "p-1", Role.REVIEW, text)
        jobs.run(job_id, refuse)
    with Store.open(data) as store:
        cartridge = str(store.cartridges().cartridge_id[0])
        for number, cell in enumerate(store.cells(cartridge).cell_id[: len(TEXTS)]):
            reader = "anna" if number % 2 else TEXTS[number]
            sent = Decision(f"d{number}", cartridge, cell, None, Label.CTC, reader, TEXTS[number], TEXTS[number])
            assert store.decide([sent]) == (f"d{number}",)
        for number, text in enumerate(TEXTS):
            name = f"p{number}@lab.example"
            store.set_account(name, AccountRole.ADMIN, reader=text, session="s", reason=text, local=True)


def test_nothing_of_it_is_obeyed(browser: Browser, small_store: Callable[..., Path]) -> None:
    data = small_store(60)
    fill(data)
    profile = browser.new_context(viewport={"width": 1440, "height": 1400})
    page = profile.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("dialog", lambda dialog: asked.append(f"dialog://{dialog.message}"))
    with serving(data) as address:
        for name in PAGES:
            page.goto(f"{address}/{name}")
            page.wait_for_selector(READY, timeout=90_000)
            page.wait_for_timeout(1500)
            assert page.evaluate("window.pwned") is None, name
            assert page.locator(OBEYED).count() == 0, name
            if name == "ingest":  # they are there, word for word
                assert TEXTS[1] in page.inner_text("body") and TEXTS[3] in page.inner_text("body")
            if name == "audit":  # Streamlit's own CSV would hand formulas to a spreadsheet
                page.get_by_test_id("stDataFrame").first.hover()
                expect(page.get_by_role("button", name="Search")).to_be_visible()
                assert page.get_by_role("button", name="Download").count() == 0
    hosts = {urlsplit(url).hostname for url in asked if urlsplit(url).scheme not in ("data", "blob")}
    assert hosts == {"127.0.0.1"}
    profile.close()
