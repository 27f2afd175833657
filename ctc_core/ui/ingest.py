"""What the ingest page shows: what lies in the inbox, how far a job is, what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import pandas as pd
import streamlit as st

from ctc_core.cartridge.guarded import guarded_description
from ctc_core.errors import FrameError, UserError
from ctc_core.jobs import ACTIVE, Jobs, JobStatus, Kind
from ctc_core.left_out import EVENT_ADVICE
from ctc_core.types import Role
from ctc_core.ui.messages import duration, plain
from ctc_core.workflows import InboxItem

ROLES = {
    Role.REVIEW: "A patient whose candidates are to be read. These decisions do not train the classifier.",
    Role.TRAIN: "Labelled cells of this patient train the classifier.",
    Role.TEST: "Labelled cells of this patient only measure the classifier. This can never be changed.",
    Role.ENCODER: "Cells of this patient train the encoder, without labels.",
}

WORDS = {
    "queued": "Waiting",
    "running": "Running",
    "finished": "Saving",
    "imported": "Ready",
    "refused": "Refused",
    "failed": "Failed",
    "cancelled": "Cancelled",
}

FOUND = {
    "cartridge_id": "Cartridge",
    "software": "Software",
    "tiff_files": "Frames",
    "frame_size": "Frame size",
    "grid": "Grid",
    "filters": "Filters of the pages",
    "channels": "Pages read as",
    "events": "CellSearch events",
    "assigned": "Assigned as CTC",
    "events_quarantined": "Events set aside",
    "notes": "Notes",
}
"""Of what a description says, what a person who starts an ingest wants to see."""

_COLOURS: dict[str, Literal["green", "orange", "gray"]] = {
    "imported": "green",
    "refused": "orange",
    "failed": "orange",
    "cancelled": "gray",
}


def show_archive(item: InboxItem) -> None:
    """What was found in an archive of the inbox, or why it cannot be read."""
    if item.kind == "zip":
        st.caption("A zip file: it is unpacked and checked when it is started.")
        return
    try:
        found = _described(item.path)
    except UserError as error:
        st.warning(plain(str(error)), icon=":material/warning:")
        return
    if found["refused"]:
        st.warning(plain(str(found["refused"])), icon=":material/warning:")
    rows = [(name, _words(key, found[key])) for key, name in FOUND.items() if found.get(key)]
    st.dataframe(pd.DataFrame(rows, columns=["Found", "Value"]), hide_index=True)


@st.cache_data(ttl="1m", max_entries=64, show_spinner="Looking at the archive")
def _described(path: Path) -> dict[str, Any]:
    """Structure of an archive, read outside of this process: nothing in the inbox can be trusted."""
    return guarded_description(path)


def _words(key: str, value: Any) -> str:
    match key:
        case "frame_size":
            return f"{value['width']} x {value['height']} pixels"
        case "grid":
            return f"{value['rows']} rows, {value['cols']} columns"
        case "channels":
            return ", ".join(name.upper() for name in value)
        case "events_quarantined":
            return "; ".join(f"{count} x {reason}" for reason, count in value.items())
    return ", ".join(value) if isinstance(value, list) else str(value)


def any_active(jobs: Jobs) -> bool:
    """Whether an ingest will change by itself."""
    return any(status.state.state in ACTIVE for status in jobs.status(Kind.INGEST))


def show_job(jobs: Jobs, status: JobStatus) -> None:
    """One job: how far it is and what can be done about it, or what became of it."""
    state = status.state
    with st.container(border=True, key=f"job-{status.job_id}"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.badge(WORDS[state.state], color=_COLOURS.get(state.state, "blue"))
            st.text(f"{status.name}, patient {status.job.pseudonym} ({status.job.role})", width="stretch")
            if state.state in ("queued", "running"):
                st.button(
                    "Cancel",
                    key=f"cancel-{status.job_id}",
                    on_click=jobs.cancel,
                    args=(status.job_id,),
                    icon=":material/close:",
                )
            if state.state in ("refused", "failed", "cancelled"):
                st.button(
                    "Try again",
                    key=f"retry-{status.job_id}",
                    on_click=jobs.retry,
                    args=(status.job_id,),
                    icon=":material/replay:",
                )
        if state.state == "running" and state.total:
            st.progress(state.done / state.total, _progress_text(status))
        elif state.note and state.state in ACTIVE:
            st.caption(plain(state.note))
        if state.message:
            st.text(state.message)
        if state.state == "imported":
            show_result(state.result)


def _progress_text(status: JobStatus) -> str:
    left = "" if status.seconds_left is None else f", {duration(status.seconds_left)} left"
    return f"{status.state.done} of {status.state.total} frames{left}. {plain(status.state.note)}"


def show_result(result: dict[str, Any]) -> None:
    """What was read and what was set aside, with reasons."""
    st.text(
        f"{result['cells']:,} cells in {result['frames_read']} frames, {result['events']} CellSearch events "
        f"({result['assigned']} assigned as CTC), {result['seconds']:.0f} s"
    )
    frames, events = result["frames_quarantined"], result["events_quarantined"]
    aside = [_row("frame", item["frame"], "not counted: " + item["reason"], item) for item in frames]
    aside += [_row("event", item["rid"], "not shown: " + item["reason"], item) for item in events]
    aside += [_row("frame", item["frame"], "counted, but odd: " + item["flag"]) for item in result["flags"]]
    aside += [_row("archive", "", note) for note in result.get("notes", [])]
    if aside:
        show_set_aside(pd.DataFrame(aside))


def _row(what: str, which: object, why: str, item: Mapping[str, str] = MappingProxyType({})) -> dict[str, str]:
    named = {"file": item.get("file", ""), "todo": item.get("advice", "")}
    return {"what": what, "which": str(which), "file": named["file"], "why": why, "todo": named["todo"]}


def show_set_aside(rows: pd.DataFrame) -> None:
    """Frames and events that were set aside or look odd: what, which, why."""
    names: dict[str, Any] = {
        "what": st.column_config.TextColumn("What", width="small"),
        "which": st.column_config.TextColumn("Which", width="small"),
        "file": "File",
        "why": "Why",
        "todo": "What to do",
    }
    st.dataframe(rows, hide_index=True, column_config=names)


def set_aside(frames: pd.DataFrame, events: pd.DataFrame) -> pd.DataFrame:
    """The quarantine list of a cartridge in the store, from its frames and its quarantined events."""
    lost = frames[frames.status == "quarantined"]
    odd = frames[frames["flags"].map(len) > 0]
    flags = odd["flags"].map(", ".join)
    parts = [
        pd.DataFrame(
            {
                "what": "frame",
                "which": lost.frame.astype(str),
                "why": "not counted: " + lost.reason,
                "todo": FrameError.ADVICE,
            }
        ),
        pd.DataFrame(
            {"what": "event", "which": events.rid, "why": "not shown: " + events.reason, "todo": EVENT_ADVICE}
        ),
        pd.DataFrame({"what": "frame", "which": odd.frame.astype(str), "why": "counted, but odd: " + flags}),
    ]
    return pd.concat(parts, ignore_index=True).fillna("")


def show_cartridges(cartridges: pd.DataFrame) -> str | None:
    """Table of the store's cartridges; the id of the selected one."""
    names: dict[str, Any] = {
        "cartridge_id": "Cartridge", "pseudonym": "Patient", "role": "Role", "status": "Outcome", "frames": "Frames",
        "quarantined_frames": "Frames not counted", "cells": st.column_config.NumberColumn("Cells", format="localized"),
        "events": "CellSearch events", "assigned": "Assigned as CTC", "decided": "Decided",
        "imported_at": st.column_config.DatetimeColumn("Read (UTC)", format="YYYY-MM-DD HH:mm"),
    }  # fmt: skip
    chosen = st.dataframe(
        cartridges[list(names)],
        hide_index=True,
        column_config=names,
        key="ingest_cartridges",
        on_select="rerun",
        selection_mode="single-row",
    )
    rows = chosen["selection"]["rows"]
    return str(cartridges.cartridge_id.iloc[rows[0]]) if rows else None
