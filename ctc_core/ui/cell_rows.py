"""Rows of cells under a heading each: to look at, not to decide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import streamlit as st
from numpy.typing import NDArray

_HERE = Path(__file__).parent
CELLS = pa.schema([("row", pa.int32()), ("cell_id", pa.string()), ("caption", pa.string()), ("crop", pa.binary())])


def _read(*names: str) -> str:
    return "\n".join((_HERE / name).read_text(encoding="utf-8") for name in names)


_ROWS = st.components.v2.component(
    "ctc_cell_rows",
    html="<section></section>",
    css=_read("cell_rows.css"),
    js=_read("cell.js", "cell_rows.js"),
)


@dataclass(frozen=True)
class CellRow:
    """Some cells and what stands above them."""

    heading: str
    cell_ids: tuple[str, ...]
    captions: tuple[str, ...]
    """One per cell."""


def cell_rows(rows: Sequence[CellRow], crops: NDArray[np.uint8], *, key: str) -> None:
    """Show cells in rows.

    Args:
        rows: headings and cells; a row may be empty.
        crops: (n, 3, 48, 48) DAPI, CK, CD45 of all cells, row after row.
        key: one per page and key.
    """
    _ROWS(key=key, data={"headings": [row.heading for row in rows], "cells": table(rows, crops)})


def table(rows: Sequence[CellRow], crops: NDArray[np.uint8]) -> pa.Table:
    """The cells as the browser gets them, columns of `CELLS`."""
    numbers = [i for i, row in enumerate(rows) for _ in row.cell_ids]
    ids = [cell_id for row in rows for cell_id in row.cell_ids]
    captions = [caption for row in rows for caption in row.captions]
    columns = [numbers, ids, captions, [crop.tobytes() for crop in crops]]
    return pa.table(columns, schema=CELLS)
