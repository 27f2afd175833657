"""The report's parts, in order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
from numpy.typing import NDArray
from reportlab.lib.colors import HexColor
from reportlab.lib.units import mm
from reportlab.platypus import CondPageBreak, KeepTogether, PageBreak, Paragraph, Spacer, Table, TableStyle

from ctc_core.errors import printable
from ctc_core.report import words
from ctc_core.report.cells import SCALE, gallery
from ctc_core.report.content import Content
from ctc_core.report.style import LINE, PALE, styles
from ctc_core.store.reports import Signature

TEXT_WIDTH = 174 * mm


def story(content: Content, signature: Signature | None, crops: dict[str, NDArray[np.uint8]]) -> list[Any]:
    """All flowables of a report."""
    return [
        *_top(content, signature),
        _result(content),
        *_warning(content),
        *_part("Reading", _reading_rows(content)),
        *_part("Reliability of this draw", _reliability_rows(content)),
        *_part("Signature", _signature_rows(content, signature)),
        _paragraph("What these figures rest on", "head"),
        *(_paragraph(sentence) for sentence in words.basis(content)),
        *_counted(content, crops),
        *_sources(content, signature),
    ]


def _paragraph(text: str, style: str = "text") -> Any:
    """Text from outside never is markup; what cannot be seen in it (turned writing, say) is shown to be there."""
    return Paragraph(escape(printable(" ".join(text.split()))), styles()[style])


def _top(content: Content, signature: Signature | None) -> list[Any]:
    subject = content.subject
    under = f"Patient {subject.pseudonym} (role {subject.role}), cartridge {subject.cartridge_id}"
    state = f"Version {signature.version}, signed {when(signature.signed)}" if signature else "Draft, not signed"
    return [_paragraph("Circulating tumour cells", "title"), _paragraph(f"{under}. {state}.", "under")]


def when(signed: str) -> str:
    """2026-11-23T10:12:00+00:00 -> 2026-11-23 10:12 UTC"""
    return f"{signed[:10]} {signed[11:16]} UTC"


def _result(content: Content) -> Any:
    counted = content.counted
    on_events = f"{counted.confirmed_on_events} of them are CellSearch events"
    boxes = [
        ("CTCs confirmed", f"{counted.confirmed}", on_events),
        ("CTCs in 7.5 ml", f"{counted.per_7_5_ml:.1f}", words.mean(counted.concentration)),
        (f"P(at least {counted.cut_off} in 7.5 ml)", words.percent(counted.p_patient), f"cut-off {counted.cut_off}"),
        ("CellSearch's count", f"{counted.cellsearch_assigned}", f"of {counted.cellsearch_events} events shown"),
    ]
    texts = [zip(box, ("name", "big", "small"), strict=True) for box in boxes]
    cells = [[_paragraph(text, style) for text, style in box] for box in texts]
    table = Table([cells], colWidths=[TEXT_WIDTH / len(cells)] * len(cells))
    table.setStyle(
        TableStyle([
            ("BACKGROUND", (0, 0), (-1, -1), HexColor(PALE)),
            ("BOX", (0, 0), (-1, -1), 0.5, HexColor(LINE)),
            ("INNERGRID", (0, 0), (-1, -1), 0.5, HexColor(LINE)),
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ("TOPPADDING", (0, 0), (-1, -1), 5),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 6),
        ])
    )  # fmt: skip
    return table


def _warning(content: Content) -> list[Any]:
    """Right below the count that it is about."""
    told = words.counted_twice(content)
    return [Spacer(1, 2 * mm), _paragraph(told, "warn")] if told else []


Rows = Sequence[tuple[str, str]]


def _part(name: str, rows: Rows) -> list[Any]:
    return [KeepTogether([_paragraph(name, "head"), _table(rows)])]


def _table(rows: Rows, split: float = 0.3) -> Any:
    cells = [[_paragraph(name, "name"), _paragraph(value, "value")] for name, value in rows]
    table = Table(cells, colWidths=[split * TEXT_WIDTH, (1 - split) * TEXT_WIDTH])
    table.setStyle(
        TableStyle([
            ("LINEBELOW", (0, 0), (-1, -1), 0.3, HexColor(LINE)),
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ("LEFTPADDING", (0, 0), (-1, -1), 0),
            ("TOPPADDING", (0, 0), (-1, -1), 1.5),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 2),
        ])
    )  # fmt: skip
    return table


def _reading_rows(content: Content) -> Rows:
    reading, counted = content.reading, content.counted
    readers = [("", f"{r.name}: {r.decisions} decisions, {_period(r.first, r.last)}") for r in reading.readers]
    rows = [
        ("Blood", f"{counted.volume_ml:g} ml; {words.frames_read(content)}; {content.subject.cells:,} cells found"),
        ("Shown to readers", _shown(content)),
        ("Decided", f"{reading.decided}; not decided: {reading.undecided}; readers disagree: {reading.conflicts}"),
        ("Predictive value, desk", words.proportion(reading.model_ppv)),
        ("Predictive value, CellSearch", words.proportion(reading.cellsearch_ppv)),
        ("Readers", "" if readers else "nobody yet"),
        *readers,  # a row each, since a row must fit on a page
        ("Agreement of readers", reading.agreement),
    ]
    if counted.unseen is not None and counted.unseen_bound is not None:
        unseen = f"{counted.unseen:.1f} expected after reading; with 95 % confidence at most {counted.unseen_bound:.0f}"
        rows.insert(3, ("CTCs not seen yet", unseen))
    return rows


def _shown(content: Content) -> str:
    reading = content.reading
    events = f"{reading.only_events} further CellSearch events"
    if content.sources.classifier_id is None:
        return f"{events}; there was no classifier, so no cell was a candidate"
    return f"{reading.shown} candidates from P(CTC) {reading.threshold:g}; {events}"


def _period(first: str, last: str) -> str:
    return first if first == last else f"{first} to {last}"


def _reliability_rows(content: Content) -> Rows:
    trusted = content.trusted
    if trusted is None:
        return [("Not known", content.why_not_trusted)]
    alarm = ", more than usual" if trusted.alarm else ""
    return [
        *words.areas(trusted),
        ("Foreseen: false candidates", f"{words.interval(trusted.wrong)}, 95 % interval; from the map, before reading"),
        ("Foreseen: CTCs below threshold", words.below(content)),
        ("Unlike anything labelled", f"{words.share(trusted.unlike, sum(trusted.cells))} cells{alarm}"),
    ]


def _signature_rows(content: Content, signature: Signature | None) -> Rows:
    if signature is None:
        return [("Not signed", "This is a draft. Nobody answers for it; it may change at any time.")]
    rows = [
        ("Signed by", f"{signature.name}, {when(signature.signed)}, version {signature.version}"),
        ("Reason", signature.reason),
    ]
    return [*rows, ("Close pairs", words.DISTINCT)] if content.neighbours else rows


def _counted(content: Content, crops: dict[str, NDArray[np.uint8]]) -> Iterable[Any]:
    if not content.pictures:
        return [_paragraph("Counted CTCs", "head"), _paragraph("None: no cell was confirmed as a CTC.")]
    head = [_paragraph(f"Counted CTCs ({len(content.pictures)})", "head"), _paragraph(SCALE), Spacer(1, 2 * mm)]
    return [PageBreak(), *head, gallery(content.pictures, crops)]


def _sources(content: Content, signature: Signature | None) -> list[Any]:
    """What it was made from, and everything that was set aside."""
    sources, subject = content.sources, content.subject
    rows = [
        ("Segmenter", sources.segmenter_id),
        ("Encoder", sources.encoder_id),
        ("Classifier", _with_hash(sources.classifier_id, sources.classifier_sha256)),
        ("Map", f"{sources.map_id}, {sources.map_bundle}" if sources.map_id else "none"),
        ("Cartridge data", f"{sources.cartridge_bundle}, manifest SHA-256 {sources.manifest_sha256}"),
        ("Threshold", f"P(CTC) {content.reading.threshold:g}"),
        ("Software", sources.software),
        ("Content SHA-256", content.id),
    ]
    if signature is not None:
        rows.append(("Journal", f"entry {signature.journal_entry}, SHA-256 {signature.journal_hash}"))
    aside = [(f"Frame {n}", f"not counted: {why}") for n, why in subject.lost_frames]
    aside += [(f"Event {rid}", f"not shown: {why}") for rid, why in subject.lost_events]
    aside += [(f"Frame {n}", f"counted, but odd: {what}") for n, what in subject.odd_frames]
    aside += [("Archive", note) for note in subject.notes]
    made = [CondPageBreak(60 * mm), *_part("Made with", rows)]
    return [*made, _paragraph("Set aside or odd", "head"), _table(aside)] if aside else made


def _with_hash(name: str | None, digest: str | None) -> str:
    if name is None:
        return "none"
    return f"{name}, SHA-256 {digest}" if digest else name
