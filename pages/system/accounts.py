"""System: who may use this desk, and in which role. For administrators."""

import streamlit as st

from ctc_core.accounts import AccountRole
from ctc_core.settings import Auth
from ctc_core.ui.accounts import show_accounts, show_change
from ctc_core.ui.desk import open_desk
from ctc_core.ui.messages import explained
from ctc_core.ui.session import require_user

user = require_user(AccountRole.ADMIN)
desk = open_desk()

st.title("Accounts")
if desk.settings.auth is Auth.NONE:
    st.caption("Single-user mode: nobody logs in. Roles given here count once the desk is started with CTC_AUTH=oidc.")
accounts = desk.store.accounts()
with explained():
    show_accounts(accounts)
    show_change(desk.store, accounts, user, local=desk.settings.auth is Auth.NONE)
