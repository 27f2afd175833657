"""The shapes a CellTracks archive comes in, as options for the writer, with a name for each.

Archives differ between software versions; every difference that readers of real archives had to handle has a field
here, so that the reader can be tested against all of them.
"""

from __future__ import annotations

from dataclasses import dataclass

from ctc_core.cartridge.grid import FRAME_GRIDS

OFFSET = 32768
"""Some archives carry grey values with 2^15 added (ACCEPT subtracts it)."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How one archive is written. The default is the most common form."""

    image_folder: str = "processed"
    """Subfolder of the TIFF files; `mic...` in older archives."""
    nested: bool = False
    """The sample folder holds a second folder of the same name, which holds the image folder."""
    junk: bool = False
    """macOS leaves `._` files beside the TIFF files."""
    file_name: str = "cartid{sample}p{number:03d}.tif"
    """`sample` is the cartridge id up to its first dot."""

    root: str = "archive"
    doctype: bool = True
    xml_grid: bool = True
    """The XML names rows, columns and camera size."""
    id_field: str = "rid"
    assigned: bool = True
    numselected: bool = True
    corners_swapped: bool = False
    """Locations begin with the minimum corner."""
    decimals: bool = False
    filters: tuple[str, ...] | None = ("DAPI", "FITC", "CK-PE", "CD45-APC")
    """Names in `test_filters`, in file page order; None leaves the element out."""

    order: tuple[int, ...] = (0, 1, 2, 3)
    """Which page of the scene is written as page 0, 1, 2, ... of the file."""
    stretched: bool = True
    """8-bit pages, each stretched to its own limits; otherwise 16-bit grey values."""
    tags: bool = True
    headroom: float = 1.0
    """Upper limit = minimum + headroom x (maximum - minimum); above 1 no pixel reaches 255."""
    offset: int = 0
    """Added to all grey values (limits, or 16-bit pixels)."""
    byteorder: str = "<"
    compressed: bool = False

    dlm: bool = False
    """CellTracksXp: six `.dlm` files instead of the XML."""
    delimiter: int = 0xA7

    frames: int | None = None
    """The only number of frames this form exists with; None: any."""
    missing: tuple[int, ...] = ()
    """Frames left out (a damaged archive)."""
    truncated: tuple[int, ...] = ()
    """Frames whose file ends in the middle of the last page (a damaged archive)."""


FIVE = ("DAPI", "FITC", "CK-PE", "CD45-APC", "HER2")
SIX = (*FIVE, "PD-L1")

VARIANTS: dict[str, Layout] = {
    "standard": Layout(),
    "nested": Layout(nested=True),
    "mic": Layout(image_folder="mic06122006e7"),
    "junk": Layout(junk=True),
    "old-names": Layout(file_name="{sample}{number:03d}.tif"),
    "unpadded-names": Layout(file_name="cartid{sample}p{number}.TIF"),
    "export-root": Layout(root="export"),
    "no-doctype": Layout(doctype=False),
    "assigned-only": Layout(numselected=False),
    "numselected-only": Layout(assigned=False),
    "eventnum": Layout(id_field="eventnum"),
    "corners-swapped": Layout(corners_swapped=True),
    "decimals": Layout(decimals=True),
    "no-filters": Layout(filters=None),
    "reordered-pages": Layout(filters=("DAPI", "FITC", "CD45-APC", "CK-PE"), order=(0, 1, 3, 2)),
    "three-pages": Layout(filters=("DAPI", "CK-PE", "CD45-APC"), order=(0, 2, 3)),
    "five-pages": Layout(filters=FIVE, order=(0, 1, 2, 3, 1)),
    "six-pages": Layout(filters=SIX, order=(0, 1, 2, 3, 1, 1)),
    "no-tags": Layout(tags=False),
    "uint16": Layout(stretched=False, tags=False),
    "uint16-offset": Layout(stretched=False, tags=False, offset=OFFSET),
    "offset": Layout(offset=OFFSET),
    "pmax": Layout(headroom=1.25),
    "big-endian": Layout(byteorder=">"),
    "compressed": Layout(compressed=True),
    "dlm-140": Layout(dlm=True, frames=140),
    "dlm-175": Layout(dlm=True, frames=175),
    "missing-frame": Layout(missing=(2,)),
    "truncated-page": Layout(truncated=(2,)),
    **{f"grid-{n}": Layout(xml_grid=False, frames=n) for n in FRAME_GRIDS},
}
"""Named forms; `simulate --variant NAME` takes them. `missing-frame` is refused by the reader, on purpose."""
