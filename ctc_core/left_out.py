"""What of an archive was left out, for a page and for JSON: file, reason and what to do."""

from __future__ import annotations

from collections.abc import Iterable

from ctc_core.cartridge import Cartridge
from ctc_core.errors import CartridgeError, FrameError, printable
from ctc_core.parts import Part
from ctc_core.types import CROP_PX

EVENT_ADVICE = "Export the XML from CellTracks again if the event matters; the other events are not affected"


def frames_left_out(cartridge: Cartridge, parts: Iterable[Part]) -> list[dict[str, object]]:
    """frame, file, reason and advice of every frame that could not be used."""
    lost = (part for part in parts if part.status == "quarantined")
    return [
        {"frame": part.frame, "file": _file(cartridge, part.frame), "reason": part.reason, "advice": FrameError.ADVICE}
        for part in lost
    ]


def events_left_out(cartridge: Cartridge) -> list[dict[str, object]]:
    """rid, file, reason and advice of every event of CellSearch that could not be used."""
    file = printable(cartridge.events_file)
    return [
        {"rid": item.item, "file": file, "reason": item.reason, "advice": EVENT_ADVICE}
        for item in cartridge.quarantined_events
    ]


def refuse_tiny_frames(cartridge: Cartridge) -> None:
    """Raises `CartridgeError` for frames smaller than a cell's picture: no cell could be shown."""
    grid = cartridge.grid
    if min(grid.width, grid.height) < CROP_PX:
        reason = f"its frames have {grid.width} x {grid.height} pixels, fewer than the {CROP_PX} of a cell's picture"
        raise CartridgeError(cartridge.path, reason, "Copy the images of the scan, not a preview of them")


def _file(cartridge: Cartridge, frame: int) -> str:
    return printable(cartridge.files[frame - 1].name)
