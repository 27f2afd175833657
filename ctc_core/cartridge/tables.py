"""Write the events of an archive: the XML of CellTracks, or the six tables of CellTracksXp."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree  # only to build and serialise; reading goes through defusedxml

from ctc_core.cartridge.grid import Grid
from ctc_core.cartridge.variants import Layout
from ctc_core.types import Box, Event

XP_NAMES = ("autoanalysis", "cells", "expdata", "exper", "frames", "pic")
"""The `.dlm` files that a CellTracksXp archive always has."""


def write_xml(path: Path, events: Sequence[Event], grid: Grid, layout: Layout) -> None:
    """Write grid, filter names and events as CellTracks does: values are element text, one `record` per row."""
    root = ElementTree.Element(layout.root)
    if layout.xml_grid:
        size = {"numrows": grid.rows, "numcols": grid.cols, "camxsize": grid.width, "camysize": grid.height}
        _record(ElementTree.SubElement(root, "runs"), size)
    if layout.filters is not None:
        filters = ElementTree.SubElement(root, "test_filters")
        for name in layout.filters:
            _record(filters, {"filtername": name})
    records = ElementTree.SubElement(root, "events")
    for event in events:
        _record(records, _event_fields(event, grid, layout))
    ElementTree.indent(root)
    doctype = f"<!DOCTYPE {layout.root}>\n" if layout.doctype else ""
    body = ElementTree.tostring(root, encoding="unicode")
    path.write_text(f'<?xml version="1.0" encoding="UTF-8"?>\n{doctype}{body}\n', encoding="utf-8")


def format_location(box: Box, *, swapped: bool = False, decimals: bool = False) -> str:
    """Box in cartridge pixels -> `(x2,y2),(x1,y1)`, the text form of a PostgreSQL box; `swapped`: minimum first."""
    digits = ".2f" if decimals else ".0f"
    corners = [f"({x:{digits}},{y:{digits}})" for x, y in ((box.x1, box.y1), (box.x0, box.y0))]
    return ",".join(reversed(corners) if swapped else corners)


def write_dlm(folder: Path, events: Sequence[Event], layout: Layout) -> None:
    """Write the six CellTracksXp tables: fields between single non-ASCII bytes, one row per line."""
    stamps = {frame: f"2006-12-06 10:{frame // 60:02d}:{frame % 60:02d}" for frame in {e.frame for e in events}}
    rows: dict[str, list[list[str]]] = {name: [["1", "", ""]] for name in XP_NAMES}
    rows["cells"] = [_cell_row(event, stamps[event.frame]) for event in events]
    rows["pic"] = [[f'"{stamp}"', "", "", str(frame)] for frame, stamp in sorted(stamps.items())]
    rows["frames"] = [row for name in layout.filters or () for row in (["1", "", name], ["2", "", ""])]
    for name, lines in rows.items():
        separator = chr(layout.delimiter)
        text = "".join(separator.join(line) + "\n" for line in lines)
        (folder / f"{name}.dlm").write_text(text, encoding="latin-1")


def _record(parent: ElementTree.Element, fields: Mapping[str, object]) -> None:
    record = ElementTree.SubElement(parent, "record")
    for name, value in fields.items():
        ElementTree.SubElement(record, name).text = str(value)


def _event_fields(event: Event, grid: Grid, layout: Layout) -> dict[str, object]:
    box = grid.to_cartridge(event.box, event.frame)
    location = format_location(box, swapped=layout.corners_swapped, decimals=layout.decimals)
    fields: dict[str, object] = {layout.id_field: event.rid, "framenum": event.frame, "location": location}
    if layout.assigned:
        fields["assigned"] = str(event.assigned).lower()
    if layout.numselected:
        fields["numselected"] = int(event.assigned) if event.numselected is None else event.numselected
    return fields


def _cell_row(event: Event, stamp: str) -> list[str]:
    (y, x), box = event.box.centre, event.box
    size = [f"{value:.2f}" for value in (x, y, box.x1 - box.x0, box.y1 - box.y0)]
    return ["1", stamp, *size, "", "", "", "", "Y" if event.assigned else "N", "", ""]
