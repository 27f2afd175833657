"""Reliability: all cells on one map, where the classifier is wrong on it, and where this patient's cells lie."""

import streamlit as st

from ctc_core.map_view import MapView
from ctc_core.ui import latent_map
from ctc_core.ui.choose_cartridge import choose_cartridge
from ctc_core.ui.cluster_figures import show_f1
from ctc_core.ui.desk import open_desk
from ctc_core.ui.map_job import show_building, show_stale
from ctc_core.ui.messages import empty_state, explained, plain
from ctc_core.ui.scatter import Points, send_points
from ctc_core.ui.session import require_user

user = require_user()
desk = open_desk()
chosen = choose_cartridge(desk.store, "Reliability map", then="Its cells can then be mapped.")

with st.spinner("Reading the map"), explained():
    loaded = latent_map.load_view(desk.store, chosen.cartridge_id, desk.settings.threshold)

if loaded is None or not loaded.view.cell_ids:
    empty_state(
        "There is no map yet",
        "A map is built from labelled cells and a classifier. Label cells of training and test patients on the "
        "Candidates page, then run: python -m ctc_core fit. After that build the map here, or run: "
        "python -m ctc_core map",
    )
    st.page_link("pages/review/candidates.py", label="Go to Candidates", icon=":material/biotech:")
    show_building(desk, user, "Build the map")
    st.stop()

view = loaded.view
show_stale(desk.store)
with st.container(gap=None):
    st.caption(
        f"{len(view.cell_ids):,} cells; those that look alike lie close together. Crosses are test cells that the "
        f"classifier gets wrong. Round dots are cells of patient {plain(chosen.row.pseudonym)}."
    )
    points = send_points(view, key="map")

if view.draw is not None:
    latent_map.show_draw(view.draw)
elif loaded.why_not:
    st.warning(plain(loaded.why_not), icon=":material/warning:")


@st.fragment
@explained()
def explore(view: MapView, points: Points) -> None:
    """Everything that picking on the map changes; reruns by itself."""
    latent_map.show_map(view, points, lambda cell_ids: latent_map.load_crops(desk.store, cell_ids), key="map")


explore(view, points)
show_f1(view, key="map_figures")
show_building(desk, user, "Build it again")
