"""Review: one patient's candidates and CellSearch's events in one gallery, decided by keyboard, counted as one goes."""

import pandas as pd
import streamlit as st

from ctc_core import workflows
from ctc_core.matched import candidates
from ctc_core.review.choice import arranged, choose
from ctc_core.ui import review, review_count
from ctc_core.ui.choose_cartridge import choose_cartridge
from ctc_core.ui.desk import open_desk
from ctc_core.ui.follow_up import show_follow_up
from ctc_core.ui.gallery import film, gallery, opened
from ctc_core.ui.messages import empty_state, explained
from ctc_core.ui.release import show_release
from ctc_core.ui.report import choose_options
from ctc_core.ui.review_controls import Controls, active, show_controls, show_gate
from ctc_core.ui.review_details import labelled_pictures, load_details
from ctc_core.ui.session import require_user

user = require_user()
desk = open_desk()
store, blind = desk.store, desk.settings.hide_score
chosen = choose_cartridge(store, "Candidates", then="Its candidates appear here.")
cartridge_id = chosen.cartridge_id
opened(cartridge_id, key="candidates_gallery")

with chosen.head:
    st.session_state.setdefault("candidates_threshold", desk.settings.threshold)  # the marks below move it, too
    threshold = st.slider(
        "Show cells from P(CTC)",
        0.05,
        0.95,
        step=0.05,
        key="candidates_threshold",
        help="0.5 is the usual threshold. 0.4 shows more cells and misses fewer CTCs; 0.6 shows fewer.",
        persist_state="session",
        width=260,
    )
    with st.popover("Count and gate", icon=":material/tune:"):
        options, gate = choose_options(), show_gate()

st.caption(review.about_cartridge(chosen.row, store.frames(cartridge_id)))
with explained(), st.spinner("Counting"):
    review_count.show_thresholds(store, cartridge_id, threshold, key="candidates_threshold")
    first = review_count.last_count(store, cartridge_id, threshold, options)
    low = review.less_certain_rows(store, first)
    table = candidates(store, cartridge_id, threshold)
    everything = pd.concat([table, low]).drop_duplicates("candidate_id", ignore_index=True)
    known = load_details(store, cartridge_id, list(everything.cell_id.dropna()), threshold)
    about = known.with_gate(gate)


st.session_state["candidates_opened"] = True


@st.fragment(run_every=review_count.REFRESH)
@explained()
def show_figures() -> None:
    """What has been counted by now; by itself, so that no decision waits for the count."""
    opened = st.session_state.pop("candidates_opened", False)
    figures = review_count.load_figures(store, cartridge_id, threshold, options, now=opened)
    review_count.show_count(figures.summary, figures.report)
    review_count.show_close_pairs(figures.close)
    if store.active_model("classifier") is None:
        st.caption(
            "There is no classifier yet, so only CellSearch's events are shown. Label cells of training patients, "
            "then run: python -m ctc_core fit"
        )


@st.fragment
@explained()
def read() -> None:
    """What to read, and the cells; reruns by itself."""
    shown = review_count.last_count(store, cartridge_id, threshold, options)
    table = candidates(store, cartridge_id, threshold)
    show_cells(show_controls(table, about, len(shown.less_certain), blind=blind))


@st.fragment
@explained()
def show_cells(controls: Controls) -> None:
    """Everything that a decision changes, and nothing else: every decision waits for this."""
    shown = review_count.last_count(store, cartridge_id, threshold, options)
    if controls.choice.group == "less":
        rows = choose(review.less_certain_rows(store, shown), about, controls.choice)
    else:
        table = candidates(store, cartridge_id, threshold)
        order = review.kept_order(table, controls.sort, shown)
        rows = arranged(choose(table, about, controls.choice), order)
    if note := active(controls.choice):
        st.caption(note)
    if rows.empty:
        empty_state("No cells here", "Choose another group, fewer filters, or a lower threshold.")
    else:
        gallery(
            review.with_own(rows, store, cartridge_id, user.name),
            key="candidates_gallery",
            scope=cartridge_id,
            outbox=review.outbox_name(desk.settings.data_dir, user.name),
            user=user,
            save=lambda decisions: workflows.decide(store, list(decisions)),
            save_tags=store.tag,
            blind=blind,
        )


show_figures()
read()
for note in known.notes:
    st.caption(note)
film(
    review.pictures(store, cartridge_id, everything),
    key="candidates_gallery",
    about=about,
    labelled=labelled_pictures(store, known),
)
show_follow_up(store, str(chosen.row.pseudonym), threshold, options)
show_release(store, str(chosen.row.pseudonym), user)
