"""Small cartridge bundles with made-up content, and a store to put them in."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ctc_core.settings import ROOT
from ctc_core.store import Store, write_bundle
from ctc_core.types import CROP_CHANNELS, Role

ENCODER = "encoder-0"


def cartridge_tables(cartridge_id: str, pseudonym: str, cells: int, events: int) -> dict[str, pd.DataFrame]:
    """Cell i lies in frame 1 at y = 100 + i, x = 50 with value i in every measurement; event i likewise."""
    number = np.arange(cells)
    cartridge = {
        "cartridge_id": cartridge_id,
        "pseudonym": pseudonym,
        "path_name": f"archive-{cartridge_id}",
        "rows": 1,
        "cols": 2,
        "width": 1384,
        "height": 1036,
        "bottom_up": False,
        "frames": 2,
        "channels": ["dapi", "ck", "cd45"],
        "assigned_rule": "assigned",
        "status": "accepted",
        "notes": [],
        "segmenter_id": "segmenter-0",
        "encoder_id": ENCODER,
    }
    frames = {
        "frame": [1, 2],
        "status": ["read", "quarantined"],
        "reason": [None, "no pages"],
        "flags": [["all-black:ck"], []],
    }
    boxes = {
        "rid": [str(i) for i in range(events)],
        "frame": 1,
        "x0": 10.0 + np.arange(events),
        "y0": 20.0,
        "x1": 30.0,
        "y1": 40.0,
        "assigned": np.arange(events) % 2 == 0,
        "numselected": None,
        "crop_index": np.arange(events),
    }
    measured = {
        "cell_id": [f"{cartridge_id}-001-{100 + i:04d}-0050" for i in number],
        "frame": 1,
        "y": 100.0 + number,
        "x": 50.0,
        **dict.fromkeys(("diameter_um", "area_um2", "eccentricity"), number.astype(float)),
        "polygon": [[[float(i), 0.0], [0.0, 1.0], [1.0, 1.0]] for i in number],
        "probability": 0.5,
        "at_border": False,
        **{
            f"{channel}_{what}": number * 1.0
            for channel in CROP_CHANNELS
            for what in ("mean", "max", "sd", "background")
        },
        "crop_index": number,
    }
    return {
        "cartridge": pd.DataFrame([cartridge]),
        "frames": pd.DataFrame(frames),
        "events": pd.DataFrame(boxes),
        "quarantined_events": pd.DataFrame({"rid": ["bad"], "reason": ["no box"]}),
        "cells": pd.DataFrame(measured),
    }


def cartridge_arrays(cells: int, events: int) -> dict[str, np.ndarray]:
    """Crop i holds i everywhere; vector i holds i."""
    return {
        "crops": np.arange(cells, dtype=np.uint8)[:, None, None, None] * np.ones((1, 3, 48, 48), np.uint8),
        "event_crops": np.arange(events, dtype=np.uint8)[:, None, None, None] * np.ones((1, 3, 48, 48), np.uint8),
        "vectors": np.arange(cells, dtype=np.float32)[:, None] * np.ones((1, 128), np.float32),
    }


def write_cartridge(folder: Path, cartridge_id: str, pseudonym: str = "P1", *, cells: int = 3, events: int = 2) -> Path:
    """A complete bundle in `folder`; its name is among the parameters."""
    return write_bundle(
        folder,
        kind="cartridge",
        parameters={"threshold": 0.5, "folder": folder.name},
        inputs={"archive": cartridge_id},
        tables=cartridge_tables(cartridge_id, pseudonym, cells, events),
        arrays=cartridge_arrays(cells, events),
    )


@pytest.fixture
def make_bundle(tmp_path: Path) -> Callable[..., Path]:
    """make_bundle(cartridge_id, pseudonym="P1", cells=3, events=2, note="") -> folder; another note, another bundle."""

    def make(cartridge_id: str, pseudonym: str = "P1", *, cells: int = 3, events: int = 2, note: str = "") -> Path:
        folder = tmp_path / "spool" / f"{cartridge_id}{note}"
        return write_cartridge(folder, cartridge_id, pseudonym, cells=cells, events=events)

    return make


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty store."""
    with Store.open(tmp_path / "data") as opened:
        yield opened


@pytest.fixture(scope="session")
def filled_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built once, copied by `filled`."""
    folder = tmp_path_factory.mktemp("filled")
    with Store.open(folder / "data") as opened:
        opened.add_patient("P1", Role.TRAIN, "ann", "s1")
        opened.add_bundle(write_cartridge(folder / "C1", "C1"))
    return folder / "data"


@pytest.fixture
def filled(filled_once: Path, tmp_path: Path) -> Path:
    """A closed data folder with cartridge C1 (3 cells, 2 events) of the train patient P1."""
    return Path(shutil.copytree(filled_once, tmp_path / "data"))


@pytest.fixture
def run_python() -> Callable[[str], AbstractContextManager[subprocess.Popen[str]]]:
    """`with run_python(program) as process:` another process has run the program and holds what it opened."""

    @contextmanager
    def run(program: str) -> Iterator[subprocess.Popen[str]]:
        lines = f"import sys\n{program}\nprint('ready', flush=True)\nsys.stdin.read()"
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": ROOT}
        with subprocess.Popen([sys.executable, "-c", lines], **pipes) as process:
            assert process.stdout is not None and process.stdout.readline() == "ready\n"
            yield process
            process.kill()

    return run
