"""A round while it is read: what it asks for, its cells in the gallery, and how it ends."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta

import pandas as pd
import pyarrow as pa
import streamlit as st

from ctc_core.jobs import ACTIVE, FAILED
from ctc_core.map_view import cluster_name
from ctc_core.mapped import map_crops
from ctc_core.rounds import finishing, request_finish
from ctc_core.store import Round, Store
from ctc_core.ui.desk import Desk
from ctc_core.ui.gallery import Clock, crop_table, gallery
from ctc_core.ui.messages import explained, plain
from ctc_core.ui.relabel_start import strategy_title
from ctc_core.ui.review import outbox_name
from ctc_core.ui.session import User


def about_round(standing: Round) -> str:
    """What the round asks for and why (Markdown)."""
    sentences = [f"Round {standing.number}, {plain(strategy_title(standing.strategy))}.", plain(standing.summary)]
    sentences += [plain(str(note)) for note in standing.parameters.get("notes", ())]
    return " ".join(sentences)


_SCORE = re.compile(r" \(P = [0-9.]+(?:, ([^)]+))?\)")


def without_score(reason: str) -> str:
    """Why a cell is asked for, without P(CTC): whoever judges by the cell alone shall not see it."""
    return _SCORE.sub(lambda found: f" ({found[1]})" if found[1] else "", reason)


def gallery_rows(queue: pd.DataFrame, *, show_score: bool) -> pd.DataFrame:
    """The queue in the gallery's columns. Which cells are second readings is not told."""
    named = [None if pd.isna(cluster) else cluster_name(int(cluster)) for cluster in queue.cluster]
    shown = queue.rename(columns={"cell_id": "candidate_id", "reason": "why"})
    if not show_score:
        shown["why"] = shown.why.map(without_score)
    return shown.assign(cluster=pd.Series(named, index=queue.index, dtype=object), own=queue.label)


def queue_pictures(store: Store, cell_ids: Sequence[str]) -> pa.Table:
    """Of the queue's cells (`gallery.crop_table`)."""
    return crop_table(cell_ids, [crop.tobytes() for crop in map_crops(store, cell_ids)])


CLOSING, SENT, EMPTY = "relabel_closing", "relabel_sent", "relabel_empty"
"""In the session, each the id of a round: to be finished as soon as the browser has sent every decision; that has
happened; it had no label, so there is nothing to finish."""


def show_queue(desk: Desk, user: User, standing: Round) -> None:
    """The cells of an open round, decided by keyboard; belongs into a fragment. Runs the page again once a round that
    was to be finished has nothing left to send."""
    show_score = st.toggle(
        "Show the classifier's P(CTC)",
        key="relabel_score",
        help="Off, you judge the cell by itself, and your label tells the classifier more.",
    )
    rows = gallery_rows(desk.store.queue(standing.round_id), show_score=show_score)
    signed = desk.store.signed_off(list(rows.cartridge_id.unique()), user.name)
    gallery(
        rows.assign(signed=rows.candidate_id.isin(signed)),
        key="relabel_gallery",
        scope=standing.round_id,
        outbox=outbox_name(desk.settings.data_dir, user.name),
        user=user,
        save=lambda decisions: desk.store.decide(list(decisions)),
        show_score=show_score,
        clock=Clock(standing.opened + timedelta(minutes=standing.minutes)) if standing.minutes else None,
        drain=(lambda: close(desk, user, standing)) if st.session_state.get(CLOSING) == standing.round_id else None,
    )
    if st.session_state.pop(SENT, None) == standing.round_id:
        st.rerun()


def close(desk: Desk, user: User, standing: Round) -> None:
    """Have the round finished now that every decision is saved. A second time does nothing."""
    if st.session_state.pop(CLOSING, None) != standing.round_id:
        return
    st.session_state[SENT] = standing.round_id
    if desk.store.round(standing.round_id).labelled:
        request_finish(desk.jobs, standing.round_id, user.name)
    else:
        st.session_state[EMPTY] = standing.round_id


def show_finish(desk: Desk, user: User, standing: Round) -> None:
    """Finish the round (and how far that is), or leave it; runs the page again when the round is closed."""
    last = finishing(desk.jobs, standing.round_id)
    moving = last is not None and last.state.state in ACTIVE

    @st.fragment(run_every="1s" if moving else None)
    @explained()
    def finish() -> None:
        now = finishing(desk.jobs, standing.round_id)
        if (now is not None and now.state.state in ACTIVE) != moving:
            st.rerun()
        if now is not None and moving:
            st.progress(now.state.done / max(1, now.state.total), plain(now.state.note or "Waiting for the worker"))
            st.caption("The round is being finished. Labels given from now on count for the next one.")
            return
        if now is not None and now.state.state in FAILED:
            st.warning(plain(now.state.message), icon=":material/warning:")
        _buttons(desk, user, standing)

    finish()


def _buttons(desk: Desk, user: User, standing: Round) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.session_state.get(CLOSING) == standing.round_id:
            st.badge("Waiting for decisions that are not saved yet", icon=":material/sync:", color="orange")
            if st.button("Go on reading", icon=":material/undo:", key="relabel_go_on"):
                del st.session_state[CLOSING]
                st.rerun()
            return
        if st.button("Finish the round", type="primary", icon=":material/done_all:", key="relabel_finish"):
            st.session_state[CLOSING] = standing.round_id
            st.rerun()
        if st.session_state.pop(EMPTY, None) == standing.round_id:
            st.caption("Label at least one cell first, or leave the round.")
        with st.popover("Leave the round"):
            st.text("Labels given so far are kept and will be learnt from. The other cells can be asked for again.")
            reason = st.text_input("Reason", max_chars=500, key="relabel_leave_reason")
            if st.button("Leave", key="relabel_leave", disabled=not reason.strip()):
                desk.store.abandon_round(
                    standing.round_id, reader=user.name, session=user.session, reason=reason.strip()
                )
                st.rerun()
