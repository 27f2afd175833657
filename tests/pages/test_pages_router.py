"""No page runs without the router, not even the first one that a fresh server is asked for."""

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ctc_core.settings import ROOT
from tests.server import serving

AGENT = ("--server.enableAgentApi=true", "--server.headless=true")


def first_answer(address: str, page: str) -> tuple[list[str], list[str]]:
    """(titles, captions) of the first page that the server is asked for."""
    body = json.dumps({"page": page}).encode()
    request = urllib.request.Request(
        f"{address}/_stcore/agent/interact", data=body, headers={"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        tree = json.load(answer)["tree"]
    return bodies(tree, "title"), bodies(tree, "caption")


def bodies(node: dict[str, Any], kind: str) -> list[str]:
    own = [node["props"]["body"]] if node["type"] == kind else []
    return own + [text for child in node.get("children", []) for text in bodies(child, kind)]


@pytest.mark.parametrize(("page", "title"), [("candidates", "Candidates"), ("ingest", "Ingest")])
def test_first_request_passes_the_router(tmp_path: Path, page: str, title: str) -> None:
    with serving(tmp_path / "data", *AGENT) as address:
        titles, captions = first_answer(address, page)
    assert titles == [title]
    assert not (tmp_path / "data" / "store.duckdb.wal").exists()  # the server closed its store when it was stopped
    assert "Single-user mode. Decisions are stored under the name anna." in captions


def test_the_question_can_be_answered_otherwise(tmp_path: Path) -> None:
    """A page file right in pages/ does run without its router, and the test above would see it."""
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "open.py").write_text("import streamlit as st\nst.title('Open')\n")
    (tmp_path / "app.py").write_text(
        "import streamlit as st\nst.caption('router')\nst.navigation([st.Page('pages/open.py')]).run()\n"
    )
    with serving(tmp_path / "data", *AGENT, folder=tmp_path) as address:
        titles, captions = first_answer(address, "open")
    assert titles == ["Open"]
    assert captions == []


def test_server_loads_no_network(small_store: Callable[..., Path]) -> None:
    """The pages in a process of their own: the networks belong to the worker."""
    program = """
import sys
from streamlit.testing.v1 import AppTest
at = AppTest.from_file("app.py", default_timeout=60).run()
assert at.title[0].value == "Candidates", at
assert at.switch_page("pages/cartridges/ingest.py").run().title[0].value == "Ingest"
assert at.switch_page("pages/reliability/map.py").run().title[0].value == "Reliability map"
print(sorted({"torch", "tensorflow", "stardist", "timm", "umap", "hdbscan", "numba", "dask"} & set(sys.modules)))
"""
    environment = os.environ | {"CTC_DATA_DIR": str(small_store())}
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"


def test_no_page_lies_flat_in_pages() -> None:
    assert list((ROOT / "pages").glob("*.py")) == []
