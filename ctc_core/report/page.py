"""What stands on every page."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas

from ctc_core.report.style import BOLD, FONT, GREY, LINE, WARN, register_fonts
from ctc_core.report.words import RESEARCH

_WIDTH, _HEIGHT = A4
_LEFT, _RIGHT = 18 * mm, _WIDTH - 18 * mm


class _Numbered(Canvas):  # type: ignore[misc]  # reportlab is untyped
    """Holds all pages back until their number is known."""

    def __init__(self, *arguments: Any, head: str, signed: datetime | None, **named: Any) -> None:
        register_fonts()
        super().__init__(*arguments, **named)
        self._head, self._draft = head, signed is None
        if signed is not None:  # a draft bears no date
            self.setDateFormatter(lambda *_: f"D:{signed:%Y%m%d%H%M%S}+00'00'")
        self._held: list[dict[str, Any]] = []

    def showPage(self) -> None:  # noqa: N802  # reportlab's name
        """Keep the page."""
        self._held.append(dict(self.__dict__))
        self._startPage()

    def save(self) -> None:
        """Write all pages."""
        held, n = self._held, len(self._held)
        for number, state in enumerate(held, start=1):
            self.__dict__.update(state)
            _furnish(self, self._head, f"Page {number} of {n}", draft=self._draft)
            super().showPage()
        super().save()


numbered = _Numbered


def _furnish(canvas: Any, head: str, page: str, *, draft: bool) -> None:
    """Header and footer; over all of it, pale and transparent, DRAFT."""
    canvas.setFillColor(HexColor(GREY))
    canvas.setFont(FONT, 7)
    canvas.drawString(_LEFT, _HEIGHT - 14 * mm, "CTC review desk")
    canvas.drawString(_LEFT, 11 * mm, RESEARCH)
    canvas.drawRightString(_RIGHT, 11 * mm, page)
    canvas.setFillColor(HexColor(WARN if draft else GREY))
    canvas.setFont(BOLD if draft else FONT, 7)
    canvas.drawRightString(_RIGHT, _HEIGHT - 14 * mm, head)
    canvas.setStrokeColor(HexColor(LINE))
    canvas.setLineWidth(0.5)
    for y in (_HEIGHT - 16 * mm, 15 * mm):
        canvas.line(_LEFT, y, _RIGHT, y)
    if draft:
        _stamp(canvas)


def _stamp(canvas: Any) -> None:
    canvas.saveState()
    canvas.setFillColor(HexColor(WARN), alpha=0.10)
    canvas.setFont(BOLD, 110)
    canvas.translate(_WIDTH / 2, _HEIGHT / 2)
    canvas.rotate(50)
    canvas.drawCentredString(0, -40, "DRAFT")
    canvas.restoreState()
