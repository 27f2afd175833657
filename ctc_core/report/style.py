"""Fonts, colours and paragraph styles of the report."""

from __future__ import annotations

import functools
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ctc_core.errors import CTCError

FONT, BOLD = "DejaVu", "DejaVu-Bold"
INK, GREY, LINE, PALE, WARN = "#1c2733", "#56616c", "#c9d1d9", "#f3f5f7", "#a84a00"
_FILES = {FONT: "DejaVuSans.ttf", BOLD: "DejaVuSans-Bold.ttf"}


@functools.cache
def register_fonts() -> None:
    """DejaVu (free, Latin, Greek and Cyrillic letters) is embedded, so that the file looks the same everywhere.

    Raises:
        CTCError: the font, which comes with matplotlib, is not installed.
    """
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFont

    for name, file in _FILES.items():
        pdfmetrics.registerFont(TTFont(name, str(_font_folder() / file)))
    pdfmetrics.registerFontFamily(FONT, normal=FONT, bold=BOLD, italic=FONT, boldItalic=BOLD)


def _font_folder() -> Path:
    found = find_spec("matplotlib")
    folder = Path(found.origin).parent / "mpl-data" / "fonts" / "ttf" if found and found.origin else Path()
    if not (folder / _FILES[FONT]).is_file():
        message = "The report's font is missing. Install the requirements again: pip install -r requirements.txt."
        raise CTCError(message)
    return folder


@functools.cache
def styles() -> dict[str, Any]:
    """Paragraph styles by name."""
    from reportlab.lib.styles import ParagraphStyle

    register_fonts()
    text = ParagraphStyle("text", fontName=FONT, fontSize=8, leading=11, textColor=INK, spaceAfter=3)
    made = [
        text,
        ParagraphStyle("name", parent=text, textColor=GREY, spaceAfter=0),
        ParagraphStyle("value", parent=text, spaceAfter=0),
        ParagraphStyle("title", parent=text, fontName=BOLD, fontSize=15, leading=19, spaceAfter=1),
        ParagraphStyle("under", parent=text, textColor=GREY, spaceAfter=6),
        ParagraphStyle("head", parent=text, fontName=BOLD, fontSize=9.5, leading=13, spaceBefore=9, spaceAfter=3),
        ParagraphStyle("big", parent=text, fontName=BOLD, fontSize=17, leading=21, spaceAfter=0),
        ParagraphStyle("small", parent=text, fontSize=6.5, leading=8.5, textColor=GREY, spaceAfter=0),
        ParagraphStyle("warn", parent=text, fontName=BOLD, textColor=WARN),
    ]
    return {style.name: style for style in made}
