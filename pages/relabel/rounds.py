"""Relabel: every round with what it cost and changed, how well readers agree, and the set they are calibrated on."""

import streamlit as st

from ctc_core.ui.desk import open_desk
from ctc_core.ui.experiments import show_experiments
from ctc_core.ui.messages import empty_state, explained
from ctc_core.ui.relabel_agreement import show_agreement
from ctc_core.ui.relabel_calibration import show_calibration
from ctc_core.ui.relabel_rounds import show_replay, show_rounds
from ctc_core.ui.session import require_user

user = require_user()
desk = open_desk()
store = desk.store

st.title("Rounds")
rounds, agreement, calibration, experiments = st.tabs(
    ["Rounds", "Agreement", "Calibration", "Experiments"], key="rounds_tab", on_change="rerun"
)

if rounds.open:
    with rounds, explained():
        if store.rounds():
            show_rounds(store)
            show_replay(store)
        else:
            empty_state(
                "No round has been read yet",
                "Start one on the Queue page. What it cost and what it changed appears here.",
            )
            st.page_link("pages/relabel/queue.py", label="Go to the queue", icon=":material/edit:")

if agreement.open:
    with agreement, explained():
        show_agreement(store, user)

if calibration.open:
    with calibration, explained():
        show_calibration(desk, user)

if experiments.open:
    with experiments, explained():
        show_experiments()
