"""How well readers agree, and the cells they disagree about, to be settled."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from ctc_core import agreement, mapping
from ctc_core.agreement import Agreement
from ctc_core.errors import CTCError
from ctc_core.map_view import cluster_name
from ctc_core.mapped import map_crops
from ctc_core.store import Store
from ctc_core.types import Label
from ctc_core.ui.cell_rows import CellRow, cell_rows
from ctc_core.ui.messages import empty_state, plain
from ctc_core.ui.relabel_outcome import LABEL_NAMES
from ctc_core.ui.session import User

SHOWN = 12
ABOUT = (
    "Kappa is 1 where readers always agree and 0 where they agree as often as by chance; CTC against everything else, "
    "unsure left out, with 95 % intervals."
)


def kappa_words(found: Agreement) -> str:
    """Kappa with its interval, or why there is none."""
    if found.kappa is None:
        return "cannot be told"
    return f"{found.kappa.estimate:.2f} ({found.kappa.low:.2f} to {found.kappa.high:.2f})"


def agreement_table(store: Store) -> pd.DataFrame:
    """Kappa of all readers, of each pair, and of each cluster; empty without cells that two people have read."""
    readings = store.readings()
    overall = agreement.overall(readings)
    if not overall.n:
        return pd.DataFrame()
    rows = [("All readers", overall)]
    rows += [(plain(" and ".join(pair)), found) for pair, found in agreement.pairs(readings).items()]
    clusters = _clusters(store)
    rows += [(cluster_name(int(c)), found) for c, found in agreement.by_cluster(readings, clusters).items()]
    return pd.DataFrame([
        {
            "Between": name,
            "Cells read twice or more": f"{found.n:,}",
            "Agreement": "–" if found.observed is None else f"{100 * found.observed:.0f} %",
            "Kappa": kappa_words(found),
        }
        for name, found in rows
    ])  # fmt: skip


def _clusters(store: Store) -> dict[str, int]:
    cartridges = store.cartridges().cartridge_id
    return {cell: cluster for name in cartridges for cell, cluster in mapping.cell_clusters(store, name).items()}


def show_agreement(store: Store, user: User) -> None:
    """Kappa, then the conflicts."""
    table = agreement_table(store)
    if table.empty:
        empty_state(
            "No cell has been read twice yet",
            "Ask for a share of blind second readings when a round is begun, or let a second person read. "
            "Agreement appears here.",
        )
    else:
        st.table(table, border="horizontal", hide_index=True)
        st.caption(ABOUT)
    show_conflicts(store, user)


def show_conflicts(store: Store, user: User) -> None:
    """Cells whose readers disagree, and the form for a third decision."""
    conflicts = store.conflicts()
    st.subheader("To be settled")
    if conflicts.empty:
        st.caption("There is no cell about which readers disagree.")
        return
    st.caption("Until a third decision settles it, such a cell trains nothing and counts as undecided.")
    shown = conflicts.head(SHOWN)
    cells = {cell: f"{number}: {cell}" for number, cell in enumerate(shown.cell_id, start=1)}
    said_by = zip(cells, shown.readers, shown.labels, strict=True)
    captions = tuple(f"{number}: {said(*what)}" for number, (_, *what) in enumerate(said_by, start=1))
    heading = f"{len(shown)} of {len(conflicts)} cells, the oldest first"
    cell_rows([CellRow(heading, tuple(cells), captions)], map_crops(store, list(cells)), key="conflicts")
    # A click is meant for the cells that were on the screen: with others there by now it is nobody's.
    with st.form(f"adjudicate_{'|'.join(cells)}"):
        cell = st.selectbox("Cell", list(cells), format_func=lambda cell: cells[cell])
        label = st.radio(
            "Decision", list(LABEL_NAMES), index=None, format_func=lambda label: LABEL_NAMES[label], horizontal=True
        )
        reason = st.text_input("Reason, kept in the journal", max_chars=500)
        done = st.form_submit_button("Settle", type="primary", icon=":material/gavel:")
    if done and label and cell:
        _settle(store, user, cell, Label(label), reason.strip())
    elif done:
        st.error("Say what the cell is.")


def said(readers: Sequence[str], labels: Sequence[str]) -> str:
    """Who says what."""
    return "; ".join(f"{reader}: {LABEL_NAMES[label]}" for reader, label in zip(readers, labels, strict=True))


def _settle(store: Store, user: User, cell_id: str, label: Label, reason: str) -> None:
    try:
        store.adjudicate(cell_id, label, reader=user.name, session=user.session, reason=reason)
    except CTCError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return
    st.rerun()
