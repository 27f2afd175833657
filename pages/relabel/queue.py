"""Relabel: the cells that an expert is asked for, read by keyboard; then what the labels have changed."""

import streamlit as st

from ctc_core.store import Round
from ctc_core.ui import relabel
from ctc_core.ui.desk import open_desk
from ctc_core.ui.gallery import film
from ctc_core.ui.messages import explained
from ctc_core.ui.relabel_noise import show_set_aside
from ctc_core.ui.relabel_outcome import last_finished, show_outcome
from ctc_core.ui.relabel_start import has_training_cells, show_start
from ctc_core.ui.session import require_user

user = require_user()
desk = open_desk()
store = desk.store

st.title("Relabel")
if not has_training_cells(store):
    st.stop()

standing = store.open_round_of(user.name)
if standing is None:
    finished = last_finished(store, user.name)
    if finished is not None:
        with explained():
            show_outcome(store, user, finished)
        st.subheader("Next round")
    show_start(desk, user)
    show_set_aside(store, user)
    st.stop()

st.caption(relabel.about_round(standing))


@st.fragment
@explained()
def read(standing: Round) -> None:
    """Everything that a decision changes; reruns by itself."""
    relabel.show_queue(desk, user, standing)


relabel.show_finish(desk, user, standing)
read(standing)
film(relabel.queue_pictures(store, list(store.queue(standing.round_id).cell_id)), key="relabel_gallery")
show_set_aside(store, user)
