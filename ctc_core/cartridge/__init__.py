"""CellTracks archives: reader, writer, grid and grey values. The only room that knows how an archive looks on disk."""

from ctc_core.cartridge.describe import describe
from ctc_core.cartridge.events import Quarantined, parse_location
from ctc_core.cartridge.grey import restore
from ctc_core.cartridge.grid import FRAME_GRIDS, Grid, grid_for
from ctc_core.cartridge.reader import Cartridge, open_cartridge
from ctc_core.cartridge.variants import VARIANTS, Layout
from ctc_core.cartridge.writer import stretch, write_cartridge

__all__ = [
    "FRAME_GRIDS",
    "VARIANTS",
    "Cartridge",
    "Grid",
    "Layout",
    "Quarantined",
    "describe",
    "grid_for",
    "open_cartridge",
    "parse_location",
    "restore",
    "stretch",
    "write_cartridge",
]
