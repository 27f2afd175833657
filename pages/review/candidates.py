"""Review: one patient's candidates and CellSearch's events in one gallery, decided by keyboard, counted as one goes."""

import streamlit as st

from ctc_core import workflows
from ctc_core.ui.desk import open_desk
from ctc_core.ui.gallery import film, gallery
from ctc_core.ui.messages import empty_state, explained
from ctc_core.ui.review import (
    GROUP_NAMES,
    about_cartridge,
    cells_at,
    in_group,
    outbox_name,
    pictures,
    show_summary,
)
from ctc_core.ui.session import require_user

user = require_user()
desk = open_desk()
cartridges = desk.store.cartridges().set_index("cartridge_id")

if cartridges.empty:
    st.title("Candidates")
    empty_state(
        "No cartridge has been read yet",
        "Put a CellSearch archive into the inbox folder and start it on the Ingest page. Its candidates appear here.",
    )
    st.page_link("pages/cartridges/ingest.py", label="Go to Ingest", icon=":material/move_to_inbox:")
    st.stop()

with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
    st.title("Candidates", width="content")
    cartridge_id = st.selectbox("Cartridge", cartridges.index, key="cartridge", bind="query-params", width=260)
    threshold = st.slider(
        "Show cells from P(CTC)",
        0.05,
        0.95,
        desk.settings.threshold,
        0.05,
        key="candidates_threshold",
        help="0.5 is the usual threshold. 0.4 shows more cells and misses fewer CTCs; 0.6 shows fewer.",
        persist_state="session",
        width=260,
    )
    st.caption(cells_at(desk.store, cartridge_id))

st.caption(about_cartridge(cartridges.loc[cartridge_id], desk.store.frames(cartridge_id)))


@st.fragment
@explained()
def review(cartridge_id: str, threshold: float) -> None:
    """Everything that a decision changes; reruns by itself."""
    table = workflows.candidates(desk.store, cartridge_id, threshold)
    show_summary(workflows.summary(desk.store, cartridge_id, table))
    if desk.store.active_model("classifier") is None:
        st.caption(
            "There is no classifier yet, so only CellSearch's events are shown. Label cells of training patients, "
            "then run: python -m ctc_core fit"
        )
    counts = {name: len(in_group(table, name)) for name in GROUP_NAMES}
    group = st.segmented_control(
        "Which cells",
        GROUP_NAMES,
        default="all",
        required=True,
        format_func=lambda name: f"{GROUP_NAMES[name]} {counts[name]}",
        key="candidates_group",
        label_visibility="collapsed",
    )
    rows = in_group(table, group)
    if rows.empty:
        empty_state("No cells here", "Choose another group above, or a lower threshold to show less certain cells.")
        return
    gallery(
        rows,
        key="candidates_gallery",
        cartridge_id=cartridge_id,
        outbox=outbox_name(desk.settings.data_dir, user.name),
        user=user,
        save=lambda decisions: workflows.decide(desk.store, list(decisions)),
    )


review(cartridge_id, threshold)
film(pictures(desk.store, cartridge_id, threshold), key="candidates_gallery")
