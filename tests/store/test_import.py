import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ctc_core.errors import StoreError
from ctc_core.store import Store, projection, verify, write_bundle
from ctc_core.types import CROP_CHANNELS, Role

MakeBundle = Callable[..., Path]
ENCODER = "encoder-0"


@pytest.fixture
def train(store: Store) -> Store:
    """A store that knows the patients P1 (train) and P2 (test)."""
    store.add_patient("P1", Role.TRAIN, "ann", "s1")
    store.add_patient("P2", Role.TEST, "ann", "s1")
    return store


def test_everything_in_the_bundle_can_be_read(train: Store, make_bundle: MakeBundle) -> None:
    bundle = make_bundle("C1")
    assert train.add_bundle(bundle) == "C1"
    (cartridge,) = train.cartridges().to_dict("records")
    channels, notes = list(cartridge.pop("channels")), list(cartridge.pop("notes"))
    assert (channels, notes) == (["dapi", "ck", "cd45"], [])
    assert cartridge == {
        "cartridge_id": "C1",
        "pseudonym": "P1",
        "path_name": "archive-C1",
        "rows": 1,
        "cols": 2,
        "width": 1384,
        "height": 1036,
        "bottom_up": False,
        "frames": 2,
        "assigned_rule": "assigned",
        "status": "accepted",
        "bundle_id": cartridge["bundle_id"],
        "segmenter_id": "segmenter-0",
        "encoder_id": ENCODER,
        "imported_at": cartridge["imported_at"],
        "role": "train",
        "cells": 3,
        "events": 2,
        "assigned": 1,
        "quarantined_frames": 1,
        "decided": 0,
    }
    frames = train.frames("C1")
    assert [list(flags) for flags in frames.pop("flags")] == [["all-black:ck"], []]
    assert frames.astype(object).where(frames.notna(), None).to_numpy().tolist() == [
        [1, "read", None],
        [2, "quarantined", "no pages"],
    ]
    events = train.events("C1")
    assert events.drop(columns="numselected").to_dict("records") == [
        {"rid": "0", "frame": 1, "x0": 10, "y0": 20, "x1": 30, "y1": 40, "assigned": True, "crop_index": 0},
        {"rid": "1", "frame": 1, "x0": 11, "y0": 20, "x1": 30, "y1": 40, "assigned": False, "crop_index": 1},
    ]
    assert events["numselected"].isna().all()
    assert train.quarantined_events("C1").to_dict("records") == [{"rid": "bad", "reason": "no box"}]
    assert train.patients().to_dict("records") == [
        {"pseudonym": "P1", "role": "train", "cartridges": 1},
        {"pseudonym": "P2", "role": "test", "cartridges": 0},
    ]
    assert not bundle.exists()
    assert (train.folder / "bundles" / cartridge["bundle_id"] / "manifest.json").is_file()


def test_cells_crops_and_vectors_share_their_order(train: Store, make_bundle: MakeBundle) -> None:
    train.add_bundle(make_bundle("C1"))
    cells = train.cells("C1")
    assert cells.iloc[2].to_dict() == {
        "cell_id": "C1-001-0102-0050",
        "frame": 1,
        "y": 102.0,
        "x": 50.0,
        **dict.fromkeys(("diameter_um", "area_um2", "eccentricity"), 2.0),
        "probability": 0.5,
        "at_border": False,
        **{f"{channel}_{what}": 2.0 for channel in CROP_CHANNELS for what in ("mean", "max", "sd", "background")},
        "crop_index": 2,
    }
    polygon = train.cells("C1", polygons=True)["polygon"][2]
    assert [vertex.tolist() for vertex in polygon] == [[2, 0], [0, 1], [1, 1]]
    ids, vectors = train.vectors("C1", ENCODER)
    assert ids == tuple(cells["cell_id"])
    assert (vectors.dtype, vectors.shape, vectors[:, 7].tolist()) == (np.float32, (3, 128), [0, 1, 2])
    crops = train.crops("C1")
    assert isinstance(crops, np.memmap)
    assert (crops.dtype, crops.shape, crops[:, 0, 0, 0].tolist()) == (np.uint8, (3, 3, 48, 48), [0, 1, 2])
    assert train.event_crops("C1").shape == (2, 3, 48, 48)
    assert train.vectors("C1", "another")[1].shape == (0, 128)


def test_rows_in_another_order_keep_their_vectors(train: Store, make_bundle: MakeBundle, tmp_path: Path) -> None:
    tables, arrays = _content(make_bundle("C1"))
    tables["cells"] = tables["cells"].iloc[::-1]
    train.add_bundle(_write(tmp_path / "turned", tables, arrays))
    ids, vectors = train.vectors("C1", ENCODER)
    assert ids == ("C1-001-0100-0050", "C1-001-0101-0050", "C1-001-0102-0050")
    assert vectors[:, 0].tolist() == [0, 1, 2]


def test_a_cartridge_without_a_cell_or_event(train: Store, make_bundle: MakeBundle) -> None:
    train.add_bundle(make_bundle("C1", cells=0, events=0))
    assert train.cartridges()[["cells", "events", "assigned"]].to_numpy().tolist() == [[0, 0, 0]]
    assert (len(train.cells("C1")), train.crops("C1").shape) == (0, (0, 3, 48, 48))
    assert verify(train).ok


def test_the_same_bundle_again_is_harmless(train: Store, make_bundle: MakeBundle) -> None:
    train.add_bundle(make_bundle("C1"))
    before = (train.journal.head, train.revision(), train.cartridges()["imported_at"][0])
    assert train.add_bundle(make_bundle("C1")) == "C1"
    kept = train.folder / "bundles" / train.cartridges()["bundle_id"][0]
    assert train.add_bundle(kept) == "C1"
    assert before == (train.journal.head, train.revision(), train.cartridges()["imported_at"][0])


def test_another_bundle_of_a_known_cartridge_is_refused(train: Store, make_bundle: MakeBundle) -> None:
    train.add_bundle(make_bundle("C1"))
    with pytest.raises(
        StoreError, match=r"C1: already in the store, from bundle cartridge-\w{16}; .* Keep it, or ingest"
    ):
        train.add_bundle(make_bundle("C1", note="again"))


def nothing_written(store: Store, head: tuple[int, str]) -> bool:
    folders = [path for name in ("crops", "bundles") for path in (store.folder / name).glob("*")]
    return store.journal.head == head and store.cartridges().empty and not folders


@pytest.mark.parametrize("name", ["crops.npy", "cells.parquet", "manifest.json"])
def test_a_damaged_bundle_leaves_nothing(train: Store, make_bundle: MakeBundle, name: str) -> None:
    head, bundle = train.journal.head, make_bundle("C1")
    content = bytearray((bundle / name).read_bytes())
    content[len(content) // 2] ^= 1
    (bundle / name).write_bytes(content)
    with pytest.raises(StoreError, match=r"Make (the bundle|it) again"):
        train.add_bundle(bundle)
    assert nothing_written(train, head)


def test_an_unknown_patient_is_refused(train: Store, make_bundle: MakeBundle) -> None:
    head = train.journal.head
    with pytest.raises(StoreError, match="P9: no such patient in the store"):
        train.add_bundle(make_bundle("C1", "P9"))
    assert nothing_written(train, head)


def _content(bundle: Path) -> tuple[dict[str, pd.DataFrame], dict[str, np.ndarray]]:
    tables = {path.stem: pd.read_parquet(path, dtype_backend="pyarrow") for path in bundle.glob("*.parquet")}
    return tables, {path.stem: np.load(path) for path in bundle.glob("*.npy")}


def _write(
    folder: Path, tables: dict[str, pd.DataFrame], arrays: dict[str, np.ndarray], kind: str = "cartridge"
) -> Path:
    return write_bundle(folder, kind=kind, parameters={}, inputs={}, tables=tables, arrays=arrays)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t, a: t["cells"].pop("ck_mean"), "table cells does not fit the store"),
        (lambda t, a: t["cells"].__setitem__("y", "here"), "table cells does not fit the store"),
        (lambda t, a: t["cells"].__setitem__("crop_index", 0), "crop_index of cells must number the rows of crops"),
        (lambda t, a: t["cells"].__setitem__("cell_id", "same"), "Constraint Error"),
        (lambda t, a: t["cartridge"].__setitem__("status", "perhaps"), "Constraint Error"),
        (lambda t, a: t["cartridge"].__setitem__("cartridge_id", "../C1"), "whose id is letters, digits"),
        (
            lambda t, a: a.update(crops=a["crops"][:2]),
            r"crops is uint8 \(2, 3, 48, 48\), must be uint8 \(3, 3, 48, 48\)",
        ),
        (lambda t, a: a.update(vectors=a["vectors"].astype(float)), "vectors is float64"),
        (lambda t, a: a.pop("event_crops"), r"the bundle holds no event_crops\.npy"),
        (lambda t, a: t.pop("events"), r"the bundle holds no events\.parquet"),
    ],
)
def test_content_that_does_not_fit_leaves_nothing(
    train: Store, make_bundle: MakeBundle, tmp_path: Path, change: Callable[..., object], message: str
) -> None:
    head = train.journal.head
    tables, arrays = _content(make_bundle("C1"))
    change(tables, arrays)
    with pytest.raises(StoreError, match=message):
        train.add_bundle(_write(tmp_path / "odd", tables, arrays))
    assert nothing_written(train, head)


def test_a_bundle_of_another_kind_is_refused(train: Store, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="a bundle of kind map, not of a cartridge"):
        train.add_bundle(_write(tmp_path / "map", {}, {}, kind="map"))


def test_a_disk_without_links_gets_copies(
    train: Store, make_bundle: MakeBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr("os.link", refuse)
    train.add_bundle(make_bundle("C1"))
    assert (train.folder / "crops" / "C1.npy").stat().st_nlink == 1
    assert verify(train).ok


def test_a_failed_import_leaves_the_bundle_where_it_was(train: Store, make_bundle: MakeBundle) -> None:
    train.add_bundle(make_bundle("C1"))
    tables, arrays = _content(next((train.folder / "bundles").iterdir()))
    tables["cartridge"]["cartridge_id"] = "C2"  # but cells with the ids of C1's
    bundle = _write(train.folder.parent / "clash", tables, arrays)
    head = train.journal.head
    with pytest.raises(StoreError, match="Constraint Error"):
        train.add_bundle(bundle)
    assert (bundle / "manifest.json").is_file()
    assert (train.journal.head, list(train.cartridges()["cartridge_id"])) == (head, ["C1"])


def test_an_import_cut_off_after_the_journal_is_finished_later(
    train: Store, make_bundle: MakeBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    bundle = make_bundle("C1")
    with monkeypatch.context() as patch:
        patch.setattr(projection, "record", crash)
        with pytest.raises(KeyboardInterrupt):
            train.add_bundle(bundle)
    assert train.cartridges().empty
    head = train.journal.head
    train.add_patient("P3", Role.TRAIN, "ann", "s1")
    assert (train.journal.head[0], len(train.cells("C1"))) == (head[0] + 1, 3)
    assert verify(train).ok


def test_a_whole_cartridge_of_15000_cells(train: Store, make_bundle: MakeBundle) -> None:
    train.add_bundle(make_bundle("C1", cells=15_000, events=300))
    assert train.cartridges()[["cells", "events"]].to_numpy().tolist() == [[15_000, 300]]
    ids, vectors = train.vectors("C1", ENCODER)
    assert ids[14_999] == "C1-001-15099-0050"
    assert np.array_equal(vectors[:, 127], np.arange(15_000))


def test_an_unknown_cartridge_has_no_crops(store: Store) -> None:
    with pytest.raises(StoreError, match="C9: no such cartridge in the store"):
        store.crops("C9")
    assert len(store.cells("C9")) == 0


def test_a_folder_moves_to_another_machine(filled: Path, tmp_path: Path) -> None:
    shutil.copytree(filled, tmp_path / "moved")
    shutil.rmtree(filled)
    with Store.open(tmp_path / "moved") as store:
        assert len(store.crops("C1")) == 3
        assert verify(store).ok
