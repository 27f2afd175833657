"""The desk in this process, on a data folder of the test."""

from __future__ import annotations

import shutil
from collections import namedtuple
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from ctc_core.settings import ROOT
from ctc_core.ui.desk import Desk

OpenApp = Callable[..., AppTest]
Usage = namedtuple("Usage", "total used free")


@pytest.fixture(autouse=True)
def free_gb(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """`free_gb(3)` leaves 3 GB on every disk; until then there are 100, whatever the machine of the tests has."""

    def leave(free: float) -> None:
        monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(500 * 10**9, 0, int(free * 1e9)))

    leave(100)
    return leave


@pytest.fixture
def open_app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenApp]:
    """`open_app(page=None, **query)` runs the router (and goes to a page) on `tmp_path`/data, as the reader anna."""
    monkeypatch.setenv("CTC_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("CTC_INBOX_DIR", str(tmp_path / "inbox"))
    monkeypatch.setenv("CTC_READER", "anna")
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(Desk, "_keep_worker", lambda _: None)  # no test here waits for a network
    st.cache_resource.clear()

    def open_app(page: str | None = None, **query: str) -> AppTest:
        at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120)
        for name, value in query.items():
            at.query_params[name] = value
        return (at.switch_page(page) if page else at).run()

    yield open_app
    st.cache_resource.clear()  # closes the store
