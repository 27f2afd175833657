"""Read the XML of an archive: grid, filter names and event records, and nothing else.

The file is read as a stream and only the fields named here are kept: patient, kit and operator fields never become
a value of this program. A bare DOCTYPE is accepted; entities and anything external are refused and never fetched.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree.ElementTree import ParseError

from defusedxml.common import DefusedXmlException, EntitiesForbidden, ExternalReferenceForbidden
from defusedxml.ElementTree import DefusedXMLParser

from ctc_core.cartridge.files import Unfit, open_regular
from ctc_core.errors import CartridgeError

FIELDS = {
    "runs/record": ("numrows", "numcols", "camxsize", "camysize"),
    "test_filters/record": ("filtername",),
    "events/record": ("rid", "eventnum", "framenum", "location", "assigned", "numselected"),
}
"""All that is ever kept, by the path of the record below the root."""

ROOTS = ("archive", "export")
MAX_BYTES, MAX_ELEMENTS, MAX_DEPTH, MAX_TEXT = 16 * 2**20, 500_000, 32, 200
MAX_DIFFERENT, MAX_ATTRIBUTES = 2_000, 100
"""Different element paths, and attributes of one element; CellTracks writes no attributes at all."""

MAX_TOKEN = 2**20
"""Bytes of one tag or comment, which the parser holds in memory until it ends."""

_CHUNK = 2**16
_EXPORT_AGAIN = "Export the XML from CellTracks again"

TWICE = "<twice>"
"""Key of a record in which a field stands twice: that field's name. No element can be called so."""

Record = dict[str, str]


@dataclass(frozen=True)
class Contents:
    """What the XML says. Each record maps field name to stripped text; a field that is absent or empty has no key."""

    root: str
    runs: tuple[Record, ...]
    filters: tuple[Record, ...]
    events: tuple[Record, ...]
    elements: dict[str, int]
    """Path of every element below the root and how often it occurs; no values."""


def read_xml(path: Path) -> Contents:
    """Read the archive's XML. Raises `CartridgeError` naming the file, the reason and what to do."""
    try:
        target = _parse(path)
    except ParseError as error:
        raise CartridgeError(path, f"it is not well-formed XML ({error})", _EXPORT_AGAIN) from error
    except EntitiesForbidden as error:
        raise CartridgeError(path, "it declares XML entities, which are never expanded", _EXPORT_AGAIN) from error
    except DefusedXmlException as error:
        reason = "its DOCTYPE refers to another file, which is never fetched"
        raise CartridgeError(path, reason, _EXPORT_AGAIN) from error
    except (Unfit, ValueError, LookupError) as error:
        raise CartridgeError(path, str(error), _EXPORT_AGAIN) from error
    if target.root not in ROOTS:
        raise CartridgeError(path, f"its root element is {target.root[:40]!r}, not archive or export", _EXPORT_AGAIN)
    runs, filters, events = (tuple(map(_stripped, target.records[name])) for name in FIELDS)
    for record in (*runs, *filters):
        if TWICE in record:
            raise CartridgeError(path, f"its field {record[TWICE]!r} stands twice in one record", _EXPORT_AGAIN)
    return Contents(target.root, runs, filters, events, dict(target.elements))


@dataclass
class _Target:
    """Parser target: counts elements and keeps the text of `FIELDS`."""

    root: str = ""
    records: dict[str, list[Record]] = field(default_factory=lambda: {name: [] for name in FIELDS})
    elements: Counter[str] = field(default_factory=Counter)
    path: list[str] = field(default_factory=list)
    total: int = 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self.total += 1
        if self.total > MAX_ELEMENTS or len(self.path) > MAX_DEPTH:
            raise Unfit(f"it has more than {MAX_ELEMENTS:,} elements or is nested deeper than {MAX_DEPTH}")
        if len(self.elements) > MAX_DIFFERENT or len(attributes) > MAX_ATTRIBUTES:
            raise Unfit(f"it has more than {MAX_DIFFERENT:,} kinds of elements or {MAX_ATTRIBUTES} attributes in one")
        if not self.root:
            self.root = tag
            return
        self.path.append(tag)
        here = "/".join(self.path)
        self.elements[here] += 1
        if here in FIELDS:
            self.records[here].append({})
        self._begin_field("/".join(self.path[:-1]), tag)

    def _begin_field(self, parent: str, name: str) -> None:
        """Two values in one field would be read as one: 1 and 2 as 12."""
        if name in FIELDS.get(parent, ()):
            record = self.records[parent][-1]
            if name in record:
                record[TWICE] = name
            record.setdefault(name, "")

    def data(self, text: str) -> None:
        parent, name = "/".join(self.path[:-1]), self.path[-1] if self.path else ""
        if name in FIELDS.get(parent, ()):
            record = self.records[parent][-1]
            record[name] = (record.get(name, "") + text)[:MAX_TEXT]

    def end(self, _tag: str) -> None:
        if self.path:
            self.path.pop()

    def close(self) -> None:
        """Called by the parser at the end of the document."""


def _parse(path: Path) -> _Target:
    target = _Target()
    parser = DefusedXMLParser(target=target, forbid_dtd=False, forbid_entities=True, forbid_external=True)
    parser.parser.StartDoctypeDeclHandler = _refuse_external_subset
    with open_regular(path, cap=MAX_BYTES) as file:
        while chunk := file.read(_CHUNK):
            parser.feed(chunk)
            if file.tell() - parser.parser.CurrentByteIndex > MAX_TOKEN:
                raise Unfit(f"it holds a single tag of more than {MAX_TOKEN:,} bytes")
    parser.close()
    return target


def _stripped(record: Record) -> Record:
    return {name: text.strip() for name, text in record.items() if text.strip()}


def _refuse_external_subset(name: str, system_id: str | None, public_id: str | None, _internal: bool) -> None:
    if system_id or public_id:
        raise ExternalReferenceForbidden(name, None, system_id, public_id)
