"""Parquet and CSV: cells, CellSearch events beside them, and a data dictionary in JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ctc_core.exports.about import about
from ctc_core.exports.cells import CELLS, EVENTS, POLYGON, Column, as_arrow, cell_table, dictionary, event_table
from ctc_core.exports.choice import Choice
from ctc_core.exports.files import refuse_existing, whole_file
from ctc_core.spreadsheet import safe
from ctc_core.store import Store
from ctc_core.types import Progress


def export_parquet(store: Store, choice: Choice, out: Path, *, force: bool, progress: Progress) -> dict[str, Any]:
    """Write `out` with cells and their outlines, events and a data dictionary beside it (see `beside`)."""
    events, words = beside(out)
    refuse_existing([out, events, words], force=force)
    columns = (*CELLS, POLYGON)
    _write_words(words, store, choice, columns)
    with whole_file(events) as path:
        _write_parquet(path, EVENTS, (event_table(store, id_) for id_ in choice.cartridge_ids))
    with whole_file(out) as path:
        n = _write_parquet(path, columns, _cells(store, choice, progress, polygons=True))
    return {"cells": n, "files": [str(out), str(events), str(words)]}


def export_csv(store: Store, choice: Choice, out: Path, *, force: bool, progress: Progress) -> dict[str, Any]:
    """The same as CSV (UTF-8, comma, point), without outlines; texts that a spreadsheet would run begin with '."""
    events, words = beside(out)
    refuse_existing([out, events, words], force=force)
    _write_words(words, store, choice, CELLS)
    with whole_file(events) as path:
        _write_csv(path, EVENTS, (event_table(store, id_) for id_ in choice.cartridge_ids))
    with whole_file(out) as path:
        n = _write_csv(path, CELLS, _cells(store, choice, progress, polygons=False))
    return {"cells": n, "files": [str(out), str(events), str(words)]}


def beside(out: Path) -> tuple[Path, Path]:
    """Names of the events and of the data dictionary that belong to a table of cells."""
    return out.with_name(f"{out.stem}.events{out.suffix}"), out.with_name(f"{out.name}.dictionary.json")


def _cells(store: Store, choice: Choice, progress: Progress, *, polygons: bool) -> Iterator[pd.DataFrame]:
    n = len(choice.cartridge_ids)
    for i, cartridge_id in enumerate(choice.cartridge_ids, start=1):
        yield cell_table(store, cartridge_id, choice, polygons=polygons)
        progress(i, n, cartridge_id)


def _write_parquet(path: Path, columns: tuple[Column, ...], tables: Iterator[pd.DataFrame]) -> int:
    fields = [pa.field(c.name, c.type, metadata={"unit": c.unit, "meaning": c.meaning}) for c in columns]
    n = 0
    with pq.ParquetWriter(path, pa.schema(fields)) as writer:
        for table in tables:
            writer.write_table(as_arrow(table, columns).cast(pa.schema(fields)))
            n += len(table)
    return n


def _write_csv(path: Path, columns: tuple[Column, ...], tables: Iterator[pd.DataFrame]) -> int:
    n = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(",".join(column.name for column in columns) + "\r\n")
        for table in tables:
            texts = {c.name: table[c.name].map(safe) for c in columns if c.type == pa.string()}
            rows = table.assign(**texts)[[column.name for column in columns]]
            rows.to_csv(file, index=False, header=False, lineterminator="\r\n")
            n += len(table)
    return n


def _write_words(path: Path, store: Store, choice: Choice, columns: tuple[Column, ...]) -> None:
    words = {**about(store, choice), "cells": dictionary(columns), "events": dictionary(EVENTS)}
    with whole_file(path) as partial:
        partial.write_text(json.dumps(words, indent=1) + "\n")
