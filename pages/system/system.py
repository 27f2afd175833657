"""System: versions, the data folder and its backups, models in use, and what the worker does."""

import streamlit as st

from ctc_core.jobs import ACTIVE, Kind
from ctc_core.ui.desk import open_desk
from ctc_core.ui.messages import explained
from ctc_core.ui.session import require_user
from ctc_core.ui.system import show_backup, show_data, show_installation, show_jobs, show_models

user = require_user()
desk = open_desk()

st.title("System")
with explained():
    show_installation()

    st.subheader("Data")
    show_data(desk.settings, desk.store)

    st.subheader("Backup")
    show_backup(desk.settings)
    waits = any(status.state.state in ACTIVE for status in desk.jobs.status(Kind.BACKUP))
    if st.button("Back up now", icon=":material/backup:", disabled=waits):
        desk.jobs.request(Kind.BACKUP, user.name, str(desk.settings.backups.resolve()))
        st.rerun()
    if waits:
        st.caption("A backup is being made. Load this page again to see it.")

    st.subheader("Models in use")
    show_models(desk.store, desk.settings)

    st.subheader("Jobs")
    show_jobs(desk.jobs, desk.worker)
