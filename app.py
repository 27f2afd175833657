"""The router: page setup, who is signed in, and the list of pages. Runs before every page, on every rerun."""

from pathlib import Path

import streamlit as st

from ctc_core.ui.desk import open_desk
from ctc_core.ui.first_visit import load_again_if_refused
from ctc_core.ui.messages import FOOTER, explained, plain
from ctc_core.ui.session import show_signed_in, sign_in

st.set_page_config(page_title="CTC review desk", page_icon=Path("ctc_core/ui/icon.png"), layout="wide")

PAGES = {
    "": [st.Page("pages/start/home.py", title="Start", default=True, visibility="hidden")],
    "Review": [
        st.Page(
            "pages/review/candidates.py",
            title="Candidates",
            url_path="candidates",
            icon=":material/biotech:",
            help="One patient's candidate cells and CellSearch's events side by side; decide by keyboard.",
        ),
        st.Page(
            "pages/review/report.py",
            title="Report",
            url_path="report",
            icon=":material/description:",
            help="What can be said of one cartridge: sign it, print it, export it for other programs.",
        ),
    ],
    "Reliability": [
        st.Page(
            "pages/reliability/map.py",
            title="Map",
            url_path="map",
            icon=":material/scatter_plot:",
            help="All cells on one map: where the classifier is weak, and how much of a patient lies there.",
        ),
    ],
    "Relabel": [
        st.Page(
            "pages/relabel/queue.py",
            title="Queue",
            url_path="queue",
            icon=":material/edit:",
            help="A few minutes of an expert's time, spent on the cells that help the classifier most.",
        ),
        st.Page(
            "pages/relabel/rounds.py",
            title="Rounds",
            url_path="rounds",
            icon=":material/stacked_line_chart:",
            help="What every round has cost and changed, and how well readers agree.",
        ),
    ],
    "Cartridges": [
        st.Page(
            "pages/cartridges/ingest.py",
            title="Ingest",
            url_path="ingest",
            icon=":material/move_to_inbox:",
            help="Read a CellSearch cartridge from the inbox folder and watch it being processed.",
        ),
    ],
    "System": [
        st.Page(
            "pages/system/system.py",
            title="System",
            url_path="system",
            icon=":material/dns:",
            help="Versions, disk, backups, models in use and what the worker does.",
        ),
        st.Page(
            "pages/system/audit.py",
            title="Audit",
            url_path="audit",
            icon=":material/history:",
            help="Every decision that was made, who made it and when; and whether nothing was changed since.",
        ),
        st.Page(
            "pages/system/accounts.py",
            title="Accounts",
            url_path="accounts",
            icon=":material/group:",
            help="Who may use this desk, and in which role.",
        ),
    ],
}

page = st.navigation(PAGES)
load_again_if_refused()
with explained():
    desk = open_desk()
    user = sign_in(desk.settings, desk.store)
    with st.sidebar:
        show_signed_in(desk.settings, user)
        st.caption(FOOTER)
    for problem in desk.store.problems:
        st.warning(plain(problem), icon=":material/warning:")
    page.run()
