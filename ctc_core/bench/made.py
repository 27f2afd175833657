"""Cells that nobody photographed: vectors with structure, tables of the right size, black crops."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ctc_core.store import write_bundle
from ctc_core.types import CROP_CHANNELS, CROP_PX, EMBEDDING_DIM

LABELLED = 2638
"""Labelled cells of the paper's classifier."""

KINDS, CTC_KINDS = 12, 3
"""Groups that vectors fall into, and how many of them are CTCs."""

FRAMES, EVENTS, EDGE = 175, 300, 4
"""Of a cartridge; vertices of a polygon."""


def vectors_of(n: int, seed: int) -> NDArray[np.float32]:
    """(n, 128) around `KINDS` centres, which are the same for every seed."""
    return _drawn(n, seed)[0]


def labelled_vectors(n: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """(n, 128) and (n,): 1 for kinds that are CTCs."""
    vectors, kinds = _drawn(n, seed)
    return vectors, (kinds < CTC_KINDS).astype(np.int64)


def centres() -> NDArray[np.float32]:
    """(kinds, 128)"""
    return np.random.default_rng(0).normal(0, 0.5, (KINDS, EMBEDDING_DIM)).astype(np.float32)


def _drawn(n: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    rng = np.random.default_rng([seed, 1])
    kinds = rng.integers(0, KINDS, n)
    return centres()[kinds] + rng.standard_normal((n, EMBEDDING_DIM), np.float32), kinds


def make_cartridge(folder: Path, cartridge_id: str, pseudonym: str, cells: int, *, seed: int) -> Path:
    """A bundle that a store imports. Its crops are black and take no room on the disk."""
    row = {
        "cartridge_id": cartridge_id, "pseudonym": pseudonym, "path_name": cartridge_id, "rows": 5, "cols": 35,
        "width": 1384, "height": 1036, "bottom_up": False, "frames": FRAMES, "channels": ["dapi", "ck", "cd45"],
        "assigned_rule": "assigned", "status": "accepted", "notes": [], "segmenter_id": "made", "encoder_id": "made",
    }  # fmt: skip
    frames = pd.DataFrame({"frame": np.arange(1, FRAMES + 1), "status": "read", "reason": ""})
    tables = {
        "cartridge": pd.DataFrame([row]),
        "frames": frames.assign(flags=pd.Series([[]] * FRAMES, dtype=object)),
        "events": _events(seed),
        "quarantined_events": pd.DataFrame({"rid": pd.Series(dtype=str), "reason": pd.Series(dtype=str)}),
        "cells": _cells(cartridge_id, cells, seed),
    }
    folder.parent.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, NDArray[Any] | Path] = {
        "crops": _black(folder.with_suffix(".crops.npy"), cells),
        "event_crops": _black(folder.with_suffix(".events.npy"), EVENTS),
        "vectors": vectors_of(cells, seed),
    }
    return write_bundle(folder, kind="cartridge", parameters={"seed": seed}, inputs={}, tables=tables, arrays=arrays)


def _black(path: Path, n: int) -> Path:
    """A file of zeros: a hole."""
    np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=(n, len(CROP_CHANNELS), CROP_PX, CROP_PX))
    return path


def _events(seed: int) -> pd.DataFrame:
    rng = np.random.default_rng([seed, 2])
    x, y = rng.uniform(30, 1300, EVENTS), rng.uniform(30, 1000, EVENTS)
    return pd.DataFrame(
        {
            "rid": [str(k) for k in range(EVENTS)], "frame": rng.integers(1, FRAMES + 1, EVENTS),
            "x0": x - 12, "y0": y - 12, "x1": x + 12, "y1": y + 12, "assigned": rng.random(EVENTS) < 0.2,
            "numselected": 0, "crop_index": np.arange(EVENTS),
        }
    )  # fmt: skip


def _cells(cartridge_id: str, n: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng([seed, 3])
    y, x = rng.uniform(10, 1026, n), rng.uniform(10, 1374, n)
    corners = np.array([[-8, -8], [-8, 8], [8, 8], [8, -8]])
    columns = {
        "cell_id": [f"{cartridge_id}-{k:06d}" for k in range(n)],
        "frame": np.sort(rng.integers(1, FRAMES + 1, n)), "crop_index": np.arange(n),
        "y": y, "x": x, "diameter_um": rng.normal(11, 2, n), "area_um2": rng.normal(95, 20, n),
        "eccentricity": rng.random(n), "probability": rng.uniform(0.5, 1, n), "at_border": rng.random(n) < 0.02,
        "polygon": (np.stack([y, x], axis=1)[:, None] + corners).tolist(),
    }  # fmt: skip
    measures = {
        f"{channel}_{what}": rng.gamma(4, 200, n)
        for channel in CROP_CHANNELS
        for what in ("mean", "max", "sd", "background")
    }
    return pd.DataFrame({**columns, **measures})
