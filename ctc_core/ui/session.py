"""Who is looking. The router signs a person in on every run; each page asks for that person first."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import uuid4

import streamlit as st

from ctc_core.settings import Settings

_USER = "signed_in_user"


@dataclass(frozen=True)
class User:
    """The person at the desk."""

    name: str
    """The reader that decisions are stored under."""
    session: str
    """This browser tab's stay, as it appears in the journal."""


def sign_in(settings: Settings) -> User:
    """The person this browser tab belongs to. Single-user mode: the reader of the settings, without a password."""
    user = st.session_state.get(_USER) or User(settings.reader, uuid4().hex)
    st.session_state[_USER] = user
    return user


def require_user() -> User:
    """First line of every page: the signed-in person; stops the page where the router has not signed anybody in."""
    user = st.session_state.get(_USER)
    if not isinstance(user, User):
        st.error("Nobody is signed in. Open the desk from its first page.")
        st.stop()
    return user
