"""The review gallery: cells on a wall, one of them large, decided with single keys in the browser.

A decision never waits for the server and is never lost to a rerun. The browser gives each decision an id, keeps it in
its own storage and sends all that are waiting as one batch; `_receive` saves the batch before any page code runs, and
the next message to the browser names the ids that were read back from the store. Whatever is not named is sent again.
Saving the same id twice changes nothing, so reloads, reruns and a dying server neither lose nor double a decision.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import streamlit as st

from ctc_core.enumeration import EVENT_PREFIX
from ctc_core.errors import CTCError, StoreError, UserError
from ctc_core.types import Decision, Label
from ctc_core.ui.session import User

Save = Callable[[Sequence[Decision]], Sequence[str]]
"""Saves decisions and returns the ids that were read back from the store afterwards."""

log = logging.getLogger(__name__)

_HERE = Path(__file__).parent
_KEPT_REPLIES = 500
"""More than one batch of the browser (outbox.js)."""

ROWS = pa.schema([
    *((name, pa.string()) for name in ("candidate_id", "cartridge_id", "group", "cluster")),
    ("frame", pa.int32()),
    *((name, pa.float32()) for name in ("y", "x", "probability", "diameter_um", "dapi_mean", "ck_mean", "cd45_mean")),
    ("assigned", pa.bool_()),
    *((name, pa.string()) for name in ("label", "own", "reader", "comment", "why")),
])  # fmt: skip
"""`group` of a review or `cluster` of a queue, in words; `label` that counts; `own` label and `comment` of this reader;
`why` the cell is shown, one plain sentence. A column that a table lacks is empty."""
FILM = pa.schema([("candidate_id", pa.string()), ("crop", pa.binary())])


def _read(*names: str) -> str:
    return "\n".join((_HERE / name).read_text(encoding="utf-8") for name in names)


_GALLERY = st.components.v2.component(
    "ctc_gallery",
    html=_read("gallery.html"),
    css=_read("gallery.css"),
    js=_read("outbox.js", "cell.js", "facts.js", "look.js", "panels.js", "gallery.js"),
)
_FILM = st.components.v2.component("ctc_film", js=_read("film.js"))


@dataclass(frozen=True)
class Clock:
    """Time that a reader wants to spend; nothing is lost when it is over."""

    ends: datetime
    """UTC, without a zone."""

    def told(self) -> dict[str, float]:
        """When it ends and what the time is here, in milliseconds: the browser's own clock may be wrong."""
        return {"ends_ms": self.ends.replace(tzinfo=UTC).timestamp() * 1000, "now_ms": time.time() * 1000}


@dataclass
class Replies:
    """What one browser tab has been told about its decisions."""

    saved: dict[str, None] = field(default_factory=dict)
    """Ids, oldest first."""
    refused: dict[str, dict[str, str]] = field(default_factory=dict)
    """id -> candidate_id and reason; such a decision is not sent again."""

    trouble: str = ""
    """Why the last batch could not be saved."""

    def add(self, saved: Sequence[str]) -> None:
        """Remember ids to acknowledge; the oldest are forgotten, an id sent again is answered again."""
        self.saved |= dict.fromkeys(saved)
        for id_ in list(self.saved)[:-_KEPT_REPLIES]:
            del self.saved[id_]

    def refuse(self, id_: str, candidate_id: str, reason: str) -> None:
        """Note a decision that cannot be saved."""
        self.refused[id_] = {"candidate_id": candidate_id, "reason": reason}


def gallery(
    rows: pd.DataFrame,
    *,
    key: str,
    scope: str,
    outbox: str,
    user: User,
    save: Save,
    show_score: bool = True,
    clock: Clock | None = None,
) -> None:
    """Show cells and take decisions about them. Their pictures come from `film` with the same key.

    Args:
        rows: one row per candidate with the columns of `ROWS`, in the order shown.
        key: one gallery per page and key.
        scope: cartridge or round that is read; undo ends at its border.
        outbox: names the store and the reader; decisions that wait in the browser wait under this name.
        user: whose decisions they are.
        save: called with each batch before the page's code runs.
        show_score: whether the reader sees the classifier's P(CTC).
        clock: shown as it runs out; keys go on working after that.
    """
    replies: Replies = st.session_state.setdefault(f"{key}_replies", Replies())
    _GALLERY(
        key=key,
        data={
            "rows": arrow(rows, ROWS),
            "scope": scope,
            "show_score": show_score,
            "clock": clock.told() if clock else None,
            "outbox": outbox,
            "film": key,
            "acknowledged": list(replies.saved),
            "refused": replies.refused,
            "trouble": replies.trouble,
        },
        on_decisions_change=lambda: _receive(key, user, save),
    )


def film(pictures: pd.DataFrame, *, key: str) -> None:
    """Send the pictures of the gallery `key`: candidate_id and crop (3 * 48 * 48 bytes: DAPI, CK, CD45, uint8).

    Megabytes that no decision changes: call it outside the fragment that the gallery lives in, with all cells that any
    filter of the page may show.
    """
    _FILM(key=f"{key}_film", data={"film": key, "crops": arrow(pictures, FILM)}, height=1)


def arrow(rows: pd.DataFrame, schema: pa.Schema) -> pa.Table:
    """The schema's columns with its types; NaN becomes null, as does a column that is missing."""
    full = rows.assign(**{name: None for name in schema.names if name not in rows})
    return pa.Table.from_pandas(full[schema.names], schema=schema, preserve_index=False).replace_schema_metadata(None)


def _receive(key: str, user: User, save: Save) -> None:
    """Save a batch. Everything is read from Streamlit first: between the first and the last line of a save a rerun
    must find no Streamlit call to stop at."""
    batch = st.session_state[key].get("decisions") or []
    replies: Replies = st.session_state[f"{key}_replies"]
    save_batch(batch, user, save, replies)


def save_batch(batch: Sequence[dict[str, Any]], user: User, save: Save, replies: Replies) -> None:
    """Save what a browser sent and note in `replies` what became of each decision.

    A decision that can never be saved (an unknown cell, a label that does not exist) is refused with its reason and
    does not hold up the others. Where saving itself fails, nothing is acknowledged and the browser sends it again.
    """
    decisions = []
    for entry in batch:
        try:
            decisions.append(decision_from(entry, user))
        except (KeyError, TypeError, ValueError, AttributeError):
            replies.refuse(str(entry.get("id")), str(entry.get("candidate_id")), "the browser sent no valid decision")
    try:
        replies.add(save(decisions))
        replies.trouble = ""
    except CTCError:
        for decision in decisions:
            _save_one(decision, save, replies)


def _save_one(decision: Decision, save: Save, replies: Replies) -> None:
    try:
        replies.add(save([decision]))
        replies.trouble = ""
    except (UserError, StoreError) as error:
        replies.refuse(decision.id, decision.cell_id or f"{EVENT_PREFIX}{decision.event_rid}", str(error))
    except CTCError as error:
        log.exception("decision %s was not saved", decision.id)
        replies.trouble = str(error)


def decision_from(entry: dict[str, Any], user: User) -> Decision:
    """The browser's words as a decision of the signed-in person; raises KeyError, TypeError or ValueError."""
    candidate = entry["candidate_id"]
    event = candidate.removeprefix(EVENT_PREFIX) if candidate.startswith(EVENT_PREFIX) else None
    return Decision(
        id=entry["id"],
        cartridge_id=entry["cartridge_id"],
        cell_id=None if event else candidate,
        event_rid=event,
        label=None if entry["label"] is None else Label(entry["label"]),
        reader=user.name,
        session=user.session,
        reason=(entry.get("comment") or "").strip(),
    )
