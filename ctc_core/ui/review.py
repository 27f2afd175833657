"""What the review page shows beside the gallery, and the rows of the gallery itself."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import streamlit as st

from ctc_core import workflows
from ctc_core.count_memory import kept
from ctc_core.counting import CountReport
from ctc_core.map_view import cluster_name
from ctc_core.matched import candidates
from ctc_core.report import words
from ctc_core.review.choice import Sort, arranged, order_of
from ctc_core.store import Store
from ctc_core.ui.gallery import crop_table
from ctc_core.ui.messages import plain

LESS_CERTAIN = (
    "P(CTC) is below the threshold, and the cell lies where the classifier cannot be trusted in this draw ({place}). "
    "Chance of a CTC: {chance}."
)
UNLIKE = "P(CTC) is below the threshold, but the cell is unlike anything labelled, where the classifier says little."


def with_own(rows: pd.DataFrame, store: Store, cartridge_id: str, reader: str) -> pd.DataFrame:
    """Rows with cartridge_id, and with `own` label, comment and tags of this reader, and what of it is `signed`."""
    own, signed = store.own_words(cartridge_id, reader), store.signed_off([cartridge_id], reader)
    tags = store.tags(cartridge_id)
    words = dict(zip(tags.candidate_id[tags.reader == reader], tags.tags[tags.reader == reader], strict=True))
    nothing = (None, None)
    known = [(*own.get(one, nothing), words.get(one), one in signed) for one in rows.candidate_id.tolist()]
    columns = pd.DataFrame(known, rows.index, ["own", "comment", "own_tags", "signed"], dtype=object)
    return pd.concat([rows, columns], axis=1).assign(cartridge_id=cartridge_id)


def less_certain_rows(store: Store, report: CountReport) -> pd.DataFrame:
    """Cells below the threshold that are worth a look, most telling first, in the columns of `candidates`."""
    low = report.less_certain.set_index("cell_id")
    every = candidates(store, report.cartridge_id, 0.0)
    rows = arranged(every[every.cell_id.isin(low.index)], list(low.index))
    why = [_why(low.loc[cell_id]) for cell_id in rows.cell_id]
    return rows.assign(group="less", why=pd.Series(why, index=rows.index, dtype=object))


def _why(cell: pd.Series) -> str:
    if cell.unlike:
        return UNLIKE
    return LESS_CERTAIN.format(place=cluster_name(int(cell.cluster)), chance=words.percent(float(cell.chance)))


def pictures(store: Store, cartridge_id: str, table: pd.DataFrame) -> pa.Table:
    """Of everything the page can show (`gallery.crop_table`): megabytes, kept once for all who read the cartridge."""
    ids = tuple(table.candidate_id)
    return kept(
        store,
        f"pictures/{cartridge_id}",
        (store.basis(), ids),
        lambda: crop_table(ids, workflows.candidate_crops(store, cartridge_id, table)),
    )


def kept_order(table: pd.DataFrame, sort: Sort, report: CountReport) -> Sequence[str]:
    """The order that stood when the reader last chose it: cells must not move while they are read."""
    asked = (report.cartridge_id, report.threshold, report.options, sort)
    if st.session_state.get("candidates_order_of") != asked:
        st.session_state["candidates_order_of"] = asked
        st.session_state["candidates_order"] = order_of(table, sort, next_ids=report.next_ids, worth=report.worth)
    order: list[str] = st.session_state["candidates_order"]
    return order


def outbox_name(data_dir: Path, reader: str) -> str:
    """Under which name a browser keeps unsaved decisions: they belong to one data folder and one reader."""
    return f"{hashlib.sha256(str(data_dir.resolve()).encode()).hexdigest()[:12]}:{reader}"


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
