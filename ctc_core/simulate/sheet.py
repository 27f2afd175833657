"""A contact sheet of crops, to be looked at: real ones, simulated ones of the same kinds below, then kind by kind."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from ctc_core.simulate.appearance import as_published, stretched
from ctc_core.simulate.real import KINDS, load_real, matching
from ctc_core.simulate.scene import render_crops

ZOOM, GAP, LABEL_PX = 2, 2, 14
GREYS, SHADES = 60, 14
"""Steps of grey, and of red and of blue in composites: no more than the 256 colours of a small file."""

BELOW = 3
"""Rows of simulated crops below the real ones."""

RGB = NDArray[np.uint8]


def sheet(
    out: Path, real: Path | None = None, *, per_kind: int = 6, seed: int = 5, zoom: int = ZOOM, crops_drawn: int = 800
) -> Path:
    """Write a PNG of crops: composite (CK red, DAPI blue), DAPI, CK, CD45 below each other, one cell per column.

    real: npz file with `crops` (n, 3, 48, 48) uint8 and perhaps `names`, shown first; in the `BELOW` rows under them
    simulated crops of the same kinds, as a figure shows them. Then `per_kind` of each kind, two kinds side by side.
    Every channel is stretched to its own range. The simulated crops are drawn from `crops_drawn`. Returns `out`.
    """
    crops, kinds, _ = render_crops(crops_drawn, seed, ctc_share=0.4, crops_per_patient=16)
    rng = np.random.default_rng(seed)
    blocks = [] if real is None else side_by_side(real, crops, kinds, rng)
    for pair in zip(KINDS[::2], KINDS[1::2], strict=True):
        groups = [(kind, crops[np.flatnonzero(kinds == kind)[:per_kind]]) for kind in pair]
        blocks.append(np.concatenate([group(kind, found, per_kind) for kind, found in groups], axis=1))
    width = max(block.shape[1] for block in blocks)
    picture = np.concatenate([np.pad(block, ((0, 2 * GAP), (0, width - block.shape[1]), (0, 0))) for block in blocks])
    large = Image.fromarray(picture.repeat(zoom, axis=0).repeat(zoom, axis=1))
    large.quantize(256).save(out, format="PNG", optimize=True)
    return out


def side_by_side(real: Path, crops: NDArray[np.uint8], kinds: NDArray[np.str_], rng: np.random.Generator) -> list[RGB]:
    """Blocks: the real crops, and simulated ones of the same kinds in the same columns."""
    shown, wanted = load_real(real)
    order = np.arange(len(shown)) if wanted is None else np.argsort(wanted, kind="stable")
    rows = [shown[order]]
    rows += [as_published(crops[matching(kinds, wanted, len(shown), rng)], rng) for _ in range(BELOW)]
    return [group("simulated" if k else "real", row, len(row)) for k, row in enumerate(rows)]


def group(label: str, crops: NDArray[np.uint8], columns: int) -> RGB:
    """Up to `columns` crops (n, 3, h, w) under a label; the places that stay empty are black."""
    height, width = (crops.shape[-2] + GAP) * 4, (crops.shape[-1] + GAP) * columns
    picture = np.zeros((LABEL_PX + height, width, 3), dtype=np.uint8)
    picture[:LABEL_PX] = written(label, width)
    if len(crops):
        tiles = strip(crops)
        picture[LABEL_PX:, : tiles.shape[1]] = tiles
    return picture


def written(text: str, width: int) -> RGB:
    """(LABEL_PX, width, 3): light text on black."""
    line = Image.new("RGB", (width, LABEL_PX))
    ImageDraw.Draw(line).text((1, 0), text, font=ImageFont.load_default(11), fill=(220, 220, 220))
    return np.asarray(line)


def strip(crops: NDArray[np.uint8]) -> RGB:
    """(n, 3, h, w) crops -> (4 (h + gap), n (w + gap), 3) RGB."""
    return np.concatenate([column(crop) for crop in stretched(crops)], axis=1)


def column(crop: Sequence[NDArray[np.uint8]]) -> RGB:
    """Composite, DAPI, CK and CD45 of one crop below each other."""
    dapi, ck, cd45 = crop
    composite = in_steps(np.stack([ck, np.zeros_like(ck), dapi], axis=-1), SHADES)
    greys = [in_steps(np.repeat(channel[..., None], 3, axis=-1), GREYS) for channel in (dapi, ck, cd45)]
    framed = [np.pad(tile, ((0, GAP), (0, GAP), (0, 0)), constant_values=39) for tile in (composite, *greys)]
    return np.concatenate(framed)


def in_steps(values: NDArray[np.uint8], steps: int) -> NDArray[np.uint8]:
    """Values 0..255 rounded to `steps` evenly spaced ones."""
    return np.asarray(np.rint(np.rint(values * ((steps - 1) / 255)) * (255 / (steps - 1))), dtype=np.uint8)
