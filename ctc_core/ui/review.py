"""What the review page shows beside the gallery."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pandas as pd
import streamlit as st

from ctc_core import workflows
from ctc_core.enumeration import Summary, none_for_missing
from ctc_core.store import Store
from ctc_core.ui.messages import interval, plain

GROUP_NAMES = {"all": "All", "agreed": "Agreed", "model": "Model only", "cellsearch": "CellSearch only"}


SHARED = "Confirmed CTCs that are in CellSearch's gallery, too; the others were found by this desk only."
THEIR_COUNT = "CTCs assigned by the CellSearch operator. Never changed here."
OUR_PPV = "Confirmed CTCs among our candidates that are decided, with 95 % Wilson interval."
THEIR_PPV = "CTCs assigned by the operator among all events shown, with 95 % Wilson interval."

MARKS = (0.4, 0.5, 0.6)
"""Thresholds that are told apart in practice: fewer misses, usual, fewer images."""


def cells_at(store: Store, cartridge_id: str) -> str:
    """How many cells the usual thresholds show; empty where nothing is scored."""
    model = store.active_model("classifier")
    if model is None:
        return ""
    probability = store.predictions(cartridge_id, model.model_id).probability
    return "Cells from " + ", ".join(f"{mark}: {int((probability >= mark).sum()):,}" for mark in MARKS)


def in_group(table: pd.DataFrame, group: str) -> pd.DataFrame:
    """Rows of one of `GROUP_NAMES`."""
    return table if group == "all" else table[table.group == group]


def with_own(rows: pd.DataFrame, store: Store, cartridge_id: str, reader: str) -> pd.DataFrame:
    """Rows with cartridge_id, and with `own` label and comment of this reader: what undo goes back to."""
    cells = store.own_labels(cartridge_id, reader).rename(columns={"cell_id": "candidate_id", "label": "own"})
    merged = rows.merge(cells, on="candidate_id", how="left", validate="one_to_one").assign(cartridge_id=cartridge_id)
    alone = merged.cell_id.isna() & (merged.reader == reader)  # an event's reading has no cell
    own = merged.own.where(~alone, merged.label)
    return none_for_missing(merged.assign(own=own), "own", "comment")


def pictures(store: Store, cartridge_id: str, threshold: float) -> pd.DataFrame:
    """candidate_id and crop (3 * 48 * 48 bytes) of everything the page can show at this threshold."""
    table = workflows.candidates(store, cartridge_id, threshold)
    return table[["candidate_id"]].assign(crop=workflows.candidate_crops(store, cartridge_id, table))


def outbox_name(data_dir: Path, reader: str) -> str:
    """Under which name a browser keeps unsaved decisions: they belong to one data folder and one reader."""
    return f"{hashlib.sha256(str(data_dir.resolve()).encode()).hexdigest()[:12]}:{reader}"


def show_summary(summary: Summary) -> None:
    """The counts and predictive values in one row."""
    ours, ours_interval = interval(summary.model_ppv)
    theirs, theirs_interval = interval(summary.cellsearch_ppv)
    events = f"of {summary.cellsearch_events} events shown"
    figures = [
        ("Confirmed CTCs", f"{summary.confirmed}", "by readers of this desk", "Each cell counts once."),
        ("Undecided", f"{summary.undecided}", "candidates and events", "Cells without a decision."),
        ("Shown by CellSearch", f"{summary.cellsearch_confirmed}", "of the confirmed CTCs", SHARED),
        ("CellSearch's count", f"{summary.cellsearch_assigned}", events, THEIR_COUNT),
        ("PPV of our candidates", ours, ours_interval, OUR_PPV),
        ("PPV of CellSearch", theirs, theirs_interval, THEIR_PPV),
    ]
    with st.container(horizontal=True, gap="medium"):
        for label, value, below, meaning in figures:
            st.metric(label, value, below, delta_color="off", delta_arrow="off", help=meaning, width="content")


def about_cartridge(cartridge: pd.Series, frames: pd.DataFrame) -> str:
    """Whose cells these are, and which frames the count does not cover (Markdown)."""
    whose = f"Patient {plain(cartridge.pseudonym)} ({cartridge.role})"
    patient = f"{whose}, {cartridge.cells:,} cells found, {cartridge.events} CellSearch events. "
    lost = frames[frames.status == "quarantined"]
    if lost.empty:
        return f"{patient}All {len(frames)} frames were read and are counted."
    reasons = "; ".join(
        f"frame {number}: {plain(reason)}" for number, reason in zip(lost.frame, lost.reason, strict=True)
    )
    how_many = f"{len(lost)} of {len(frames)} frames could not be read and are not counted"
    return f"{patient}  \n:material/warning: {how_many} ({reasons})."
