"""A contact sheet of crops, to be looked at: real ones above (where a file is given), simulated ones by kind below."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ctc_core.simulate.scene import render_crops

KINDS = ("ctc", "crowded", "point", "shine-through", "double", "leukocyte", "debris", "smear")
ZOOM, GAP = 2, 2


def sheet(
    out: Path, real: Path | None = None, *, per_kind: int = 8, seed: int = 5, zoom: int = ZOOM, crops_drawn: int = 1200
) -> Path:
    """Write a PNG of crops: composite (CK red, DAPI blue), DAPI, CK, CD45 below each other, one cell per column.

    real: npz file with `crops` (n, 3, 48, 48) uint8, shown in the first rows. Every channel of every crop is stretched
    to its own range for display, as in the published figures. The simulated ones are the first of each kind among
    `crops_drawn`. `out` gets the suffix it is given; returns `out`.
    """
    strips = []
    if real is not None:
        with np.load(real, allow_pickle=False) as file:
            strips.append(strip(file["crops"]))
    crops, kinds, _ = render_crops(crops_drawn, seed, ctc_share=0.4, crops_per_patient=12)
    for pair in zip(KINDS[::2], KINDS[1::2], strict=True):
        picked = [i for kind in pair for i in np.flatnonzero(kinds == kind)[: per_kind - (kind == "crowded")]]
        strips.append(strip(crops[picked]))
    width = max(part.shape[1] for part in strips)
    picture = np.concatenate([np.pad(part, ((0, 3 * GAP), (0, width - part.shape[1]), (0, 0))) for part in strips])
    out.write_bytes(png(picture.repeat(zoom, axis=0).repeat(zoom, axis=1)))
    return out


def strip(crops: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(n, 3, h, w) crops -> (4 h + gaps, n (w + gap), 3) RGB."""
    columns = []
    for dapi, ck, cd45 in crops:
        shown = [_display(channel) for channel in (dapi, ck, cd45)]
        composite = np.stack([shown[1], np.zeros_like(shown[1]), shown[0]], axis=-1)
        tiles = [composite, *(np.repeat(channel[..., None], 3, axis=-1) for channel in shown)]
        framed = [np.pad(tile, ((0, GAP), (0, GAP), (0, 0)), constant_values=40) for tile in tiles]
        columns.append(np.concatenate(framed))
    return np.concatenate(columns, axis=1)


def _display(channel: NDArray[np.uint8]) -> NDArray[np.uint8]:
    low, high = float(channel.min()), float(channel.max())
    return np.asarray((channel - low) * (255 / max(high - low, 1)), dtype=np.uint8)


def png(picture: NDArray[np.uint8]) -> bytes:
    """RGB picture (h, w, 3) uint8 as PNG (ISO/IEC 15948), without an image library."""
    height, width, _ = picture.shape
    rows = np.pad(picture.reshape(height, -1), ((0, 0), (1, 0))).tobytes()
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    body = b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body
