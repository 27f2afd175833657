"""The PDF file: pages, header, footer, and DRAFT on all that nobody has signed."""

from __future__ import annotations

import io
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ctc_core.errors import printable
from ctc_core.report.content import Content
from ctc_core.report.words import RESEARCH
from ctc_core.store.reports import Signature

PADDING = 6.0
"""Points that reportlab leaves free within a page's frame."""


def render(content: Content, signature: Signature | None, crops: dict[str, NDArray[np.uint8]]) -> bytes:
    """The report as PDF. Equal arguments give equal bytes.

    Args:
        content: what it says.
        signature: None makes a draft, marked on every page.
        crops: (3, 48, 48) uint8 crop of each counted CTC, by candidate_id.
    """
    from reportlab.lib.pagesizes import A4
    from reportlab.lib.units import mm
    from reportlab.platypus import SimpleDocTemplate

    from ctc_core.report.layout import story
    from ctc_core.report.page import numbered

    subject = content.subject
    state = "DRAFT, not signed" if signature is None else f"Version {signature.version}"
    file = io.BytesIO()
    document = SimpleDocTemplate(
        file,
        pagesize=A4,
        leftMargin=18 * mm - PADDING,
        rightMargin=18 * mm - PADDING,
        topMargin=19 * mm,
        bottomMargin=18 * mm,
        title=f"Circulating tumour cells, cartridge {subject.cartridge_id}, {state}",
        author="" if signature is None else printable(signature.name),
        subject=RESEARCH,
        creator=content.sources.software,
        invariant=1,  # no clock and no random number in the file
    )
    head = f"Patient {subject.pseudonym}   Cartridge {subject.cartridge_id}   {state}"
    document.build(story(content, signature, crops), canvasmaker=_maker(numbered, head, signature))
    return file.getvalue()


def _maker(numbered: Any, head: str, signature: Signature | None) -> Any:
    signed = None if signature is None else datetime.fromisoformat(signature.signed)
    return lambda *arguments, **named: numbered(*arguments, head=head, signed=signed, **named)
