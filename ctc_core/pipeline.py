"""One archive through the networks, frame by frame, into a bundle that the store can import.

Every finished frame is a *part* on disk. A job that died, or was cancelled, goes on from its parts; parts made by other
networks or from other files are thrown away. Frames are computed in *lanes*, each frame from reading to its part in one
of them, so that one lane reads, measures and writes while another one is in a network. Memory holds a frame a lane
and the measurements, never the frames.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ctc_core.cartridge import Cartridge
from ctc_core.cartridge.guarded import guarded
from ctc_core.errors import FrameError
from ctc_core.lanes import in_lanes
from ctc_core.left_out import events_left_out, frames_left_out, refuse_tiny_frames
from ctc_core.parts import Part, Parts, fingerprint
from ctc_core.segment import FindsCells, crop, drop_duplicates, segment_frame
from ctc_core.store import write_bundle
from ctc_core.types import CROP_PX, EMBEDDING_DIM, Event, Frame, Progress


class Embeds(Protocol):
    """What the pipeline needs of an encoder."""

    @property
    def id(self) -> str:
        """Name and hash."""

    def embed(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Vectors (n, 128) of crops (n, 3, 48, 48)."""


def ingest(
    cartridge: Cartridge,
    folder: Path,
    segmenter: FindsCells,
    embedder: Embeds,
    *,
    pseudonym: str,
    role: str,
    progress: Progress,
    lanes: int = 1,
) -> dict[str, object]:
    """Compute every frame and write `folder`/bundle; returns the outcome that commands and pages show.

    `lanes`: frames computed at a time; more than one needs networks that several threads may call.

    Raises:
        CartridgeError: its frames are too small, or overwhelm what reads them.
        Cancelled: from `progress`; the parts stay.
    """
    started = time.monotonic()
    refuse_tiny_frames(cartridge)
    parts = Parts(folder / "parts", cartridge, segmenter.id, embedder.id)
    missing = [number for number in cartridge.frame_numbers if not parts.has(number)]
    first, total = len(cartridge.frame_numbers) - len(missing), len(cartridge.frame_numbers)

    def compute(number: int) -> int:
        parts.add(number, *_compute(cartridge, number, segmenter, embedder))
        return number

    progress(first, total, f"Frame {missing[0]}" if missing else "All frames were read before")
    for done, number in enumerate(in_lanes(compute, missing, lanes), first + 1):
        progress(done, total, f"Frame {number}" if done < total else "Putting the cartridge together")
    found = [parts.read(number) for number in cartridge.frame_numbers]
    cells = _all_cells(cartridge, parts)
    outcome = _outcome(cartridge, found, len(cells), time.monotonic() - started)
    identity = {"pseudonym": pseudonym, "role": role, "segmenter_id": segmenter.id, "encoder_id": embedder.id}
    _write(cartridge, folder, parts, found, cells, {**identity, "status": outcome["status"]})
    parts.remove()
    return outcome


def segment_archive(path: Path, segmenter: FindsCells, progress: Progress) -> pd.DataFrame:
    """Cells of an archive without a store or an encoder: columns of `segment.CELL_COLUMNS`, each cell once.

    Raises:
        CartridgeError: the archive cannot be accepted.
    """
    with guarded(path) as cartridge:
        refuse_tiny_frames(cartridge)
        tables = []
        for number in cartridge.frame_numbers:
            progress(number - 1, len(cartridge.frame_numbers), f"Frame {number}")
            try:
                tables.append(segment_frame(cartridge.read(number), segmenter)[0])
            except FrameError as error:
                progress(number, len(cartridge.frame_numbers), str(error))
    return drop_duplicates(pd.concat(tables, ignore_index=True), cartridge.grid)


Computed = tuple[Part, pd.DataFrame, dict[str, NDArray[Any]]]


def _compute(cartridge: Cartridge, number: int, segmenter: FindsCells, embedder: Embeds) -> Computed:
    events = [event for event in cartridge.events if event.frame == number]
    try:
        frame = cartridge.read(number)
    except FrameError as error:
        nothing = np.zeros((0, 3, CROP_PX, CROP_PX), np.uint8)
        arrays: dict[str, NDArray[Any]] = {"crops": nothing, "vectors": _no_vectors(), "events": _black(len(events))}
        return Part(number, "quarantined", error.reason, (), 0), pd.DataFrame(), arrays
    cells, crops = segment_frame(frame, segmenter)
    vectors = embedder.embed(crops) if len(crops) else _no_vectors()
    arrays = {"crops": crops, "vectors": vectors, "events": _event_crops(frame, events)}
    return Part(number, "read", "", frame.flags, len(cells)), cells, arrays


def _no_vectors() -> NDArray[np.float32]:
    return np.zeros((0, EMBEDDING_DIM), np.float32)


def _black(n: int) -> NDArray[np.uint8]:
    return np.zeros((n, 3, CROP_PX, CROP_PX), np.uint8)


def _event_crops(frame: Frame, events: list[Event]) -> NDArray[np.uint8]:
    centres = np.array([event.box.centre for event in events], float).reshape(-1, 2)
    return crop(frame, centres)


def _all_cells(cartridge: Cartridge, parts: Parts) -> pd.DataFrame:
    """The cells of all frames, each physical cell once, with `part_row` (its row in the frame's arrays) and ids."""
    tables = [parts.cells(n).assign(part_row=lambda t: np.arange(len(t))) for n in cartridge.frame_numbers]
    found = [table for table in tables if len(table)]
    if not found:
        return pd.DataFrame({"frame": [], "part_row": [], "cell_id": [], "crop_index": []})
    cells = drop_duplicates(pd.concat(found, ignore_index=True), cartridge.grid)
    cells = cells.sort_values(["frame", "y", "x"], kind="stable").reset_index(drop=True)
    cells["cell_id"] = [
        f"{cartridge.id}-{int(frame):03d}-{round(y):04d}-{round(x):04d}"
        for frame, y, x in zip(cells.frame, cells.y, cells.x, strict=True)
    ]
    return cells.assign(crop_index=np.arange(len(cells)))


def _outcome(cartridge: Cartridge, parts: list[Part], n_cells: int, seconds: float) -> dict[str, object]:
    quarantined = frames_left_out(cartridge, parts)
    flags = [{"frame": part.frame, "flag": flag} for part in parts for flag in part.flags]
    events_quarantined = events_left_out(cartridge)
    odd = quarantined or flags or events_quarantined or cartridge.notes
    return {
        "status": "flagged" if odd else "accepted",
        "cartridge_id": cartridge.id,
        "frames_read": len(parts) - len(quarantined),
        "frames_quarantined": quarantined,
        "events": len(cartridge.events),
        "assigned": sum(event.assigned for event in cartridge.events),
        "events_quarantined": events_quarantined,
        "flags": flags,
        "notes": list(cartridge.notes),
        "cells": n_cells,
        "seconds": round(seconds, 2),
    }


def _write(
    cartridge: Cartridge,
    folder: Path,
    parts: Parts,
    found: list[Part],
    cells: pd.DataFrame,
    identity: dict[str, object],
) -> None:
    events = _event_table(cartridge)
    arrays = {
        "crops": _gather(parts, cells, "crops", folder / "crops.npy"),
        "vectors": _gather(parts, cells, "vectors", folder / "vectors.npy"),
        "event_crops": _gather(parts, events, "events", folder / "events.npy"),
    }
    tables = {
        "cartridge": pd.DataFrame([_cartridge_row(cartridge, identity)]),
        "frames": pd.DataFrame([{**part.__dict__, "flags": list(part.flags)} for part in found]),
        "events": events.drop(columns="part_row"),
        "quarantined_events": pd.DataFrame(
            [(item.item, item.reason) for item in cartridge.quarantined_events], columns=["rid", "reason"]
        ),
        "cells": cells.drop(columns="part_row"),
    }
    shutil.rmtree(folder / "bundle", ignore_errors=True)
    inputs = {"archive": fingerprint(cartridge)}
    write_bundle(folder / "bundle", kind="cartridge", parameters=identity, inputs=inputs, tables=tables, arrays=arrays)


def _cartridge_row(cartridge: Cartridge, identity: dict[str, object]) -> dict[str, object]:
    grid = cartridge.grid
    return {
        "cartridge_id": cartridge.id,
        "pseudonym": identity["pseudonym"],
        "path_name": cartridge.path.name,
        "rows": grid.rows,
        "cols": grid.cols,
        "width": grid.width,
        "height": grid.height,
        "bottom_up": grid.bottom_up,
        "frames": len(cartridge.files),
        "channels": [str(channel) for channel in cartridge.channels],
        "assigned_rule": cartridge.assigned_rule,
        "status": identity["status"],
        "notes": list(cartridge.notes),
        "segmenter_id": identity["segmenter_id"],
        "encoder_id": identity["encoder_id"],
    }


def _event_table(cartridge: Cartridge) -> pd.DataFrame:
    """One row per event in the order of the archive; `part_row` counts within a frame."""
    rows = [
        (e.rid, e.frame, e.box.x0, e.box.y0, e.box.x1, e.box.y1, e.assigned, e.numselected) for e in cartridge.events
    ]
    columns = ["rid", "frame", "x0", "y0", "x1", "y1", "assigned", "numselected"]
    table = pd.DataFrame(rows, columns=columns)
    return table.assign(part_row=table.groupby("frame").cumcount(), crop_index=np.arange(len(table)))


def _gather(parts: Parts, table: pd.DataFrame, name: str, path: Path) -> Path:
    """Collect the rows of `table` from the parts into one .npy file, in the order of `crop_index`, frame by frame."""
    shape, dtype = _row_type(name)
    target = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=(len(table), *shape))
    for number, rows in _by_frame(table):
        target[rows.crop_index.to_numpy()] = parts.array(number, name)[rows.part_row.to_numpy()]
    target.flush()
    return path


def _row_type(name: str) -> tuple[tuple[int, ...], type]:
    return ((EMBEDDING_DIM,), np.float32) if name == "vectors" else ((3, CROP_PX, CROP_PX), np.uint8)


def _by_frame(table: pd.DataFrame) -> Iterator[tuple[int, pd.DataFrame]]:
    for number, rows in table.groupby("frame"):
        yield int(str(number)), rows
