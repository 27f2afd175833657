"""A cartridge of any length from a few frames."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from ctc_core.cartridge import Cartridge, Grid
from ctc_core.types import Frame


@dataclass(frozen=True)
class Repeated(Cartridge):
    """The frames of another cartridge over and over again, in one row."""

    source: Cartridge

    def read(self, number: int) -> Frame:
        """Frame `number`, decoded from the archive each time."""
        n = len(self.source.frame_numbers)
        return replace(self.source.read((number - 1) % n + 1), number=number)


def repeat(source: Cartridge, frames: int) -> Repeated:
    """`frames` frames of `source`, whose own come again and again."""
    files = tuple(source.files[k % len(source.files)] for k in range(frames))
    values = {field.name: getattr(source, field.name) for field in fields(Cartridge)}
    grid = Grid(1, frames, source.grid.width, source.grid.height, source.grid.bottom_up)
    events = tuple(event for event in source.events if event.frame <= frames)
    return Repeated(**{**values, "files": files, "grid": grid, "events": events}, source=source)
