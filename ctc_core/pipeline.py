"""One archive through the networks, frame by frame, into a bundle that the store can import.

Every finished frame is a *part* on disk. A job that died, or was cancelled, goes on from its parts; parts made by other
networks or from other files are thrown away. Frames are computed in *lanes* of this process, each frame from reading
to its part in one of them, so that one lane reads, measures and writes while another one is in a network; or by the
workers of a cluster, which have such lanes. Memory holds a frame a lane and the measurements, never the frames.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd

from ctc_core.cartridge import Cartridge
from ctc_core.cartridge.guarded import guarded
from ctc_core.errors import FrameError
from ctc_core.frames import ComputesFrames, Embeds, Here
from ctc_core.left_out import events_left_out, frames_left_out, refuse_tiny_frames
from ctc_core.parts import Part, Parts, fingerprint, inputs_of
from ctc_core.segment import FindsCells, drop_duplicates, segment_frame
from ctc_core.store import write_bundle
from ctc_core.types import CROP_PX, EMBEDDING_DIM, Progress


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
    """As `ingest_by`, computed by this process, `lanes` frames at a time."""
    here = Here(segmenter, embedder, lanes)
    return ingest_by(here, cartridge, folder, pseudonym=pseudonym, role=role, progress=progress)


def ingest_by(
    computes: ComputesFrames, cartridge: Cartridge, folder: Path, *, pseudonym: str, role: str, progress: Progress
) -> dict[str, object]:
    """Have every frame computed and write `folder`/bundle; returns the outcome that commands and pages show.

    Raises:
        CartridgeError: its frames are too small, or overwhelm what reads them.
        Cancelled: from `progress`; the parts stay.
    """
    started = time.monotonic()
    refuse_tiny_frames(cartridge)
    made_with = computes.agree(lambda note: progress(0, len(cartridge.frame_numbers), note))
    inputs = inputs_of(cartridge, computes.segmenter_id, computes.encoder_id, made_with)
    parts = Parts.of(folder / "parts", inputs)
    _compute_missing(computes, cartridge, parts, progress)
    found = [parts.read(number) for number in cartridge.frame_numbers]
    cells = _all_cells(cartridge, parts)
    outcome = _outcome(cartridge, found, len(cells), time.monotonic() - started)
    ids = {"segmenter_id": computes.segmenter_id, "encoder_id": computes.encoder_id}
    identity = {"pseudonym": pseudonym, "role": role, **ids, "status": outcome["status"], "made_with": made_with}
    _write(cartridge, folder, parts, found, cells, identity)
    parts.remove()
    return outcome


def _compute_missing(computes: ComputesFrames, cartridge: Cartridge, parts: Parts, progress: Progress) -> None:
    finished, total = parts.finished(), len(cartridge.frame_numbers)
    missing = [number for number in cartridge.frame_numbers if number not in finished]
    first = total - len(missing)
    progress(first, total, f"Frame {missing[0]}" if missing else "All frames were read before")
    with closing(computes.frames(cartridge, parts, missing)) as counts:
        for done, note in counts:
            progress(first + done, total, note if first + done < total else "Putting the cartridge together")


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
