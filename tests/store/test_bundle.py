import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ctc_core.errors import StoreError
from ctc_core.models import sha256
from ctc_core.store import code_version, read_bundle, write_bundle

TABLE = pd.DataFrame({"name": ["a", "b"], "value": [1.5, None], "tags": [["x"], []]})


def write(folder: Path, **changes: object) -> Path:
    arguments = {"kind": "test", "parameters": {"p": 1}, "inputs": {"from": "there"}}
    arguments |= {"tables": {"things": TABLE}, "arrays": {"grid": np.arange(6).reshape(2, 3)}}
    return write_bundle(folder, **(arguments | changes))


def test_what_is_written_is_read(tmp_path: Path) -> None:
    folder = write(tmp_path / "b")
    bundle = read_bundle(folder)
    assert bundle.table("things").to_pylist() == [
        {"name": "a", "value": 1.5, "tags": ["x"]},
        {"name": "b", "value": None, "tags": []},
    ]
    assert bundle.array("grid").tolist() == [[0, 1, 2], [3, 4, 5]]
    assert [path.name for path in tmp_path.iterdir()] == ["b"]
    assert json.loads((folder / "manifest.json").read_text()) == {
        "schema": 1,
        "kind": "test",
        "bundle_id": bundle.manifest.bundle_id,
        "parameters": {"p": 1},
        "inputs": {"from": "there"},
        "code_version": code_version(),
        "files": {name: sha256(folder / name) for name in ("grid.npy", "things.parquet")},
    }


def test_the_id_is_the_content(tmp_path: Path) -> None:
    ids = [
        read_bundle(write(tmp_path / str(i), **changes)).manifest.bundle_id
        for i, changes in enumerate(
            [{}, {}, {"parameters": {"p": 2}}, {"arrays": {}}, {"tables": {"things": TABLE.head(1)}}, {"kind": "other"}]
        )
    ]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 5
    assert ids[0].startswith("test-")
    assert ids[5].startswith("other-")


def test_vertices_may_come_as_arrays(tmp_path: Path) -> None:
    table = pd.DataFrame({"polygon": [np.array([[1, 2], [3, 4]], np.float32), np.zeros((1, 2), np.float32)]})
    bundle = read_bundle(write(tmp_path / "b", tables={"things": table}))
    assert bundle.table("things")["polygon"].to_pylist() == [[[1, 2], [3, 4]], [[0, 0]]]


def test_an_array_on_disk_is_moved_in(tmp_path: Path) -> None:
    np.save(tmp_path / "big.npy", np.ones(4))
    bundle = read_bundle(write(tmp_path / "b", arrays={"grid": tmp_path / "big.npy"}))
    assert bundle.array("grid").tolist() == [1, 1, 1, 1]
    assert not (tmp_path / "big.npy").exists()


def test_what_an_interrupted_write_left_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "b.partial").mkdir()
    (tmp_path / "b.partial" / "old.npy").write_text("left")
    assert read_bundle(write(tmp_path / "b")).manifest.files.keys() == {"grid.npy", "things.parquet"}


def test_a_bundle_is_replaced_and_nothing_else(tmp_path: Path) -> None:
    write(tmp_path / "b")
    assert read_bundle(write(tmp_path / "b", parameters={"p": 2})).manifest.parameters == {"p": 2}
    (tmp_path / "mine").mkdir()
    with pytest.raises(StoreError, match="mine: exists and is not a bundle"):
        write(tmp_path / "mine")


def change_manifest(key: str, value: object) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        path = folder / "manifest.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))

    return change


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "grid.npy").write_bytes(b"x"), "grid.npy was changed"),
        (lambda folder: (folder / "grid.npy").unlink(), "grid.npy was changed after it was written, or is missing"),
        (lambda folder: (folder / "extra.npy").write_bytes(b"x"), "extra.npy was changed"),
        (lambda folder: (folder / "manifest.json").unlink(), "not a bundle"),
        (lambda folder: (folder / "manifest.json").write_text("{}"), "not a bundle"),
        (lambda folder: (folder / "manifest.json").write_text("[]"), "not a bundle"),
        (lambda folder: (folder / "manifest.json").write_bytes(b"\xff"), "not a bundle"),
        (change_manifest("parameters", {"p": 3}), "manifest.json was changed"),
        (change_manifest("schema", 2), "bundle format 2, this version reads 1"),
        (change_manifest("files", {}), "grid.npy was changed"),
    ],
)
def test_damage_is_named(tmp_path: Path, damage: Callable[[Path], object], message: str) -> None:
    folder = write(tmp_path / "b")
    damage(folder)
    with pytest.raises(StoreError, match=message):
        read_bundle(folder)


def test_a_table_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"the bundle holds no cells\.parquet"):
        read_bundle(write(tmp_path / "b")).table("cells")
