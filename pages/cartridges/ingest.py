"""Cartridges: choose an archive from the inbox, start it, watch it frame by frame, see what was set aside and why."""

import streamlit as st

from ctc_core import workflows
from ctc_core.errors import CTCError
from ctc_core.jobs import Kind
from ctc_core.ui.desk import open_desk
from ctc_core.ui.ingest import (
    ROLES,
    any_active,
    set_aside,
    show_archive,
    show_cartridges,
    show_job,
    show_set_aside,
)
from ctc_core.ui.messages import empty_state, explained, plain
from ctc_core.ui.session import require_user

user = require_user()
desk = open_desk()
inbox = desk.settings.inbox

st.title("Ingest")
st.caption(f"Inbox: {plain(str(inbox.resolve()))}")

items = {item.name: item for item in workflows.inbox(inbox, desk.store)}
if not items:
    empty_state(
        "The inbox is empty",
        "Copy the folder of one CellSearch archive, with its images and its XML file, or a zip of it, into the inbox "
        "folder named above. Then load this page again.",
    )
else:
    left, right = st.columns(2, gap="large")
    with left:
        name = st.selectbox(
            "Archive", items, format_func=lambda name: f"{name} (already in the store)" if items[name].known else name
        )
        show_archive(items[name])
    with right, st.form("ingest_start", border=False):
        pseudonym = st.text_input(
            "Patient's pseudonym", max_chars=64, help="Letters, digits, dot, dash and underscore. Never a name."
        )
        role = st.radio(
            "What may this patient's cells be used for?",
            list(ROLES),
            captions=list(ROLES.values()),
            format_func=str.capitalize,
        )
        if st.form_submit_button("Start", type="primary", icon=":material/play_arrow:"):
            try:
                workflows.check_submission(desk.store, items[name].path, pseudonym, role)
                desk.jobs.submit_ingest(items[name].path, pseudonym, role, user.name)
            except CTCError as error:
                st.error(plain(str(error)))


@st.fragment(run_every="1s" if any_active(desk.jobs) else None)
@explained()
def jobs() -> None:
    """Jobs of this data folder; looks again by itself while one of them is moving."""
    found = desk.jobs.status(Kind.INGEST)
    st.subheader("Jobs")
    if not found:
        st.caption("Nothing was started yet.")
    for status in found[:8]:
        show_job(desk.jobs, status)
    before = st.session_state.get("ingest_active")
    st.session_state["ingest_active"] = any_active(desk.jobs)
    if before not in (None, st.session_state["ingest_active"]):
        st.rerun()  # begin or stop to look again, and show what has been imported


jobs()

st.subheader("Cartridges in the store")
cartridges = desk.store.cartridges()
if cartridges.empty:
    st.caption("None yet.")
    st.stop()
chosen = show_cartridges(cartridges)
if chosen is None:
    st.caption("Select a row to see what was set aside.")
else:
    rows = set_aside(desk.store.frames(chosen), desk.store.quarantined_events(chosen))
    if rows.empty:
        st.caption("Nothing of this cartridge was set aside.")
    else:
        show_set_aside(rows)
    st.page_link(
        "pages/review/candidates.py",
        label=f"Review {chosen}",
        icon=":material/biotech:",
        query_params={"cartridge": chosen},
    )
