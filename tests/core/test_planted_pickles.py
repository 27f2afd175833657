"""A pickle planted wherever this program reads a file is refused and never executed, also where the hash fits."""

from __future__ import annotations

import json
import os
import pickle
import sqlite3
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ctc_core import classify
from ctc_core.encoder.crops import load_crops
from ctc_core.errors import CTCError
from ctc_core.features import read_features
from ctc_core.jobs import Jobs
from ctc_core.models import write_config
from ctc_core.settings import ROOT
from ctc_core.store import Store, read_bundle, write_bundle
from ctc_core.types import Role


class Planted:
    """Unpickled, it makes a folder."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return os.mkdir, (str(self.canary),)


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    return tmp_path / "ran"


@pytest.fixture
def plain(canary: Path) -> bytes:
    return pickle.dumps(Planted(canary))


@pytest.fixture
def object_array(canary: Path, tmp_path: Path) -> bytes:
    """A .npy file whose one element is planted."""
    array = np.empty(1, object)
    array[0] = Planted(canary)
    np.save(tmp_path / "made.npy", array, allow_pickle=True)
    return (tmp_path / "made.npy").read_bytes()


def test_the_plants_would_work(plain: bytes, object_array: bytes, tmp_path: Path, canary: Path) -> None:
    for plant in (lambda: pickle.loads(plain), lambda: np.load(tmp_path / "made.npy", allow_pickle=True)):  # noqa: S301
        plant()
        assert canary.is_dir()
        canary.rmdir()


def model(tmp_path: Path, shipped: str, name: str, weights: bytes, *, forged: bool) -> Path:
    """A copy of a shipped model with other weights; `forged`: its config names their hash."""
    source, folder = ROOT / "models" / shipped, tmp_path / shipped
    folder.mkdir()
    config = json.loads((source / "config.json").read_text())
    (folder / name).write_bytes(weights)
    if forged:
        write_config(folder, {key: value for key, value in config.items() if key != "sha256"}, [name])
    else:
        (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.mark.parametrize("forged", [False, True])
def test_as_weights_of_an_encoder(forged: bool, tmp_path: Path, plain: bytes, canary: Path) -> None:
    from ctc_core.encoder import Embedder

    shipped = next(path.parent.name for path in sorted(ROOT.glob("models/xcit-*/weights.safetensors")))
    folder = model(tmp_path, shipped, "weights.safetensors", plain, forged=forged)
    with pytest.raises(CTCError, match=r"SHA-256|not weights"):
        Embedder(folder).embed(np.zeros((1, 3, 48, 48), np.uint8))
    assert not canary.exists()


@pytest.mark.parametrize("forged", [False, True])
def test_as_weights_of_a_segmenter(forged: bool, tmp_path: Path, plain: bytes, canary: Path) -> None:
    from ctc_core.segment.folders import WEIGHTS, locate
    from ctc_core.segment.graph import read_weights

    shipped = next(path.parent.name for path in sorted(ROOT.glob(f"models/ctc-*/{WEIGHTS}")))
    folder = model(tmp_path, shipped, WEIGHTS, plain, forged=forged)
    with pytest.raises(CTCError, match=r"SHA-256|not a Keras weights file"):
        read_weights(locate(str(folder)).weights)
    assert not canary.exists()


def skops_file(path: Path, schema: dict[str, Any], arrays: dict[str, bytes]) -> bytes:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("schema.json", json.dumps({"_skops_version": "0.16.0", "protocol": 2, **schema}))
        for name, data in arrays.items():
            archive.writestr(name, data)
    return path.read_bytes()


def hostile_classifiers(tmp_path: Path, plain: bytes, object_array: bytes, canary: Path) -> dict[str, bytes]:
    mkdir = {"__class__": "mkdir", "__module__": "os", "__loader__": "FunctionNode", "__id__": 1, "content": "x"}
    reduced = {
        "__class__": "mkdir", "__module__": "os", "__loader__": "ReduceNode", "__id__": 1,
        "args": {"__class__": "str", "__module__": "builtins", "__loader__": "JsonNode", "__id__": 2,
                 "content": json.dumps(str(canary)), "is_json": True},
        "constructor": "os.mkdir",
    }  # fmt: skip
    array = {"__class__": "ndarray", "__module__": "numpy", "__loader__": "NdArrayNode", "__id__": 1,
             "type": "numpy", "file": "a.npy"}  # fmt: skip
    path = tmp_path / "made.skops"
    return {
        "pickle": plain,
        "function": skops_file(path, mkdir, {}),
        "constructor": skops_file(path, reduced, {}),
        "array of objects": skops_file(path, array, {"a.npy": object_array}),
        "no schema": skops_file(path, {}, {"x.pkl": plain}),
    }


@pytest.mark.parametrize("kind", ["pickle", "function", "constructor", "array of objects", "no schema"])
@pytest.mark.parametrize("forged", [False, True])
def test_as_a_classifier(
    kind: str, forged: bool, tmp_path: Path, plain: bytes, object_array: bytes, canary: Path
) -> None:
    folder = tmp_path / "svm-0"
    folder.mkdir()
    (folder / classify.WEIGHTS).write_bytes(b"sound")
    config = {"kind": "classifier", "name": "svm-0", "encoder_id": "e", "n_ctc": 9, "n_other": 9, "parameters": {}}
    write_config(folder, config, [classify.WEIGHTS])
    (folder / classify.WEIGHTS).write_bytes(hostile_classifiers(tmp_path, plain, object_array, canary)[kind])
    if forged:
        write_config(folder, config, [classify.WEIGHTS])
    with pytest.raises(CTCError, match=r"classifier\.skops: .*(It is not loaded|it is not loaded)"):
        classify.load(folder)
    assert not canary.exists()


@pytest.mark.parametrize("name", ["array", "pickled"])
def test_as_an_array_of_a_bundle_or_a_map(
    name: str, tmp_path: Path, plain: bytes, object_array: bytes, canary: Path
) -> None:
    (tmp_path / "a.npy").write_bytes(object_array if name == "array" else plain)
    folder = write_bundle(
        tmp_path / "map", kind="map", parameters={}, inputs={}, tables={}, arrays={"mean": tmp_path / "a.npy"}
    )
    with pytest.raises(CTCError, match=r"mean\.npy: not an array of numbers"):
        read_bundle(folder).array("mean")
    assert not canary.exists()


@pytest.mark.parametrize("name", ["array", "pickled"])
def test_as_crops(
    name: str, small_store: Callable[..., Path], tmp_path: Path, plain: bytes, object_array: bytes, canary: Path
) -> None:
    planted = object_array if name == "array" else plain
    (tmp_path / "c.npy").write_bytes(planted)
    with pytest.raises(CTCError, match=r"cannot be read as a \.npy file"):
        load_crops(tmp_path / "c.npy")
    data = small_store()
    with Store.open(data) as store:
        for crops in (data / "crops").glob("*.npy"):
            crops.unlink()
            crops.write_bytes(planted)
        with pytest.raises(CTCError, match="not an array of numbers"):
            store.crops(str(store.cartridges().cartridge_id[0]))
    assert not canary.exists()


@pytest.mark.parametrize("name", ["df.parquet", "features.npz", "x_train.npy"])
def test_in_a_features_folder(name: str, tmp_path: Path, plain: bytes, canary: Path) -> None:
    folder = tmp_path / "features"
    folder.mkdir()
    (folder / name).write_bytes(plain)
    with pytest.raises(CTCError):
        read_features(folder)
    assert not canary.exists()


def test_in_the_queue_of_jobs(tmp_path: Path, plain: bytes, canary: Path) -> None:
    """The queue is set aside; the jobs, whose folders tell what waits, are not lost."""
    jobs = Jobs(tmp_path)
    job_id = jobs.submit_ingest(tmp_path / "171651.1.2", "p-1", Role.REVIEW, "anna")
    with sqlite3.connect(tmp_path / "queue.sqlite") as queue:
        queue.execute("UPDATE task SET data = ?", [plain])
    again = Jobs(tmp_path)
    assert again.recover() == [job_id]
    assert [task.args for task in again.huey.pending()] == [[job_id]]
    assert not canary.exists()
