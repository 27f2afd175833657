"""The head of every page on one cartridge: its title, the choice of the cartridge, and what to do without one."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from ctc_core.store import Store
from ctc_core.ui.messages import empty_state

INGEST_PAGE = "pages/cartridges/ingest.py"


@dataclass(frozen=True, eq=False)
class Chosen:
    """The cartridge at hand."""

    cartridge_id: str
    row: pd.Series
    """Its row of `Store.cartridges`."""
    head: DeltaGenerator
    """The line of title and choice; a page's own controls go on there: `with chosen.head: ...`."""


def choose_cartridge(store: Store, title: str, *, then: str) -> Chosen:
    """Show title and choice, the same cartridge on every page; the page ends here while there is none.

    then: what will be there once a cartridge has been read, e.g. "Its candidates appear here.".
    """
    cartridges = store.cartridges().set_index("cartridge_id")
    if cartridges.empty:
        st.title(title)
        what_to_do = f"Put a CellSearch archive into the inbox folder and start it on the Ingest page. {then}"
        empty_state("No cartridge has been read yet", what_to_do)
        st.page_link(INGEST_PAGE, label="Go to Ingest", icon=":material/move_to_inbox:")
        st.stop()
    head = st.container(horizontal=True, vertical_alignment="bottom", gap="medium")
    with head:
        st.title(title, width="content")
        cartridge_id = st.selectbox("Cartridge", cartridges.index, key="cartridge", bind="query-params", width=260)
    return Chosen(cartridge_id, cartridges.loc[cartridge_id], head)
