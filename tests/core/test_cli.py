"""The commands as a script sees them: JSON last on stdout, exit codes, messages without tracebacks."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ctc_core.cartridge import VARIANTS
from ctc_core.cli import main
from ctc_core.store import Store
from ctc_core.types import Decision, Label
from tests.support import ARITHMETIC, OUTCOME, ProjectingEmbedder, ThresholdSegmenter, make_archive


class FakeNetworks:
    """Networks that need no weights."""

    def __init__(self, settings: object) -> None:
        self.segmenter, self.embedder, self.lanes = ThresholdSegmenter(), ProjectingEmbedder(), 1
        self.arithmetic = ARITHMETIC


@pytest.fixture(autouse=True)
def networks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctc_core.networks.Networks", FakeNetworks)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def run(capsys: pytest.CaptureFixture[str], data: Path, *words: str, code: int = 0) -> Any:
    """Result of a command as a script reads it."""
    with pytest.raises(SystemExit) as caught:
        main([*words, "--data", str(data), "--json"])
    captured = capsys.readouterr()
    assert (caught.value.code or 0) == code, captured.err
    lines = captured.out.strip().splitlines()
    return json.loads(lines[-1]) if lines else captured.err


def test_ingest_prints_the_contract(capsys: pytest.CaptureFixture[str], data: Path, archive: Path) -> None:
    result = run(capsys, data, "ingest", str(archive), "--patient", "p-1", "--role", "train")
    assert result.pop("seconds") >= 0
    assert result == OUTCOME
    assert not list((data / "jobs").glob("*/parts"))


def test_a_refused_archive_exits_with_2(capsys: pytest.CaptureFixture[str], data: Path, tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "inbox", "9.1", VARIANTS["missing-frame"])
    result = run(capsys, data, "ingest", str(archive), "--patient", "p-1", "--role", "train", code=2)
    assert (result["status"], result["cartridge_id"]) == ("refused", "9.1")
    assert "frame 2" in result["reason"].lower()


def test_a_folder_that_is_no_archive_is_refused(capsys: pytest.CaptureFixture[str], data: Path, tmp_path: Path) -> None:
    (tmp_path / "holiday").mkdir()
    result = run(capsys, data, "ingest", str(tmp_path / "holiday"), "--patient", "p-1", "--role", "train", code=2)
    assert result["status"] == "refused" and result["reason"].startswith("holiday: ")


def test_several_archives_at_once(capsys: pytest.CaptureFixture[str], data: Path, tmp_path: Path) -> None:
    paths = [str(make_archive(tmp_path / "inbox", name)) for name in ("1.1", "2.1")]
    result = run(capsys, data, "ingest", *paths, "--patient", "p-1", "--role", "train")
    assert [entry["cartridge_id"] for entry in result["results"]] == ["1.1", "2.1"]


def test_from_archive_to_candidates(
    capsys: pytest.CaptureFixture[str], data: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    for i, role in enumerate(("train", "train", "review")):
        path = make_archive(tmp_path / "inbox", f"10{i}.1")
        run(capsys, data, "ingest", str(path), "--patient", f"p-{i}", "--role", role)
    with Store.open(data) as store:
        for name in ("100.1", "101.1"):
            ids = store.cells(name).cell_id
            labels = [Label.CTC if i % 2 else Label.NON_CTC for i in range(len(ids))]
            store.decide(
                [Decision(f"d-{c}", name, c, None, label, "a", "s") for c, label in zip(ids, labels, strict=True)]
            )
    monkeypatch.setattr("ctc_core.models.model_id", lambda folder: "projection-1")
    monkeypatch.setattr("ctc_core.models.model_folder", lambda name, data_dir=None: Path(name))
    fitted = run(capsys, data, "fit")
    assert (fitted["n_ctc"], fitted["n_other"], fitted["scored"]) == (6, 6, ["100.1", "101.1", "102.1"])
    assert run(capsys, data, "score", "102.1") == {"cells": {"102.1": 6}}
    rows = run(capsys, data, "candidates", "102.1", "--threshold", "0.01")
    assert len(rows) == 6
    keys = ["cell_id", "frame", "y", "x", "probability", "cluster", "event_rid", "label"]
    assert all(list(row) == keys for row in rows)
    assert {row["event_rid"] for row in rows} == {None, "11", "12"}
    verified = run(capsys, data, "verify")
    assert (verified["ok"], verified["problems"], verified["cartridges"], verified["cells"]) == (True, [], 3, 18)
    assert (verified["decisions"], len(verified["head"])) == (12, 64)


def test_candidates_of_nothing(capsys: pytest.CaptureFixture[str], data: Path) -> None:
    message = run(capsys, data, "candidates", "nope", code=2)
    assert message.splitlines()[-1] == "nope: no such cartridge in the store. Ingest its archive first."


def test_fit_without_labels_exits_with_2(capsys: pytest.CaptureFixture[str], data: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("ctc_core.models.model_id", lambda folder: "projection-1")
    monkeypatch.setattr("ctc_core.models.model_folder", lambda name, data_dir=None: Path(name))
    assert "0 CTC and 0 non-CTC labels" in run(capsys, data, "fit", code=2)


def test_segment_writes_a_table(capsys: pytest.CaptureFixture[str], data: Path, archive: Path, tmp_path: Path) -> None:
    out = tmp_path / "cells.parquet"
    assert run(capsys, data, "segment", str(archive), "--out", str(out)) == {"cells": 6, "out": str(out)}
    cells = pd.read_parquet(out)
    assert list(cells.columns) == ["frame", "y", "x", "diameter_um", "area_um2", "polygon", "probability"]
    assert len(cells.polygon[0]) == 32 and len(cells.polygon[0][0]) == 2


def test_embed_writes_vectors(capsys: pytest.CaptureFixture[str], data: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "crops.npy", np.zeros((3, 3, 48, 48), np.uint8))
    out = tmp_path / "vectors.npy"
    result = run(capsys, data, "embed", str(tmp_path / "crops.npy"), "--out", str(out))
    assert result == {"vectors": 3, "encoder_id": "projection-1", "out": str(out)}
    assert np.load(out).shape == (3, 128)


def test_inspect_and_simulate(capsys: pytest.CaptureFixture[str], data: Path, tmp_path: Path) -> None:
    result = run(capsys, data, "simulate", str(tmp_path / "sim"), "--cartridges", "1", "--frames", "1", "--seed", "3")
    (path,) = result["cartridges"]
    assert Path(result["truth"], f"{Path(path).name}.parquet").exists()
    description = run(capsys, data, "inspect", path)
    assert description


def test_doctor_lists_what_matters(capsys: pytest.CaptureFixture[str], data: Path) -> None:
    report = run(capsys, data, "doctor")
    assert report["problems"] == [] and report["requirements"] == "as pinned"
    assert set(report["models"]) == {"segmenter", "encoder"}
    assert (report["arithmetic"]["runtime"], "instructions" in report["arithmetic"]) == ("openvino", True)


def test_a_second_process_is_told_who_owns_the_store(capsys: pytest.CaptureFixture[str], data: Path) -> None:
    with Store.open(data):
        words = [sys.executable, "-m", "ctc_core", "--data", str(data), "verify"]
        result = subprocess.run(words, capture_output=True, text=True, check=False)
    assert result.returncode == 2 and "Traceback" not in result.stderr and len(result.stderr.strip().splitlines()) == 1


def test_help_needs_no_network_packages() -> None:
    """The command line must answer at once: nothing heavy is imported before a command needs it."""
    heavy = ("torch", "tensorflow", "stardist", "umap", "hdbscan", "numba", "sklearn", "dask")
    code = f"import sys, ctc_core.cli; print([name for name in {heavy} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
