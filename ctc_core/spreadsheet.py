"""Texts in CSV files, which a spreadsheet program may run as formulas (OWASP, "CSV Injection")."""

from __future__ import annotations

import re
from typing import Any

_BEGINS = "(^|[;\t\r\n])"
"""Where a cell may begin: some programs end cells at semicolons or tabs, and do not know that a text is in quotes."""
_FORMULA = "[=+\\-@＝＋－＠\t\r\n']"
_UNGUARDED, _GUARDED = re.compile(f"{_BEGINS}(?={_FORMULA})"), re.compile(f"{_BEGINS}'(?={_FORMULA})")


def safe(text: Any) -> Any:
    """A text with ' before whatever a program would take for a formula; everything else as it is."""
    return _UNGUARDED.sub(r"\1'", text) if isinstance(text, str) else text


def unguarded(text: str) -> str:
    """What `safe` was given."""
    return _GUARDED.sub(r"\1", text)
