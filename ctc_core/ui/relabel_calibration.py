"""The calibration set: read blind by everybody, then each reader's agreement with what the lab has settled."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from ctc_core.accounts import AccountRole
from ctc_core.intervals import Proportion
from ctc_core.mapped import map_crops
from ctc_core.reader_calibration import CELLS, FEWEST, MOST, ReaderFigures, compared, make_set, results, settled
from ctc_core.store import Store
from ctc_core.store.calibration import CalibrationSet
from ctc_core.types import Label
from ctc_core.ui.cell_rows import CellRow, cell_rows
from ctc_core.ui.desk import Desk
from ctc_core.ui.gallery import film, gallery
from ctc_core.ui.messages import empty_state, explained, plain
from ctc_core.ui.relabel import queue_pictures
from ctc_core.ui.relabel_agreement import kappa_words
from ctc_core.ui.relabel_outcome import LABEL_NAMES
from ctc_core.ui.review import outbox_name
from ctc_core.ui.session import User

SHOWN = 24
"""Pictures in a row."""
CLOSING, SENT = "calibration_closing", "calibration_sent"
"""In the session, each the id of a set: to be ended as soon as the browser has sent every answer; that has happened."""
ABOUT = (
    "Everybody reads the same cells, whose labels the lab has settled, without being told anything of them. Answers "
    "given here train nothing and count nothing. When you have read all of them you see how well you agree, and the "
    "answers stand."
)
MEANING = (
    "Kappa is 1 where a reader always agrees with the settled labels and 0 where as often as by chance. Sensitivity: "
    "of the CTCs, called so. Specificity: of all other cells, not called CTC. Unsure is left out of all of them. "
    "All with 95 % intervals. Hard are the cells whose label the classifier supports least."
)
NONE_YET = "It is a fixed set of settled cells. Every reader reads it blind and then sees their own agreement. "
WHERE = "Cells of training patients only, half of them CTCs, and half of each hard ones for the classifier."


def show_calibration(desk: Desk, user: User) -> None:
    """Read the newest set, or see what came of it; an expert sees all readers and makes sets."""
    sets = desk.store.calibration_sets()
    if not sets:
        told = "Choose its cells below." if user.may(AccountRole.EXPERT) else "An expert of your lab makes it here."
        empty_state("No calibration set yet", NONE_YET + told)
    else:
        chosen = _choose(sets)
        if desk.store.has_ended_calibration(chosen.set_id, user.name):
            show_own(desk.store, chosen, user)
        else:
            show_reading(desk, user, chosen)
        if user.may(AccountRole.EXPERT):
            show_readers(desk.store, chosen)
    if user.may(AccountRole.EXPERT):
        show_make(desk.store, user, first=not sets)


def set_name(one: CalibrationSet) -> str:
    """A set in words."""
    return f"Set {one.number}: {len(one.cells)} cells, made by {one.reader} on {one.made:%d %b %Y}"


def _choose(sets: tuple[CalibrationSet, ...]) -> CalibrationSet:
    """The newest unless another one is asked for."""
    by_id = {one.set_id: one for one in reversed(sets)}
    if len(sets) == 1:
        st.caption(plain(set_name(sets[0])))
        return sets[0]
    chosen = st.selectbox("Set", list(by_id), format_func=lambda id_: set_name(by_id[id_]), key="calibration_set")
    return by_id[str(chosen)]


# ------------------------------------------------------------------------------------------------------------- reading
def show_reading(desk: Desk, user: User, chosen: CalibrationSet) -> None:
    """The cells in the gallery, with this reader's answers and nothing else, and the way to the end."""
    st.caption(ABOUT)
    read = st.fragment(explained()(_read))
    read(desk, user, chosen)
    film(queue_pictures(desk.store, list(chosen.cells.cell_id)), key="calibration_gallery")


def outbox_of(desk: Desk, user: User, chosen: CalibrationSet) -> str:
    """Where answers wait in the browser: other galleries send whatever begins with their own name, as labels."""
    return f"calibration-{chosen.set_id}:{outbox_name(desk.settings.data_dir, user.name)}"


def _read(desk: Desk, user: User, chosen: CalibrationSet) -> None:
    """Everything that an answer changes; reruns by itself."""
    store, closing = desk.store, st.session_state.get(CLOSING) == chosen.set_id
    queue = store.calibration_queue(chosen.set_id, user.name)
    gallery(
        queue.rename(columns={"cell_id": "candidate_id"}).assign(own=queue.label),
        key="calibration_gallery",
        scope=chosen.set_id,
        outbox=outbox_of(desk, user, chosen),
        user=user,
        save=lambda answers: store.calibrate(chosen.set_id, answers),
        show_score=False,
        drain=(lambda: _end(store, user, chosen)) if closing else None,
    )
    left = int(queue.label.isna().sum())
    if st.session_state.pop(SENT, None) == chosen.set_id:
        st.rerun()
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Finish and show my agreement",
            icon=":material/done_all:",
            key="calibration_end",
            disabled=bool(left),
            on_click=st.session_state.update,
            args=({CLOSING: chosen.set_id},),
        )
        st.caption(f"{left} of {len(queue)} cells are left to read." if left else "All cells are read.")


def _end(store: Store, user: User, chosen: CalibrationSet) -> None:
    """Every answer is saved: they stand from now on. A second time does nothing."""
    read = store.calibration_queue(chosen.set_id, user.name).label.notna().all()  # the last word may have been an undo
    if st.session_state.pop(CLOSING, None) == chosen.set_id and read:
        store.end_calibration(chosen.set_id, reader=user.name, session=user.session)
        st.session_state[SENT] = chosen.set_id


# ------------------------------------------------------------------------------------------------------ what came of it
def share(found: Proportion | None) -> str:
    """A proportion with its interval and number, in a table."""
    if found is None:
        return "–"
    return f"{found.estimate:.2f} ({found.low:.2f} to {found.high:.2f}), n = {found.n}"


def readers_table(found: tuple[ReaderFigures, ...]) -> pd.DataFrame:
    """One row per reader."""
    return pd.DataFrame([
        {
            "Reader": plain(one.reader),
            "Kappa": kappa_words(one.agreement),
            "Sensitivity": share(one.sensitivity),
            "Specificity": share(one.specificity),
            "Agreement on easy cells": share(one.easy),
            "On hard cells": share(one.hard),
            "Unsure": str(one.unsure),
            "Labelled before": str(one.known),
        }
        for one in found
    ])  # fmt: skip


def show_own(store: Store, chosen: CalibrationSet, user: User) -> None:
    """A reader's own figures, and the cells that were seen differently."""
    st.subheader("Your agreement")
    found = results(store, chosen)
    (own,) = (one for one in found if one.reader == user.name)
    st.table(readers_table((own,)), border="horizontal", hide_index=True)
    st.caption(MEANING)
    if own.known:
        st.caption(
            f"You had labelled or settled {own.known} of these {own.cells} cells before: there you agree with yourself."
        )
    answers = store.calibration_answers(chosen.set_id)
    both = compared(answers[answers.reader == user.name], chosen.cells)
    rows = different_rows(both)
    if not rows:
        st.caption("You have seen no cell differently.")
        return
    st.subheader("Cells that you saw differently")
    shown = [cell_id for row in rows for cell_id in row.cell_ids]
    cell_rows(rows, map_crops(store, shown), key="calibration_different")


def different_rows(both: pd.DataFrame) -> list[CellRow]:
    """Of what `compared` gives: CTCs that were not called so, others that were, and what the reader was unsure of."""
    unsure, truth = both.opinion.isna(), both.truth
    kinds = {
        "CTCs that you did not call so": ~unsure & (truth == Label.CTC) & (both.opinion != truth),
        "Other cells that you called CTC": ~unsure & (truth != Label.CTC) & (both.opinion != truth),
        "You were unsure": unsure,
    }
    return [_row(heading, both[which]) for heading, which in kinds.items() if which.any()]


def _row(heading: str, cells: pd.DataFrame) -> CellRow:
    first = cells.head(SHOWN)
    many = f" (the first {SHOWN})" if len(cells) > SHOWN else ""
    captions = tuple(
        f"settled: {LABEL_NAMES[label]}{', hard' if hard else ''}"
        for label, hard in zip(first.label, first.hard, strict=True)
    )
    return CellRow(f"{heading}: {len(cells)}{many}", tuple(first.cell_id), captions)


def show_readers(store: Store, chosen: CalibrationSet) -> None:
    """All readers who are done, side by side: for experts. No cell is shown, so an expert can still read the set."""
    st.subheader("All readers")
    found = results(store, chosen)
    if not found:
        st.caption("Nobody has read this set to its end yet.")
        return
    st.table(readers_table(found), border="horizontal", hide_index=True)
    st.caption("Labelled before: cells that the same person had labelled or settled before.")


# --------------------------------------------------------------------------------------------------------- making a set
def show_make(store: Store, user: User, *, first: bool) -> None:
    """The form that makes a set."""
    with st.expander("Make a calibration set", expanded=first, icon=":material/library_add:"), explained():
        cells = store.settled_cells()
        twice = cells[cells.readers > 1]
        st.caption(f"{WHERE} A set never changes; a new one can be made later, and each reader reads it once.")
        st.text(f"{_about(twice)} two or more people agree on, or an expert has settled. {_about(cells)} in all.")
        with st.form("calibration_make", border=False):
            n = st.number_input("Cells", FEWEST, MOST, CELLS, step=10, key="calibration_n", width=160)
            once = st.checkbox(
                "Also cells that one person alone has labelled",
                value=len(settled(store)) < FEWEST,
                key="calibration_once",
                help="Agreement is then partly with one person's word. Better: have cells read twice first.",
            )
            made = st.form_submit_button("Make the set", icon=":material/library_add:")
        if made:
            seed = len(store.calibration_sets())  # the next set holds other cells where there are others
            make_set(store, n=int(n), seed=seed, once=once, reader=user.name, session=user.session)
            st.rerun()


def _about(cells: pd.DataFrame) -> str:
    ctcs = int((cells.label == Label.CTC).sum())
    return f"{len(cells):,} cells ({ctcs:,} CTCs)"
