"""A small store without networks: one reviewed patient's cartridge, made up from a seed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from ctc_core.store import RoundDraft, Store, write_bundle
from ctc_core.types import CROP_PX, EMBEDDING_DIM, Role

CARTRIDGE = "SMALL-01"
PATIENT = "patient-01"
ENCODER = "encoder-of-tests"
MODEL = "classifier-of-tests"


def cell_crops(n: int, rng: np.random.Generator) -> np.ndarray:
    """(n, 3, 48, 48) uint8: a nucleus inside a cytokeratin disc, noise in CD45."""
    y, x = np.mgrid[:CROP_PX, :CROP_PX] - 23.5
    radius, turn = rng.uniform(5, 11, n), rng.uniform(0, np.pi, n)
    along = np.cos(turn)[:, None, None] * x + np.sin(turn)[:, None, None] * y
    across = np.cos(turn)[:, None, None] * y - np.sin(turn)[:, None, None] * x
    distance = np.sqrt((along / 1.25) ** 2 + across**2) / radius[:, None, None]
    cytokeratin, nucleus = 1 / (1 + np.exp(8 * (distance - 1))), 1 / (1 + np.exp(8 * (distance - 0.6)))
    clean = np.stack([nucleus, cytokeratin, np.zeros_like(nucleus)], axis=1) * 190 + 25
    return np.clip(clean + rng.normal(0, 9, clean.shape), 0, 255).astype(np.uint8)


def write_small_bundle(
    folder: Path,
    *,
    n_cells: int,
    seed: int = 0,
    cartridge_id: str = CARTRIDGE,
    pseudonym: str = PATIENT,
    vectors: np.ndarray | None = None,
) -> Path:
    """Six frames in a 2 x 3 grid, frame 6 unreadable; two events of three lie on cells, one of three alone."""
    rng = np.random.default_rng(seed)
    n_events = max(3, n_cells // 4)
    frame = np.sort(rng.integers(1, 6, n_cells))
    y, x = rng.uniform(30, 1000, n_cells), rng.uniform(30, 1350, n_cells)
    cells = pd.DataFrame({"frame": frame, "y": y, "x": x, "diameter_um": rng.normal(12, 2, n_cells)})
    cells["cell_id"] = [
        f"{cartridge_id}-{f:03d}-{round(a):04d}-{round(b):04d}" for f, a, b in zip(frame, y, x, strict=True)
    ]
    cells["area_um2"], cells["eccentricity"] = np.pi / 4 * cells.diameter_um**2, 0.4
    cells["polygon"] = [[[a - 8, b - 8], [a - 8, b + 8], [a + 8, b]] for a, b in zip(y, x, strict=True)]
    cells["probability"], cells["at_border"], cells["crop_index"] = 0.9, False, np.arange(n_cells)
    for channel, mean in {"dapi": 600.0, "ck": 900.0, "cd45": 40.0}.items():
        for what in ("mean", "max", "sd", "background"):
            cells[f"{channel}_{what}"] = mean * rng.uniform(0.5, 1.5, n_cells)
    on_cell = cells.iloc[rng.permutation(n_cells)[: 2 * n_events // 3]]
    alone = n_events - len(on_cell)
    middle = pd.DataFrame({
        "frame": [*on_cell.frame, *rng.integers(1, 6, alone)],
        "y": [*on_cell.y, *rng.uniform(30, 1000, alone)],
        "x": [*on_cell.x, *rng.uniform(30, 1350, alone)],
    })  # fmt: skip
    events = pd.DataFrame({"rid": [f"r{i}" for i in range(n_events)], "frame": middle.frame})
    events["x0"], events["x1"], events["y0"], events["y1"] = middle.x - 15, middle.x + 15, middle.y - 15, middle.y + 15
    events["assigned"] = np.arange(n_events) % 2 == 0
    events["numselected"], events["crop_index"] = pd.array([None] * n_events, "Int32"), np.arange(n_events)
    frames = pd.DataFrame({"frame": range(1, 7), "status": ["read"] * 5 + ["quarantined"]})
    frames["reason"] = [None] * 5 + ["frame_006.tif ends in the middle of a page"]
    frames["flags"] = [[] for _ in range(6)]
    cartridge = {
        "cartridge_id": cartridge_id, "pseudonym": pseudonym, "path_name": cartridge_id, "rows": 2, "cols": 3,
        "width": 1384, "height": 1036, "bottom_up": False, "frames": 6, "channels": ["dapi", "ck", "cd45"],
        "assigned_rule": "assigned", "status": "flagged", "notes": [], "segmenter_id": "segmenter-of-tests",
        "encoder_id": ENCODER,
    }  # fmt: skip
    crops, event_crops = cell_crops(n_cells, rng), cell_crops(n_events, rng)
    if vectors is None:
        vectors = rng.normal(size=(n_cells, EMBEDDING_DIM)).astype(np.float32)
    return write_bundle(
        folder, kind="cartridge", parameters={"seed": seed}, inputs={"cells": n_cells},
        tables={"cartridge": pd.DataFrame([cartridge]), "frames": frames, "events": events, "cells": cells,
                "quarantined_events": pd.DataFrame({"rid": ["r99"], "reason": ["the box lies outside the frame"]})},
        arrays={"crops": crops, "event_crops": event_crops, "vectors": vectors},
    )  # fmt: skip


def build_small_store(data_dir: Path, *, n_cells: int = 40) -> Path:
    """A data folder with one cartridge whose cells are scored; nothing is decided yet."""
    bundle = write_small_bundle(data_dir.parent / f"{data_dir.name}-bundle", n_cells=n_cells)
    with Store.open(data_dir) as store:
        store.add_patient(PATIENT, Role.REVIEW, reader="tests", session="tests")
        store.add_bundle(bundle)
        model_folder = data_dir / "models" / MODEL
        model_folder.mkdir(parents=True)
        store.add_model(MODEL, "classifier", model_folder, {"encoder_id": ENCODER}, reader="tests")
        store.activate_model(MODEL, reader="tests", session="tests")
        cell_ids = list(store.cells(CARTRIDGE).cell_id)
        store.save_predictions(MODEL, cell_ids, np.linspace(0.99, 0.2, len(cell_ids)))
    return data_dir


def build_queue_store(data_dir: Path, *, n_cells: int = 40, reader: str = "anna") -> Path:
    """A data folder with a training patient whose cells wait in an open round of `reader`."""
    bundle = write_small_bundle(data_dir.parent / f"{data_dir.name}-bundle", n_cells=n_cells)
    with Store.open(data_dir) as store:
        store.add_patient(PATIENT, Role.TRAIN, reader="tests", session="tests")
        store.add_bundle(bundle)
        cell_ids = tuple(store.cells(CARTRIDGE).cell_id)
        store.open_round(
            RoundDraft(encoder_id=ENCODER, strategy="random", cell_ids=cell_ids), reader=reader, session=""
        )
    return data_dir
