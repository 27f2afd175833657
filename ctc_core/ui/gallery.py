"""The review gallery: cells on a wall, one of them large, decided with single keys in the browser.

A decision never waits for the server and is never lost to a rerun. The browser gives each decision an id, keeps it in
its own storage and sends all that are waiting as one batch; `_receive` saves the batch before any page code runs, and
the next message to the browser names the ids that were read back from the store. Whatever is not named is sent again.
Saving the same id twice changes nothing, so reloads, reruns and a dying server neither lose nor double a decision.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
import streamlit as st

from ctc_core.store.changes import SITTING
from ctc_core.types import CROP_CHANNELS, Channel
from ctc_core.ui.received import Replies, Save, SaveTags, save_batch
from ctc_core.ui.session import User

_HERE = Path(__file__).parent
ROWS = pa.schema([
    *((name, pa.string()) for name in ("candidate_id", "cartridge_id", "group", "cluster")),
    ("frame", pa.int32()),
    *((name, pa.float32()) for name in ("y", "x", "probability", "diameter_um", "dapi_mean", "ck_mean", "cd45_mean")),
    ("assigned", pa.bool_()),
    *((name, pa.string()) for name in ("label", "own", "reader", "comment", "why", "own_tags")),
    ("signed", pa.bool_()),
])  # fmt: skip
"""`group` of a review or `cluster` of a queue, in words; `label` that counts; `own` label, `comment` and `own_tags`
(joined by a space) of this reader; `why` the cell is shown, one plain sentence; `signed`: the own label stands in a
signed report, and changing it is asked about. A missing column is empty."""
FILM = pa.schema([("candidate_id", pa.string()), ("crop", pa.binary())])
ABOUT = pa.schema([
    ("candidate_id", pa.string()),
    *((name, pa.float32()) for name in ("area_um2", "eccentricity", "ratio")),
    *((f"{c}_{what}", pa.float32()) for c in (*CROP_CHANNELS, Channel.MARKER) for what in ("mean", "max", "sd")),
    *((name, pa.string()) for name in ("place", "area", "trust", "gate", "failing")),
    *((name, pa.bool_()) for name in ("unlike", "passes")),
    ("near", pa.list_(pa.int32())),
])  # fmt: skip
"""What no decision changes about a cell (`review.details`); `near` holds rows of the table `LABELLED`."""
LABELLED = pa.schema([("cell_id", pa.string()), ("is_ctc", pa.bool_()), ("crop", pa.binary())])


def _read(*names: str) -> str:
    return "\n".join((_HERE / name).read_text(encoding="utf-8") for name in names)


_GALLERY = st.components.v2.component(
    "ctc_gallery",
    html=_read("gallery.html"),
    css=_read("gallery.css"),
    js=_read(
        "outbox.js", "cell.js", "facts.js", "look.js", "panels.js", "tags.js", "reasons.js", "changes.js", "gallery.js"
    ),
)
_FILM = st.components.v2.component("ctc_film", js=_read("film.js"))
_OPENED = st.components.v2.component("ctc_opened", js=_read("opened.js"))


@dataclass(frozen=True)
class Clock:
    """Time that a reader wants to spend; nothing is lost when it is over."""

    ends: datetime
    """UTC, without a zone."""

    def told(self) -> dict[str, float]:
        """When it ends and what the time is here, in milliseconds: the browser's own clock may be wrong."""
        return {"ends_ms": self.ends.replace(tzinfo=UTC).timestamp() * 1000, "now_ms": time.time() * 1000}


def gallery(
    rows: pd.DataFrame,
    *,
    key: str,
    scope: str,
    outbox: str,
    user: User,
    save: Save,
    save_tags: SaveTags | None = None,
    show_score: bool = True,
    blind: bool = False,
    clock: Clock | None = None,
    drain: Callable[[], None] | None = None,
) -> None:
    """Show cells and take decisions about them. Their pictures come from `film` with the same key.

    Args:
        rows: one row per candidate with the columns of `ROWS`, in the order shown.
        key: one gallery per page and key.
        scope: cartridge or round that is read; undo ends at its border.
        outbox: names the store and the reader; decisions that wait in the browser wait under this name.
        user: whose decisions they are.
        save: called with each batch before the page's code runs.
        save_tags: the same for words beside a label; None: the gallery offers none.
        show_score: whether the reader sees the classifier's P(CTC).
        blind: whether everything that the classifier says of a cell is hidden until the reader has decided on it.
        clock: shown as it runs out; keys go on working after that.
        drain: called once nothing waits in the browser any more; None: nobody wants to know.
    """
    replies: Replies = st.session_state.setdefault(f"{key}_replies", Replies())
    _GALLERY(
        key=key,
        data={
            "rows": arrow(rows, ROWS),
            "scope": scope,
            "show_score": show_score,
            "blind": blind,
            "tagged": save_tags is not None,
            "clock": clock.told() if clock else None,
            "sitting_ms": SITTING.total_seconds() * 1000,
            "outbox": outbox,
            "film": key,
            "acknowledged": list(replies.saved),
            "refused": replies.refused,
            "trouble": replies.trouble,
            "closing": drain is not None,
        },
        on_decisions_change=lambda: _receive(key, user, save, save_tags),
        on_drained_change=drain or (lambda: None),
    )


def opened(scope: str, *, key: str) -> None:
    """Tell the gallery `key` at once what the page is about now. Call it before anything is computed.

    The cells of another scope stay on the screen until the new ones are there, and take no key any more.
    """
    with st.sidebar:  # where it takes no room
        _OPENED(key=f"{key}_opened", data={"film": key, "scope": scope}, height=1)


def film(
    pictures: pa.Table, *, key: str, about: pd.DataFrame | None = None, labelled: pd.DataFrame | None = None
) -> None:
    """Send the pictures (`crop_table`) of the gallery `key`.

    With what is known of its cells (`about`, columns of `ABOUT`) and the labelled cells that are shown beside them
    (columns of `LABELLED`).

    Megabytes that no decision changes: call it outside the fragment that the gallery lives in, with all cells that any
    filter of the page may show.
    """
    nothing = pd.DataFrame(index=range(0))
    data = {
        "film": key,
        "crops": pictures,
        "about": arrow(nothing if about is None else about, ABOUT),
        "labelled": arrow(nothing if labelled is None else labelled, LABELLED),
    }
    _FILM(key=f"{key}_film", data=data, height=1)


def crop_table(candidate_ids: Sequence[str], crops: Sequence[bytes]) -> pa.Table:
    """The pictures of candidates: 3 * 48 * 48 bytes each, DAPI, CK, CD45, uint8."""
    return pa.table([pa.array(candidate_ids, pa.string()), pa.array(crops, pa.binary())], schema=FILM)


def arrow(rows: pd.DataFrame, schema: pa.Schema) -> pa.Table:
    """The schema's columns with its types; NaN becomes null, as does a column that is missing."""
    return pa.Table.from_arrays([_column(rows, field) for field in schema], schema=schema)


def _column(rows: pd.DataFrame, field: pa.Field) -> pa.Array:
    if field.name not in rows:
        return pa.nulls(len(rows), field.type)
    return pa.array(rows[field.name], field.type, from_pandas=True)


def _receive(key: str, user: User, save: Save, save_tags: SaveTags | None) -> None:
    """Save a batch. Everything is read from Streamlit first: between the first and the last line of a save a rerun
    must find no Streamlit call to stop at."""
    batch = st.session_state[key].get("decisions") or []
    replies: Replies = st.session_state[f"{key}_replies"]
    save_batch(batch, user, save, replies, save_tags)
