"""A desk that people are to log in to, where they cannot: said at the first page, before anything is opened."""

from collections.abc import Callable
from pathlib import Path

import pytest
import streamlit as st
from streamlit import auth_util

from ctc_core.errors import SettingsError
from ctc_core.settings import Auth, Settings
from ctc_core.ui import session
from tests.pages.conftest import OpenApp

COMPLETE = {
    "redirect_uri": "http://127.0.0.1:8501/oauth2callback",
    "cookie_secret": "x" * 40,
    "client_id": "ctc-desk",
    "client_secret": "not-a-secret",
    "server_metadata_url": "https://lab.example/.well-known/openid-configuration",
}


class Secrets(dict[str, object]):
    """What stands in secrets.toml; without anything there is no such file."""

    def load_if_toml_exists(self) -> bool:
        return bool(self)


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, object]], None]:
    return lambda given: monkeypatch.setattr(auth_util, "secrets_singleton", Secrets(given))


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({}, "configure credentials for at least one authentication provider in `.streamlit/secrets.toml`"),
        ({"database": {}}, "configure credentials for at least one authentication provider"),
        *(
            ({"auth": {name: value for name, value in COMPLETE.items() if name != missing}}, missing)
            for missing in COMPLETE
        ),
    ],
)
def test_missing_secrets_are_named(
    given: dict[str, object], sentence: str, secrets: Callable[[dict[str, object]], None]
) -> None:
    secrets(given)
    with pytest.raises(SettingsError) as caught:
        session.require_log_in(Settings(auth=Auth.OIDC))
    said = str(caught.value)
    assert said.startswith("CTC_AUTH=oidc: ") and said.endswith(" Then start the desk again.")
    assert sentence in said and "\n" not in said
    session.require_log_in(Settings(auth=Auth.NONE))


def test_a_missing_package_is_named(
    secrets: Callable[[dict[str, object]], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets({"auth": COMPLETE})
    session.require_log_in(Settings(auth=Auth.OIDC))
    monkeypatch.setattr(session, "is_authlib_installed", lambda: False)
    with pytest.raises(SettingsError, match=r"the package Authlib is missing\. Install requirements.txt"):
        session.require_log_in(Settings(auth=Auth.OIDC))


def test_the_desk_does_not_open(
    open_app: OpenApp,
    secrets: Callable[[dict[str, object]], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CTC_AUTH", "oidc")
    secrets({})
    at = open_app()
    assert not at.exception and not at.button
    assert [error.value.replace("\\", "")[:15] for error in at.error] == ["CTC_AUTH=oidc: "]
    assert not (tmp_path / "data").exists()


def test_no_table_offers_a_file_that_a_spreadsheet_would_obey() -> None:
    """Streamlit's own CSV of a table is not escaped; the exports of the Report page are."""
    assert st.get_option("client.disableDataExport") is True
