"""Who is looking. The router signs a person in on every run; each page asks for that person first.

With log-in (`CTC_AUTH=oidc`) the person comes from the identity provider's token and the role from our own table; both,
and the token's end, are looked at on every run, and by the store on every save. Without it the desk serves one person
at one machine and answers that machine only.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass
from uuid import uuid4

import streamlit as st
from streamlit.auth_util import is_authlib_installed, validate_auth_credentials
from streamlit.errors import StreamlitAuthError
from streamlit.runtime.scriptrunner import get_script_run_ctx

from ctc_core.accounts import AccountRole, normal
from ctc_core.errors import NotAllowed, SettingsError
from ctc_core.settings import Auth, Settings
from ctc_core.store import Store
from ctc_core.store.accounts import EXPIRED, Person
from ctc_core.ui.messages import plain

_USER = "signed_in_user"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_KEPT = 1000
"""Browser tabs that are remembered; a tab that was forgotten signs in again on its next run."""

_present: OrderedDict[str, User] = OrderedDict()
"""By Streamlit's session id. Asked during a save, when no Streamlit call may be made: a rerun would stop it there."""


@dataclass(frozen=True)
class User:
    """The person at the desk."""

    name: str
    """The reader that decisions are stored under."""
    session: str
    """This browser tab's stay, as it appears in the journal."""
    role: AccountRole = AccountRole.ADMIN
    expires: float | None = None
    """When the log-in ends, seconds since the epoch; None: there is none."""

    def may(self, role: AccountRole) -> bool:
        """Whether this person has the rights of `role`."""
        return self.role.covers(role)


def sign_in(settings: Settings, store: Store) -> User:
    """The person this browser tab belongs to; shows what to do and stops where nobody is signed in."""
    person = _only_person(settings) if settings.auth is Auth.NONE else _logged_in(store)
    known = st.session_state.get(_USER)
    session = known.session if isinstance(known, User) and known.name == person.name else uuid4().hex
    user = User(person.name, session, person.role, person.expires)
    st.session_state[_USER] = user
    if context := get_script_run_ctx(suppress_warning=True):
        _present[context.session_id] = user
        _present.move_to_end(context.session_id)
        while len(_present) > _KEPT:
            _present.popitem(last=False)
    return user


def require_log_in(settings: Settings) -> None:
    """Nothing to do where nobody logs in.

    Raises:
        SettingsError: people are to log in, and the package or the secrets for it are missing.
    """
    if settings.auth is Auth.NONE:
        return
    if not is_authlib_installed():
        message = "CTC_AUTH=oidc: the package Authlib is missing. Install requirements.txt, then start the desk again."
        raise SettingsError(message)
    try:
        validate_auth_credentials("default")
    except StreamlitAuthError as error:
        message = f"CTC_AUTH=oidc: {' '.join(str(error).split())} Then start the desk again."
        raise SettingsError(message) from error


def require_user(role: AccountRole = AccountRole.READER) -> User:
    """First line of every page: the signed-in person; stops the page where nobody is, or the role does not reach."""
    user = st.session_state.get(_USER)
    if not isinstance(user, User):
        st.error("Nobody is signed in. Open the desk from its first page.")
        st.stop()
    if user.expires is not None and user.expires <= time.time():
        raise NotAllowed(EXPIRED)
    if not user.may(role):
        st.error(f"This page needs the role '{role}'; yours is '{user.role}'. Ask an administrator.")
        st.stop()
    return user


def present() -> Person | None:
    """Who is at the browser that this thread answers; None in any other thread. Calls nothing of Streamlit's."""
    context = get_script_run_ctx(suppress_warning=True)
    user = _present.get(context.session_id) if context else None
    return Person(user.name, user.expires) if user else None


def show_signed_in(settings: Settings, user: User) -> None:
    """Who decides here, and how the desk knows."""
    if settings.auth is Auth.NONE:
        st.caption(f"Single-user mode. Decisions are stored under the name {plain(user.name)}.")
        st.caption(f"No log-in: the desk answers this machine only ({st.get_option('server.address')}).")
        return
    st.caption(f"Logged in as {plain(user.name)}, {user.role}.")
    st.button("Log out", on_click=st.logout, icon=":material/logout:", key="log_out")


def _only_person(settings: Settings) -> User:
    address = st.get_option("server.address")
    if address not in _LOOPBACK:
        message = (
            f"The desk would answer other machines (server.address is {address or 'not set'}) without asking who is "
            "there. Start it with server.address=127.0.0.1, or configure a log-in and set CTC_AUTH=oidc."
        )
        raise SettingsError(message)
    return User(settings.reader, "")


def _logged_in(store: Store) -> User:
    if not st.user.get("is_logged_in"):
        _ask("Log in", "This desk belongs to a lab. Log in with your account there.")
    name = normal(str(st.user.get("email") or ""))
    if not name or st.user.get("email_verified") is False:
        _ask("No address", "The log-in gave no verified e-mail address, and accounts are known by it.", leave=True)
    expires = float(str(st.user.get("exp") or 0))
    if expires <= time.time():
        _ask("Log in again", "Your log-in has expired. What you decided since waits in your browser and is sent then.")
    role = store.role_of(name)
    if not role:
        command = f"python -m ctc_core role grant {name} reader --reason ..."
        what = f"You are logged in as {name}, and this account has no role here. An administrator can give it one"
        _ask("No access yet", f"{what} (page Accounts, or on the server: {command}).", leave=True)
    return User(name, "", AccountRole(role), expires)


def _ask(title: str, what: str, *, leave: bool = False) -> None:
    """Say what is missing, offer the way there, and stop."""
    st.session_state.pop(_USER, None)
    if context := get_script_run_ctx(suppress_warning=True):
        _present.pop(context.session_id, None)
    with st.container(border=True, key="log_in"):
        st.subheader(title)
        st.text(what)
        if leave:
            st.button("Log out", on_click=st.logout, icon=":material/logout:")
        else:
            st.button("Log in", on_click=st.login, type="primary", icon=":material/login:")
    st.stop()
