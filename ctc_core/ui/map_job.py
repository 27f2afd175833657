"""Building the map from its page: what has changed since, the button, and how far it is."""

from __future__ import annotations

import streamlit as st

from ctc_core import assessment, mapping
from ctc_core.jobs import ACTIVE, FAILED, JobStatus, Kind
from ctc_core.store import Store
from ctc_core.ui.desk import Desk
from ctc_core.ui.messages import explained, plain
from ctc_core.ui.session import User

WORDS = {"requested": "Waiting", "queued": "Waiting", "running": "Running", "finished": "Saving"}
NAMES = {Kind.MAP: "Building the map", Kind.PLACE: "Placing new cells on the map"}
AGAIN = "Build it again (below) to use all labels. Until then what is strong or weak is as it was then."


def show_stale(store: Store) -> None:
    """Say what has changed since the map was built, and what is odd about it; nothing where all is as it was."""
    if changed := assessment.stale(store):
        st.info(" ".join(["Since this map was built:", *changed, AGAIN]), icon=":material/history:")
    active = store.active_model("map")
    for note in active.parameters["notes"] if active else ():
        st.caption(plain(str(note)))


def show_building(desk: Desk, user: User, label: str) -> None:
    """The button that has the map built, and the job while it runs; then the page is run again."""
    moving = mapping.is_active(desk.jobs)

    @st.fragment(run_every="1s" if moving else None)
    @explained()
    def building() -> None:
        last = next(iter(desk.jobs.status(*mapping.KINDS)), None)
        if mapping.is_active(desk.jobs) != moving:
            st.rerun()  # begin or stop to look again, and show what was built
        if last is not None and last.state.state in ACTIVE:
            _show_active(desk, last)
            return
        if last is not None and last.state.state in FAILED:
            st.warning(f"{NAMES[last.job.kind]}: {plain(last.state.message)}", icon=":material/warning:")
        if st.button(label, icon=":material/scatter_plot:", key="build_map"):
            desk.jobs.request(Kind.MAP, user.name)
            st.rerun()

    building()


def _show_active(desk: Desk, status: JobStatus) -> None:
    state = status.state
    with st.container(horizontal=True, vertical_alignment="center"):
        st.badge(WORDS[state.state], color="blue")
        st.text(NAMES[status.job.kind], width="stretch")
        if state.state != "finished":
            st.button(
                "Cancel", key="cancel_map", icon=":material/close:", on_click=desk.jobs.cancel, args=(status.job_id,)
            )
    if state.state == "running" and state.total:
        st.progress(state.done / state.total, plain(state.note))
