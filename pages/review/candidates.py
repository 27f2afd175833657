"""Review: one patient's candidates and CellSearch's events in one gallery, decided by keyboard, counted as one goes."""

import streamlit as st

from ctc_core import workflows
from ctc_core.ui.choose_cartridge import choose_cartridge
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
    with_own,
)
from ctc_core.ui.session import require_user

user = require_user()
desk = open_desk()
chosen = choose_cartridge(desk.store, "Candidates", then="Its candidates appear here.")
cartridge_id = chosen.cartridge_id

with chosen.head:
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

st.caption(about_cartridge(chosen.row, desk.store.frames(cartridge_id)))


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
        with_own(rows, desk.store, cartridge_id, user.name),
        key="candidates_gallery",
        scope=cartridge_id,
        outbox=outbox_name(desk.settings.data_dir, user.name),
        user=user,
        save=lambda decisions: workflows.decide(desk.store, list(decisions)),
    )


review(cartridge_id, threshold)
film(pictures(desk.store, cartridge_id, threshold), key="candidates_gallery")
