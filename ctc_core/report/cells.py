"""A counted CTC on paper: four pictures with a scale bar, and what is known of the cell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from reportlab.lib.colors import HexColor, white
from reportlab.lib.units import mm
from reportlab.lib.utils import ImageReader
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.platypus import Flowable, Table, TableStyle

from ctc_core.enumeration import EVENT_PREFIX
from ctc_core.errors import printable
from ctc_core.report.content import Picture
from ctc_core.report.pictures import BAR_PX, BAR_UM, GAP, WIDTH, strip
from ctc_core.report.style import BOLD, FONT, GREY, INK, register_fonts
from ctc_core.types import CROP_PX

NAMES = ("DAPI + CK", "DAPI", "CK", "CD45")
CELL_WIDTH = 82 * mm
_SCALE = CELL_WIDTH / WIDTH
"""Points for each pixel of a crop."""
_TALL = CROP_PX * _SCALE
_LINE, _SIZE = 2.9 * mm, 6.3


class Cell(Flowable):  # type: ignore[misc]  # reportlab is untyped
    """One counted CTC."""

    def __init__(self, number: int, picture: Picture, crop: NDArray[np.uint8]) -> None:
        super().__init__()
        self.number, self.picture, self.crop = number, picture, crop
        self.width, self.height = CELL_WIDTH, _TALL + 5.6 * _LINE

    def wrap(self, _width: float, _height: float) -> tuple[float, float]:
        """Always the same size."""
        return self.width, self.height

    def draw(self) -> None:
        """Names above the tiles, pictures, scale bar in each tile, four lines of text."""
        from PIL import Image

        register_fonts()
        bottom = self.height - _LINE - _TALL
        self.canv.drawImage(ImageReader(Image.fromarray(strip(self.crop))), 0, bottom, CELL_WIDTH, _TALL)
        for i, name in enumerate(NAMES):
            left = i * (CROP_PX + GAP) * _SCALE
            self._text(name, left, self.height - 0.75 * _LINE, GREY)
            self._bar(left + (CROP_PX - 3) * _SCALE, bottom + 3 * _SCALE)
        self._text(f"{self.number}   {title(self.picture)}", 0, bottom - _LINE, INK, BOLD)
        for i, line in enumerate(lines(self.picture), start=2):
            self._text(line, 0, bottom - i * _LINE, GREY)

    def _bar(self, right: float, y: float) -> None:
        self.canv.setStrokeColor(white)
        self.canv.setLineWidth(1.2)
        self.canv.line(right - BAR_PX * _SCALE, y, right, y)

    def _text(self, text: str, x: float, y: float, colour: str, font: str = FONT) -> None:
        self.canv.setFillColor(HexColor(colour))
        self.canv.setFont(font, _SIZE)
        self.canv.drawString(x, y, fitting(printable(text), font))


def title(picture: Picture) -> str:
    """Which cell, or which event where there is no cell."""
    if picture.candidate_id.startswith(EVENT_PREFIX):
        return f"CellSearch event {picture.event_rid} (no cell of ours)"
    return picture.candidate_id


def lines(picture: Picture) -> tuple[str, str, str]:
    """Where it is and how large; what was measured; what CellSearch said and who read it."""
    size = "" if picture.diameter_um is None else f"; {picture.diameter_um:.1f} µm"
    p = "not scored" if picture.probability is None else f"P(CTC) {picture.probability:.2f}"
    dapi, ck, cd45 = ("–" if mean is None else f"{mean:.0f}" for mean in picture.means)
    shown = {None: "not shown", True: "assigned as CTC", False: "shown, not assigned"}[picture.assigned]
    return (
        f"frame {picture.frame}, x {picture.x:.0f}, y {picture.y:.0f}{size}; {p}",
        f"mean grey value DAPI {dapi}, CK {ck}, CD45 {cd45}",
        f"CellSearch: {shown}; read by {picture.readers}",
    )


def fitting(text: str, font: str) -> str:
    """The text, cut where it would leave the width of a cell."""
    while stringWidth(text, font, _SIZE) > CELL_WIDTH:
        text = text.removesuffix("…")[:-1] + "…"
    return text


def gallery(pictures: Sequence[Picture], crops: dict[str, NDArray[np.uint8]]) -> Any:
    """All counted CTCs, two in a row, rows that break over pages."""
    cells = [Cell(i, picture, crops[picture.candidate_id]) for i, picture in enumerate(pictures, start=1)]
    rows = [[*cells[i : i + 2], ""][:2] for i in range(0, len(cells), 2)]
    table = Table(rows, colWidths=[CELL_WIDTH + 10 * mm, CELL_WIDTH], hAlign="LEFT")
    table.setStyle(TableStyle([("LEFTPADDING", (0, 0), (-1, -1), 0), ("RIGHTPADDING", (0, 0), (-1, -1), 0)]))
    return table


SCALE = (
    f"White bar {BAR_UM:.0f} µm. DAPI magenta with CK green, then each channel in grey. Each channel of each cell is "
    "stretched to its own range (at most about three times), so brightness cannot be compared between cells; mean grey "
    "values can (restored 12-bit values, background not subtracted)."
)
