"""Cells that the noise filter sets aside: to look at, and to give back."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from ctc_core.mapped import map_crops
from ctc_core.store import Store
from ctc_core.ui.cell_rows import CellRow, cell_rows
from ctc_core.ui.messages import explained
from ctc_core.ui.session import User

PAGE, ROW = 18, 9
"""Cells looked at together, and side by side."""
ABOUT = (
    "The noise filter learns from cells labelled Artifact. What it rejects is not asked for in rounds; nothing is "
    "deleted, and cells of patients under review are never set aside. The least certain rejects come first."
)


@st.fragment
@explained()
def show_set_aside(store: Store, user: User) -> None:
    """On demand: the rejects page by page, and a way back for each."""
    section = st.expander("Set aside as artifacts", key="relabel_aside", on_change="rerun")
    if not section.open:
        return
    with section:
        st.caption(ABOUT)
        noise = store.active_model("noise")
        rejected = store.set_aside(str(noise.parameters["encoder_id"])) if noise else pd.DataFrame()
        if noise is None:
            st.caption("There is no noise filter yet. It comes with a finished round, once enough cells are artifacts.")
        elif rejected.empty:
            st.caption("No cell is set aside.")
        else:
            _show_page(store, user, rejected)


def _show_page(store: Store, user: User, rejected: pd.DataFrame) -> None:
    pages = -(-len(rejected) // PAGE)
    page = st.pagination(pages, key="relabel_aside_page") if pages > 1 else 1
    shown = rejected.iloc[(page - 1) * PAGE : page * PAGE]
    numbers = list(range((page - 1) * PAGE + 1, (page - 1) * PAGE + 1 + len(shown)))
    captions = tuple(f"{number}: P(artifact) {p:.2f}" for number, p in zip(numbers, shown.probability, strict=True))
    rows = [
        CellRow(
            f"{numbers[first]} to {numbers[first:][:ROW][-1]} of {len(rejected):,}",
            tuple(shown.cell_id[first : first + ROW]),
            captions[first : first + ROW],
        )
        for first in range(0, len(shown), ROW)
    ]
    cell_rows(rows, map_crops(store, list(shown.cell_id)), key="relabel_aside_cells")
    key = f"relabel_back_{'|'.join(shown.cell_id)}"  # numbers are of these cells, whatever is set aside meanwhile
    chosen = st.pills("Give back", numbers, selection_mode="multi", key=key)
    reason = st.text_input("Reason", max_chars=500, key="relabel_back_reason")
    if st.button("Give these cells back", disabled=not (chosen and reason.strip()), icon=":material/undo:"):
        back = [cell for number, cell in zip(numbers, shown.cell_id, strict=True) if number in chosen]
        done = store.give_back(back, reader=user.name, session=user.session, reason=reason.strip())
        st.toast(f"{done} cells can be asked for again.")
        st.rerun()
