"""Log-in through a provider of the lab, in a real browser: who gets in, how far, and for how long."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from ctc_core.accounts import AccountRole
from ctc_core.store import Store
from tests.browser.conftest import READY
from tests.oidc import Provider, identity_provider, write_secrets
from tests.server import free_port, serving

pytestmark = pytest.mark.browser
BOB = "bob@lab.example"


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Provider, str]]:
    """The provider and the address of a desk that asks it; bob is a reader."""
    monkeypatch.setenv("CTC_AUTH", "oidc")
    data = tmp_path / "data"
    with Store.open(data) as store:
        store.set_account(BOB, AccountRole.READER, reader="root", session="shell", reason="begins", local=True)
    port = free_port()
    with identity_provider() as provider:
        secrets = write_secrets(tmp_path / "secrets.toml", provider, port)
        with serving(data, "--secrets.files", str(secrets), port=port) as address:
            yield provider, address


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    profile = browser.new_context()
    page = profile.new_page()
    page.set_default_timeout(60_000)
    yield page
    profile.close()


def see(page: Page, address: str) -> None:
    page.goto(address)
    page.wait_for_selector(READY, timeout=60_000)


def log_in(page: Page) -> None:
    page.get_by_role("button", name="Log in").click()


def test_log_in_role_and_expiry(lab: tuple[Provider, str], page: Page) -> None:
    provider, address = lab
    expect.set_options(timeout=60_000)
    for where in ("", "/audit"):
        see(page, address + where)
        expect(page.get_by_text("This desk belongs to a lab")).to_be_visible()
        expect(page.get_by_role("heading", name="Audit")).to_have_count(0)

    provider.email = "stranger@lab.example"
    log_in(page)
    expect(page.get_by_text("You are logged in as stranger@lab.example, and this account has no role")).to_be_visible()
    page.get_by_role("button", name="Log out").first.click()
    expect(page.get_by_text("This desk belongs to a lab")).to_be_visible()

    provider.email = "Bob@Lab.example"
    log_in(page)
    expect(page.get_by_text("Logged in as bob@lab.example, reader.")).to_be_visible()
    see(page, f"{address}/accounts")
    expect(page.get_by_text("This page needs the role 'admin'; yours is 'reader'")).to_be_visible()
    page.get_by_role("button", name="Log out").first.click()
    expect(page.get_by_text("This desk belongs to a lab")).to_be_visible()

    provider.lifetime = 2
    log_in(page)
    expired = page.get_by_text("Your log-in has expired.")
    expect(page.get_by_text("Logged in as").or_(expired)).to_be_visible()
    page.wait_for_timeout(3000)
    see(page, f"{address}/audit")
    expect(expired).to_be_visible()
    expect(page.get_by_role("heading", name="Audit")).to_have_count(0)
    provider.lifetime = 600
    log_in(page)
    expect(page.get_by_text("Logged in as bob@lab.example, reader.")).to_be_visible()
