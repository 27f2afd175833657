"""A real Chromium on a real desk. Without one these tests are skipped and say so."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
READY = '[data-testid="stApp"][data-test-script-state="notRunning"][data-test-connection-state="CONNECTED"]'

OpenPage = Callable[[str], Page]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("no Chromium on this machine (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def browse(browser: Browser) -> Iterator[OpenPage]:
    """`browse(address)` opens the address in the test's own browser profile and waits until the page stands."""
    profile = browser.new_context(viewport={"width": 1440, "height": 1000})

    def browse(address: str) -> Page:
        page = profile.new_page()
        page.goto(address)
        page.wait_for_selector(READY, timeout=180_000)
        page.wait_for_selector(".card.focused", timeout=180_000)
        return page

    yield browse
    profile.close()


@pytest.fixture
def data_dir(small_store: Callable[..., Path]) -> Path:
    return small_store(60)
