"""What the audit page shows: the journal's head, its entries, and what verification found."""

from __future__ import annotations

import json

import pandas as pd
import streamlit as st

from ctc_core.store import Report, Store
from ctc_core.ui.messages import plain

ENTRIES_SHOWN = 500

_NAMES = {
    "label": "Cell labelled",
    "review": "Event decided",
    "adjudicate": "Cell adjudicated",
    "adjudicate-event": "Event adjudicated",
    "patient": "Patient added",
    "role": "Patient's role changed",
    "cartridge": "Cartridge imported",
    "model": "Model added",
    "activate": "Model put in use",
    "run": "Artefact made",
    "round": "Round opened",
    "finish-round": "Round finished",
    "abandon-round": "Round abandoned",
    "give-back": "Cells given back",
    "report": "Report signed",
    "account": "Account changed",
    "tag": "Cell tagged",
    "calibration-set": "Calibration set made",
    "calibration": "Calibration cell read",
    "calibration-end": "Calibration finished",
}
_LONGEST = 200
"""Characters of a value shown in the table; the journal has all of it."""


def kind_names(kind: str) -> str:
    """A kind of entry in words."""
    return _NAMES.get(kind, kind)


def show_head(store: Store) -> None:
    """Number and hash of the last entry, and why one would keep it."""
    seq, head = store.journal.head
    left, right = st.columns([1, 4], vertical_alignment="top")
    left.metric("Entries in the journal", f"{seq:,}")
    with right:
        st.caption("Hash of the last entry")
        st.code(head, language=None)
        st.caption(
            "Each entry holds the hash of the one before. Keep this hash elsewhere, on paper or in a mail: "
            "a journal that was rewritten as a whole cannot show it any more. It stands on every report."
        )


def show_report(report: Report) -> None:
    """What `verify` found."""
    counts = f"{report.entries:,} entries, {report.decisions:,} decisions, {report.cells:,} cells"
    if report.ok:
        st.success(f"Journal, store, bundles and scores say the same: {counts}.", icon=":material/check:")
        return
    n = len(report.problems)
    st.error(f"{n} difference{'s' if n > 1 else ''} in {counts}:", icon=":material/error:")
    for problem in report.problems:
        st.text(problem)


def entry_table(entries: pd.DataFrame) -> pd.DataFrame:
    """Entries as people read them; times stay UTC."""
    columns = {
        "Entry": entries.seq,
        "Time (UTC)": entries.time,
        "What": entries.kind.map(kind_names),
        "About": entries.subject,
        "Person": entries.reader,
        "Role": entries.role,
        "Before": entries.old.map(_value),
        "After": entries.new.map(_value),
        "Reason": entries.reason,
        "Why changed": entries.why,
        "Session": entries.session,
        "Hash": entries.hash,
    }
    return pd.DataFrame(columns)


def _value(text: str | None) -> str:
    """A JSON value in words: nothing for null, a plain text without its quotes."""
    value = None if text is None else json.loads(text)
    shown = "" if value is None else value if isinstance(value, str) else str(text)
    return shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]} ..."


def show_entries(table: pd.DataFrame, *, more: bool) -> None:
    """The table, and whether there is more."""
    if table.empty:
        st.caption("No entry fits.")
        return
    st.dataframe(
        table,
        hide_index=True,
        key="audit_entries",
        column_config={
            "Time (UTC)": st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm:ss.SSS"),
            **{name: st.column_config.TextColumn(width="small") for name in ("About", "Before", "After")},
        },
    )
    rest = f" Older ones: give the number {int(table.Entry.iloc[-1])} under Before entry." if more else ""
    st.caption(plain(f"{len(table):,} entries, newest first.{rest}"))
