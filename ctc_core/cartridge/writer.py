"""Write a CellTracks archive: one multi-page TIFF per frame and the events as XML or CellTracksXp tables.

One scene is held at a time, so memory does not grow with the number of frames.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray

from ctc_core.cartridge.grid import Grid
from ctc_core.cartridge.tables import write_dlm, write_xml
from ctc_core.cartridge.tiff import TAG_HIGH, TAG_LOW
from ctc_core.cartridge.variants import Layout
from ctc_core.errors import SettingsError
from ctc_core.types import Event

TAG_ARCHIVE = 754
"""Private TIFF tag that marks a CellTracks file; its content is unknown."""


def write_cartridge(
    folder: Path,
    cartridge_id: str,
    scenes: Iterable[NDArray[np.uint16]],
    events: Sequence[Event],
    grid: Grid,
    *,
    layout: Layout | None = None,
) -> Path:
    """Write `folder/cartridge_id` and return its path.

    scenes: one per frame in frame order, each (pages, height, width) uint16, grey values 0..4095; taken one by one.
    events: boxes in frame pixels. Raises `SettingsError` when scenes, grid and layout do not fit each other.
    """
    layout = layout or Layout()
    _check_frames(grid, layout)
    sample = folder / cartridge_id
    inner = sample / cartridge_id if layout.nested else sample
    images = inner / layout.image_folder
    images.mkdir(parents=True)
    stem = cartridge_id.split(".")[0]
    if layout.dlm:
        write_dlm(sample, events, layout)
    else:
        write_xml(sample / f"{stem}.xml", events, grid, layout)
    _write_frames(images, stem, scenes, grid, layout)
    return sample


def stretch(page: NDArray[np.uint16], *, headroom: float = 1.0) -> tuple[NDArray[np.uint8], int, int]:
    """Page of grey values (h, w) uint16 -> (h, w) uint8 0..255 and its limits (low, high).

    low is the page's minimum; high its maximum, or further up with `headroom` > 1. A constant page becomes 0.
    """
    low, top = int(page.min()), int(page.max())
    high = low + round((top - low) * headroom)
    levels = np.arange(top + 1, dtype=np.float64) - low
    table = np.clip(np.rint(levels * (255 / max(high - low, 1))), 0, 255).astype(np.uint8)
    return table[page], low, high


def _check_frames(grid: Grid, layout: Layout) -> None:
    if layout.frames not in (None, grid.frames):
        msg = f"this kind of archive has {layout.frames} frames, the grid has {grid.frames}. Choose a grid to match."
        raise SettingsError(msg)


def _write_frames(images: Path, stem: str, scenes: Iterable[NDArray[np.uint16]], grid: Grid, layout: Layout) -> None:
    number = 0
    for number, scene in enumerate(scenes, start=1):
        if scene.shape[1:] != (grid.height, grid.width) or number > grid.frames:
            msg = f"scene {number} is {scene.shape[1:]}; expected {grid.frames} of {(grid.height, grid.width)}"
            raise SettingsError(f"{msg}. Give one scene of that size per frame.")
        if number not in layout.missing:
            _write_frame(images / layout.file_name.format(sample=stem, number=number), number, scene, layout)
    if number != grid.frames:
        msg = f"{number} scenes for {grid.frames} frames. Give one scene per frame."
        raise SettingsError(msg)


def _write_frame(path: Path, number: int, scene: NDArray[np.uint16], layout: Layout) -> None:
    with tifffile.TiffWriter(path, byteorder=layout.byteorder) as tiff:
        for page in layout.order:
            _write_page(tiff, scene[page], layout)
    if number in layout.truncated:
        path.write_bytes(path.read_bytes()[: -scene[0].size // 2])
    if layout.junk:
        path.with_name(f"._{path.name}").write_bytes(b"\x00\x05\x16\x07 resource fork, not an image")


def _write_page(tiff: tifffile.TiffWriter, grey: NDArray[np.uint16], layout: Layout) -> None:
    pixels, low, high = stretch(grey, headroom=layout.headroom)
    data = pixels if layout.stretched else grey + np.uint16(layout.offset)
    tags = ((TAG_ARCHIVE, 1), (TAG_LOW, low + layout.offset), (TAG_HIGH, high + layout.offset)) if layout.tags else ()
    tiff.write(
        data,
        photometric="minisblack",
        compression="zlib" if layout.compressed else None,
        contiguous=False,
        metadata=None,
        software=False,
        extratags=[(number, "H", 1, value, False) for number, value in tags],
    )
