"""Spares the first visitor of a fresh server a message that is wrong.

Until `st.navigation` was called once in its process, Streamlit 1.67 takes a folder `pages` beside app.py for its older
kind of app, and tells whoever comes first with the address of a page, a bookmark say, that there is no such page; the
message then keeps all keys from the cells. It was called by now, so asking again is enough.
"""

from __future__ import annotations

from threading import Lock

import streamlit as st

_RELOAD = st.components.v2.component(
    "ctc_reload",
    js="""
export default function () {
    if (document.querySelector('[data-testid="stDialog"]')) window.location.reload();
}
""",
)
_first = Lock()


def load_again_if_refused() -> None:
    """Let the browser of this process's first visitor ask again if it was told that there is no such page."""
    if _first.acquire(blocking=False):
        _RELOAD(key="reload")
