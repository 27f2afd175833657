"""Whoever comes first to a fresh server, with the address of a page, is shown that page and nothing else."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.server import serving

pytestmark = pytest.mark.browser
PATIENCE_MS = 120_000


def test_the_first_visitor_gets_the_page_asked_for(browser: Browser, data_dir: Path) -> None:
    with serving(data_dir) as address, browser.new_context() as profile:
        tab = profile.new_page()
        tab.goto(f"{address}/audit")
        expect(tab.get_by_role("heading", name="Audit")).to_be_visible(timeout=PATIENCE_MS)
        expect(tab.get_by_role("dialog")).to_have_count(0, timeout=PATIENCE_MS)
