"""What a finished round has changed, and the person's decision about the new classifier."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from ctc_core.map_view import cluster_name
from ctc_core.mapped import map_crops
from ctc_core.rounds import activate
from ctc_core.store import Round, Store
from ctc_core.types import Label
from ctc_core.ui.cell_rows import CellRow, cell_rows
from ctc_core.ui.messages import plain
from ctc_core.ui.session import User

KEPT = "keep-classifier"
"""Kind of the run that notes that a new classifier was not put in use."""
SHOWN = 24
"""Pictures of flipped cells in a row."""
LABEL_NAMES = {
    Label.CTC.value: "CTC",
    Label.NON_CTC.value: "non-CTC",
    Label.ARTIFACT.value: "artifact",
    Label.UNSURE.value: "unsure",
}
HOW_COUNTED = (
    "Counted on labelled cells of test patients, from which no classifier learns, with 95 % intervals. "
    "F1 is 1 where every CTC is found and nothing else is called one."
)


def last_finished(store: Store, reader: str) -> Round | None:
    """The reader's newest finished round."""
    mine = [found for found in store.rounds() if found.reader == reader and found.state == "finished"]
    return mine[-1] if mine else None


def show_outcome(store: Store, user: User, finished: Round) -> None:
    """Labels, figures before and after, cells that are called otherwise now, and the decision."""
    outcome = store.outcome(finished.round_id)
    st.subheader(f"Round {finished.number} is finished")
    st.caption(about_labels(finished, outcome))
    for note in outcome.get("notes", ()):
        st.caption(plain(str(note)))
    if outcome.get("after") is None:
        why = outcome.get("why") or "There are too few labels to fit a classifier."
        st.info(plain(f"No new classifier. {why} Label more cells in another round."), icon=":material/info:")
        return
    table = compared(outcome)
    if table.empty:
        st.info(
            "There is no labelled cell of a test patient, so nothing can be measured. Label cells of a test patient on "
            "the Candidates page.",
            icon=":material/info:",
        )
    else:
        st.table(table, border="horizontal", hide_index=True)
        st.caption(HOW_COUNTED)
        show_flips(store, outcome["flips"])
    show_decision(store, user, finished)


def about_labels(finished: Round, outcome: Mapping[str, Any]) -> str:
    """What was said in the round and how long it took."""
    given = outcome.get("labels", {})
    parts = [f"{given[name]} {words}" for name, words in LABEL_NAMES.items() if given.get(name)]
    minutes = "" if finished.minutes_used is None else f" in {finished.minutes_used:.1f} minutes"
    return f"{finished.labelled} of {finished.items} cells labelled{minutes}: {', '.join(parts) or 'none'}."


def compared(outcome: Mapping[str, Any]) -> pd.DataFrame:
    """F1 in total and by cluster, before and after, in words; empty where no test cell is labelled."""
    before, after = outcome.get("before") or {}, outcome["after"]
    if not after.get("total"):
        return pd.DataFrame()
    rows = [("All cells", before.get("total"), after["total"])]
    earlier = {row["cluster"]: row for row in before.get("clusters", ())}
    rows += [(cluster_name(row["cluster"]), earlier.get(row["cluster"]), row) for row in after["clusters"]]
    return pd.DataFrame([
        {
            "Cluster": name,
            "Labelled test cells": f"{new['n']:,}",
            "CTCs among them": f"{new['n_ctc']:,}",
            "F1 before": f1_words(old),
            "F1 after": f1_words(new),
            "Change": change(old, new),
        }
        for name, old, new in rows
    ])  # fmt: skip


def f1_words(figures: Mapping[str, Any] | None) -> str:
    """F1 with its interval, or why there is none."""
    if figures is None:
        return "no classifier"
    if not figures["enough"] or figures["f1"] is None:
        return "not enough labels"
    if not figures["n_ctc"] and figures["f1"] == 1:
        return "no CTC and no false CTC"
    return f"{figures['f1']:.2f} ({figures['low']:.2f} to {figures['high']:.2f})"


def change(old: Mapping[str, Any] | None, new: Mapping[str, Any]) -> str:
    """Difference of the two F1."""
    known = [row for row in (old, new) if row and row["enough"] and row["f1"] is not None]
    return f"{known[1]['f1'] - known[0]['f1']:+.2f}" if len(known) == 2 and new["n_ctc"] else "–"


def flip_rows(flips: Sequence[Mapping[str, Any]]) -> list[CellRow]:
    """Cells that the new classifier calls otherwise: those it has right now, and those it has wrong now."""
    right = [flip for flip in flips if (flip["after"] > flip["before"]) == (flip["label"] == 1)]
    wrong = [flip for flip in flips if flip not in right]
    return [_flip_row("Right now, wrong before", right), _flip_row("Wrong now, right before", wrong)]


def _flip_row(name: str, flips: Sequence[Mapping[str, Any]]) -> CellRow:
    shown = flips[:SHOWN]
    captions = (f"{'CTC' if f['label'] else 'non-CTC'}, P {f['before']:.2f} to {f['after']:.2f}" for f in shown)
    heading = f"{name}: {len(flips)}" if len(flips) == len(shown) else f"{name}: {len(shown)} of {len(flips)} shown"
    return CellRow(heading, tuple(f["cell_id"] for f in shown), tuple(captions))


def show_flips(store: Store, flips: Sequence[Mapping[str, Any]]) -> None:
    """The test cells whose call has changed."""
    if not flips:
        st.caption("No test cell is called otherwise than before.")
        return
    rows = flip_rows(flips)
    cell_rows(rows, map_crops(store, [cell for row in rows for cell in row.cell_ids]), key="relabel_flips")


def kept_reason(store: Store, model_id: str) -> str | None:
    """Why a person did not put this classifier in use; None: nobody has said so."""
    runs = store.runs()
    found = runs[(runs.kind == KEPT) & (runs.artefact == model_id)]
    return None if found.empty else str(json.loads(found.parameters.iloc[0])["reason"])


def show_decision(store: Store, user: User, finished: Round) -> None:
    """Use the new classifier or keep the present one, with a reason that goes to the journal."""
    active, made = store.active_model("classifier"), finished.model_after
    assert made is not None  # there is an outcome after
    if active is not None and active.model_id == made:
        st.success("The new classifier is in use.", icon=":material/check:")
        return
    if (kept := kept_reason(store, made)) is not None:
        st.caption(f"The present classifier was kept: {plain(kept)}. The new one stays in the store.")
    with st.form("relabel_decision"):
        reason = st.text_input("Reason, kept in the journal", max_chars=500, key="relabel_reason")
        with st.container(horizontal=True):
            use = st.form_submit_button("Use the new classifier", type="primary", icon=":material/check:")
            keep = st.form_submit_button("Keep the present one", icon=":material/undo:", disabled=active is None)
    if (use or keep) and not reason.strip():
        st.error("Give a reason: others will want to know why.")
    elif use:
        activate(store, made, reader=user.name, session=user.session, reason=reason.strip())
        st.rerun()
    elif keep:
        decided = {"round_id": finished.round_id, "reason": reason.strip()}
        store.record_run(KEPT, decided, {"in_use": active.model_id if active else None}, made, user.name, user.session)
        st.rerun()
