"""What the accounts page shows: who has which role, and the form that changes it."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from ctc_core.accounts import AccountRole
from ctc_core.errors import CTCError
from ctc_core.store import Store
from ctc_core.ui.messages import empty_state, plain
from ctc_core.ui.session import User

NO_ACCESS = "no access"
RIGHTS = {
    AccountRole.READER: "Reads cells, starts ingests and rounds.",
    AccountRole.EXPERT: "The same; settles disagreements, releases patients to training, signs reports.",
    AccountRole.ADMIN: "The same; gives and withdraws roles.",
    NO_ACCESS: "May not use the desk any more. What was decided stays.",
}


def show_accounts(accounts: pd.DataFrame) -> None:
    """Who has which role, since when, given by whom and why."""
    if accounts.empty:
        empty_state("No accounts yet", "Give the first person the role 'admin' below.")
        return
    names: dict[str, Any] = {
        "name": "E-mail address",
        "role": "Role",
        "since": st.column_config.DatetimeColumn("Since (UTC)", format="YYYY-MM-DD HH:mm"),
        "by": "Given by",
        "reason": "Reason",
    }
    shown = accounts.assign(role=accounts.role.replace("", "none (withdrawn)"))
    st.dataframe(shown[list(names)], hide_index=True, column_config=names, key="accounts_table")


def show_change(store: Store, accounts: pd.DataFrame, user: User, *, local: bool) -> None:
    """The form that gives or withdraws a role. `local`: nobody logs in, so this machine's person is trusted."""
    st.subheader("Give or withdraw a role")
    with st.form("accounts_change", border=False, clear_on_submit=False):
        name = st.text_input("E-mail address", max_chars=254, help="As the log-in shows it; a known one is changed.")
        chosen = st.radio(
            "Role",
            list(RIGHTS),
            captions=list(RIGHTS.values()),
            format_func=str.capitalize,
        )
        reason = st.text_input("Reason", max_chars=500, help="Kept in the journal.")
        if not st.form_submit_button("Save", type="primary", icon=":material/save:"):
            return
        role = None if chosen == NO_ACCESS else AccountRole(chosen)
        try:
            store.set_account(name, role, reader=user.name, session=user.session, reason=reason, local=local)
        except CTCError as error:
            st.error(plain(str(error)))
            return
    st.rerun()
