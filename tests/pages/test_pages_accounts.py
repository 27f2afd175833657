"""Who is let in: single-user mode on this machine only, log-in with a role, the page that gives roles."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from ctc_core.accounts import AccountRole
from ctc_core.settings import ROOT
from ctc_core.store import Store
from ctc_core.ui import desk
from ctc_core.ui.desk import open_desk
from tests.pages.conftest import OpenApp

ADA, BOB = "ada@lab.example", "bob@lab.example"
PAGES = sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("pages/*/*.py"))


def claims(email: str, **more: Any) -> dict[str, Any]:
    return {"is_logged_in": True, "email": email, "email_verified": True, "exp": int(time.time()) + 86_400, **more}


@pytest.fixture
def lab(open_app: OpenApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., AppTest]:
    """lab(claims, page): the desk with log-in, ada its administrator and bob a reader, seen by whom the claims name."""
    monkeypatch.setenv("CTC_AUTH", "oidc")
    monkeypatch.setattr(desk, "require_log_in", lambda _: None)  # AppTest's secrets are not those that log-in reads
    with Store.open(tmp_path / "data") as store:
        for name, role in {ADA: AccountRole.ADMIN, BOB: AccountRole.READER}.items():
            store.set_account(name, role, reader="root", session="shell", reason="begins", local=True)

    def see(token: dict[str, Any], page: str | None = None) -> AppTest:
        at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=30)
        at.user = token
        return (at.switch_page(page) if page else at).run()

    return see


def words(at: AppTest) -> str:
    parts = [*at.title, *at.subheader, *at.text, *at.caption, *at.error]
    return " | ".join(part.value.replace("\\", "") for part in parts)


def test_single_user_mode_says_so(open_app: OpenApp) -> None:
    at = open_app()
    assert not at.exception
    assert "Single-user mode. Decisions are stored under the name anna." in words(at)
    assert "No log-in: the desk answers this machine only (127.0.0.1)." in words(at)


@pytest.mark.parametrize("address", ["0.0.0.0", "", "192.168.0.7"])
def test_single_user_mode_refuses_to_answer_other_machines(
    address: str, open_app: OpenApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    option = st.get_option
    monkeypatch.setattr(st, "get_option", lambda key: address if key == "server.address" else option(key))
    at = open_app("pages/system/accounts.py")
    assert not at.exception and not at.title
    assert "The desk would answer other machines" in at.error[0].value
    assert "CTC\\_AUTH\\=oidc" in at.error[0].value


@pytest.mark.parametrize(
    ("token", "says"),
    [
        ({"is_logged_in": False}, "Log in | This desk belongs to a lab"),
        (claims(ADA, exp=int(time.time()) - 5), "Log in again | Your log-in has expired"),
        ({"is_logged_in": True, "email": ADA}, "Log in again"),
        (claims(ADA, email_verified=False), "No address"),
        (claims(""), "No address"),
        (claims("stranger@lab.example"), "No access yet | You are logged in as stranger@lab.example"),
    ],
    ids=["nobody", "expired", "no end", "unverified", "no address", "stranger"],
)
def test_nobody_else_sees_any_page(token: dict[str, Any], says: str, lab: Callable[..., AppTest]) -> None:
    for page in PAGES:
        at = lab(token, page)
        assert not at.exception and not at.title, page
        assert says in words(at), page


def test_a_reader_gets_in_but_not_to_the_accounts(lab: Callable[..., AppTest]) -> None:
    at = lab(claims("Bob@Lab.example"), "pages/system/audit.py")
    assert "Logged in as bob@lab.example, reader." in words(at) and at.title[0].value == "Audit"
    at = lab(claims(BOB), "pages/system/accounts.py")
    assert not at.title and "This page needs the role 'admin'; yours is 'reader'" in at.error[0].value


def test_a_withdrawn_role_shuts_the_open_tab(lab: Callable[..., AppTest]) -> None:
    at = lab(claims(BOB), "pages/system/audit.py")
    assert at.title
    open_desk().store.set_account(BOB, None, reader=ADA, session="s", reason="left")
    at.run()
    assert not at.title and "No access yet" in words(at)


def test_an_administrator_gives_and_withdraws_roles(lab: Callable[..., AppTest]) -> None:
    at = lab(claims(ADA), "pages/system/accounts.py")
    assert not at.exception
    assert at.dataframe[0].value[["name", "role"]].to_numpy().tolist() == [[ADA, "admin"], [BOB, "reader"]]

    def save(name: str, role: AccountRole | None, reason: str) -> AppTest:
        at.text_input[0].set_value(name)
        at.radio[0].set_value(role or "no access")
        at.text_input[1].set_value(reason)
        return at.button(key="FormSubmitter:accounts_change-Save").click().run()

    save("eva@lab.example", AccountRole.EXPERT, "joined")
    save(BOB, None, "left")
    assert at.dataframe[0].value[["name", "role", "by"]].to_numpy().tolist() == [
        [ADA, "admin", "root"],
        [BOB, "none (withdrawn)", ADA],
        ["eva@lab.example", "expert", ADA],
    ]
    save(ADA, AccountRole.READER, "tired")
    assert "the last administrator stays one" in at.error[0].value.replace("\\", "")
    audit = open_desk().store.audit(1)[["kind", "reader", "subject", "reason"]].to_numpy().tolist()
    assert audit == [["account", ADA, BOB, "left"]]
