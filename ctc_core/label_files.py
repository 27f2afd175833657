"""Labels as CSV files: out of the store, and into it for labs that have theirs already."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from ctc_core.errors import UserError
from ctc_core.label_changes import Kept
from ctc_core.spreadsheet import safe, unguarded
from ctc_core.store import Store
from ctc_core.store.journal import MAX_TEXT
from ctc_core.types import PIXEL_UM, Decision, Label

COLUMNS = ("cartridge_id", "cell_id", "frame", "y", "x", "label", "reader", "reason", "time")
"""Of an exported file. An imported one needs label, and cell_id or cartridge_id, frame, y and x (frame pixels)."""

TOLERANCE_UM = 5.0
"""A label belongs to the nearest cell within so much of its place: less than the radius of a CTC (median 6.2 um)."""

MAX_READER = 200
"""Characters in a reader's name."""


@dataclass(frozen=True)
class BadRow:
    """A line that cannot be imported."""

    line: int
    """1 is the heading."""
    reason: str


@dataclass(frozen=True)
class ImportReport:
    """What an import did."""

    rows: int
    saved: int
    already: int
    """Rows that their reader has said already, by this file or otherwise."""
    bad: tuple[BadRow, ...]


@dataclass(frozen=True)
class _Row:
    line: int
    values: Mapping[str, str]

    def __getitem__(self, name: str) -> str:
        return self.values.get(name, "")


# ---- out -------------------------------------------------------------------------------------------------------------


def export_labels(store: Store, path: Path) -> int:
    """Write every reader's current labels of cells to a CSV file; number of labels.

    Raises:
        UserError: the file cannot be written.
    """
    table = store.label_table()
    try:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            writer.writerows(_texts(row) for row in table[list(COLUMNS)].itertuples(index=False))
    except OSError as error:
        message = f"{path}: cannot be written ({error}). Choose another place."
        raise UserError(message) from error
    return len(table)


def _texts(row: Iterable[object]) -> list[object]:
    return [value.isoformat() if isinstance(value, pd.Timestamp) else safe(value) for value in row]


# ---- in --------------------------------------------------------------------------------------------------------------


def import_labels(
    store: Store, path: Path, *, reader: str, partial: bool = False, why: str = "", tolerance_um: float = TOLERANCE_UM
) -> ImportReport:
    """Save the labels of a CSV file as decisions of the readers named in it. The same file again saves nothing.

    A label that changes what its reader says in the store needs a reason: its own in the file, or `why`.

    Args:
        store: where the cells are.
        path: CSV with commas or semicolons, UTF-8; see `COLUMNS`. Labels are ctc, non-ctc, unsure, artifact.
        reader: who imports; rows without a reader are this person's, and the journal's session names them.
        partial: save the good rows of a file with bad ones; else nothing of it is saved.
        why: reason of all changes of labels that are in the store.
        tolerance_um: largest distance of a place from the centroid of the cell that is meant.

    Raises:
        UserError: no such file, or no CSV file with the columns needed.
    """
    rows, bad = _read(path)
    kept, session = Kept.of(store), f"import {path.name[:80]} by {reader}"
    decisions, wrong = _decisions(store, rows, kept, reader, session, tolerance_um, why)
    found = tuple(sorted([*bad, *wrong], key=lambda row: row.line))
    n = len(rows) + len(bad)
    if found and not partial:
        return ImportReport(n, 0, 0, found)
    new = [one for one in decisions if not kept.has(one)]
    store.decide(new)
    return ImportReport(n, len(new), len(decisions) - len(new), found)


def _read(path: Path) -> tuple[list[_Row], list[BadRow]]:
    """Rows with the line they begin on; those with more or fewer fields than the heading are bad."""
    try:
        lines = list(_lines(path.read_bytes().decode("utf-8-sig")))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        message = f"{path}: not a CSV file in UTF-8 ({error}). Export it again."
        raise UserError(message) from error
    heading = [name.strip().lower() for name in lines[0][1]] if lines else []
    if "label" not in heading or not (
        {"cell_id"} <= set(heading) or {"cartridge_id", "frame", "y", "x"} <= set(heading)
    ):
        message = f"{path}: needs the columns label, and cell_id or cartridge_id, frame, y and x. Name them in line 1."
        raise UserError(message)
    good = [
        _Row(line, dict(zip(heading, map(unguarded, fields), strict=True)))
        for line, fields in lines[1:]
        if len(fields) == len(heading)
    ]
    wrong = [
        BadRow(line, f"{len(fields)} fields, the heading has {len(heading)}")
        for line, fields in lines[1:]
        if len(fields) != len(heading)
    ]
    return good, wrong


def _lines(text: str) -> Iterator[tuple[int, list[str]]]:
    """Line number and fields of each record that is not empty."""
    heading = text.partition("\n")[0]
    delimiter = ";" if ";" in heading and "," not in heading else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    line = 1
    for fields in reader:
        if fields:
            yield line, fields
        line = reader.line_num + 1


def _decisions(
    store: Store, rows: list[_Row], kept: Kept, reader: str, session: str, tolerance_um: float, why: str
) -> tuple[list[Decision], list[BadRow]]:
    """One decision per cell and reader, and the rows that cannot be meant."""
    places = store.crop_places([row["cell_id"] for row in rows if row["cell_id"]])
    cartridges = dict(zip(places.cell_id, places.cartridge_id, strict=True))
    cells = {name: store.cells(name) for name in {row["cartridge_id"] for row in rows if not row["cell_id"]}}
    said: dict[tuple[str | None, str], Decision] = {}
    bad = []
    for row in rows:
        near = "" if row["cell_id"] else _nearest(cells[row["cartridge_id"]], row, tolerance_um)
        made = near if isinstance(near, _Wrong) else _decision(row, near or row["cell_id"], cartridges, reader, session)
        made = made if isinstance(made, _Wrong) else _explained(made, kept, why)
        if isinstance(made, Decision) and said.setdefault((made.cell_id, made.reader), made) != made:
            made = _Wrong(f"{made.reader} says something else about cell {made.cell_id} in an earlier line")
        if isinstance(made, _Wrong):
            bad.append(BadRow(row.line, made))
    return list(said.values()), bad


class _Wrong(str):
    """Why a row cannot be meant."""


def _nearest(cells: pd.DataFrame, row: _Row, tolerance_um: float) -> str | _Wrong:
    """Id of the cell nearest to a place."""
    if cells.empty:
        return _Wrong(f"no cells of a cartridge {row['cartridge_id'][:80]!r} in the store")
    try:
        frame, y, x = int(row["frame"]), float(row["y"]), float(row["x"])
    except ValueError:
        return _Wrong("neither a cell_id nor a frame, y and x as numbers")
    there = cells[cells.frame == frame]
    distances = np.hypot(there.y.to_numpy() - y, there.x.to_numpy() - x) * PIXEL_UM
    if not (distances <= tolerance_um).any():
        return _Wrong(f"no cell within {tolerance_um:g} um of y {y:g}, x {x:g} in frame {frame}")
    return str(there.cell_id.iloc[int(distances.argmin())])


def _decision(row: _Row, cell_id: str, cartridges: Mapping[str, str], reader: str, session: str) -> Decision | _Wrong:
    """What a row says. Places are found in their own cartridge, so only named cells have to be looked up."""
    label, reason, who = row["label"].strip().lower(), row["reason"], row["reader"].strip() or reader
    cartridge_id = cartridges.get(cell_id) if row["cell_id"] else row["cartridge_id"]
    if cartridge_id is None:
        return _Wrong(f"no cell {cell_id[:80]!r} in the store")
    if row["cartridge_id"] not in ("", cartridge_id):
        return _Wrong(f"cell {cell_id} is of cartridge {cartridge_id}, not of {row['cartridge_id'][:80]!r}")
    if label not in set(Label):
        return _Wrong(f"{row['label'][:80]!r} is no label; use {', '.join(Label)}")
    if len(reason) > MAX_TEXT or len(who) > MAX_READER or "\0" in reason + who:
        return _Wrong(f"a reason of more than {MAX_TEXT} or a reader of more than {MAX_READER} characters, or no text")
    id_ = _id(cell_id, label, who, reason, row["time"])
    return Decision(id_, cartridge_id, cell_id, None, Label(label), who, session, reason)


def _explained(one: Decision, kept: Kept, why: str) -> Decision | _Wrong:
    """With the reason of the change, where it changes what its reader says in the store."""
    old, reason = kept.changed(one), (why or one.reason).strip()
    if old and not reason:
        return _Wrong(f"changes what {one.reader} says of cell {one.cell_id}, which is {old}, and gives no reason")
    return replace(one, why=reason) if old else one


def _id(*content: str) -> str:
    """The same content is the same decision, however often and in whichever file it comes."""
    return "import-" + hashlib.sha256("\0".join(content).encode()).hexdigest()[:32]
