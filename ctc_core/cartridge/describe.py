"""The structure of an archive, safe to send around: names of fields and counts, no pixels, no values of fields."""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ctc_core.cartridge import dlm, tiff
from ctc_core.cartridge.layout import Found, find
from ctc_core.cartridge.reader import Cartridge, open_cartridge, probe
from ctc_core.cartridge.tables import XP_NAMES
from ctc_core.cartridge.unpack import unpack
from ctc_core.cartridge.xml import read_xml
from ctc_core.errors import CartridgeError

MAX_NAMES, MAX_NAME = 300, 80
"""Element names listed, and letters of each."""


def describe(path: Path) -> dict[str, object]:
    """Structure of the archive at `path` (folder or zip), ready for JSON; filter names are the only texts in it.

    An archive that would be refused is described as far as it goes, with `refused` saying why. Raises
    `CartridgeError` where there is no archive at all.
    """
    path = path.resolve()
    if path.is_dir():
        return _described(path)
    with tempfile.TemporaryDirectory() as scratch:
        if path.is_file():
            return _described(unpack(path, Path(scratch)))
    raise CartridgeError(path, "there is no such folder or file", "Point at the sample folder of one cartridge")


def _described(folder: Path) -> dict[str, object]:
    found = find(folder)
    try:
        accepted: dict[str, object] = {"refused": None, **_opened(open_cartridge(folder))}
    except CartridgeError as error:
        accepted = {"refused": str(error)}
    return {
        "cartridge_id": found.id,
        "software": "CellTracks" if found.xml else "CellTracksXp",
        "folders": _pattern(found.images.relative_to(found.sample.parent).as_posix(), found.id),
        "file_name": _pattern(next(iter(found.tiffs.values())).name, found.id.split(".")[0]),
        "tiff_files": len(found.tiffs),
        "frame_numbers": [min(found.tiffs), max(found.tiffs)],
        "first_frame": _first_frame(found),
        "tables": _xml(found.xml) if found.xml else _dlm(found.sample),
        **accepted,
    }


def _pattern(text: str, sample: str) -> str:
    """Names with the sample id and all numbers taken out."""
    return re.sub(r"\d+", "#", text.replace(sample, "<id>"))


def _opened(cartridge: Cartridge) -> dict[str, object]:
    grid = cartridge.grid
    return {
        "grid": {"rows": grid.rows, "cols": grid.cols, "bottom_up": grid.bottom_up},
        "frame_size": {"width": grid.width, "height": grid.height},
        "filters": list(cartridge.page_names),
        "channels": [channel.value for channel in cartridge.channels],
        "events": len(cartridge.events),
        "assigned": sum(event.assigned for event in cartridge.events),
        "assigned_rule": cartridge.assigned_rule,
        "events_quarantined": dict(Counter(event.reason for event in cartridge.quarantined_events)),
        "notes": list(cartridge.notes),
    }


def _first_frame(found: Found) -> dict[str, object] | None:
    try:
        number, pages = probe(found)
    except CartridgeError:
        return None
    return {
        "number": number,
        "pages": len(pages),
        "height": pages[0].height,
        "width": pages[0].width,
        "bits": pages[0].dtype.itemsize * 8,
        "byte_order": "big" if pages[0].dtype.byteorder == ">" else "little",
        "compression": pages[0].compression,
        "tags": _tags(pages),
    }


def _tags(pages: Sequence[tiff.Page]) -> list[dict[str, object]]:
    """Every tag with its type and the number of pages that have it."""
    found = Counter(tag for page in pages for tag in page.tags)
    return [{"tag": tag, "type": kind, "count": n, "pages": pages} for (tag, kind, n), pages in sorted(found.items())]


def _xml(path: Path) -> dict[str, object] | None:
    try:
        contents = read_xml(path)
    except (CartridgeError, OSError):
        return None
    names = sorted(contents.elements)[:MAX_NAMES]
    return {"root": contents.root, "elements": {name[:MAX_NAME]: contents.elements[name] for name in names}}


def _dlm(folder: Path) -> dict[str, object] | None:
    try:
        return {f"{name}.dlm": len(dlm.read_table(folder / f"{name}.dlm")) for name in XP_NAMES}
    except CartridgeError:
        return None
