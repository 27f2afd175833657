"""Archives: they open again, carry the events, and the truth beside them fits the pixels."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ctc_core.cartridge import open_cartridge, restore
from ctc_core.errors import SettingsError
from ctc_core.simulate import simulate
from ctc_core.simulate.sheet import sheet
from ctc_core.types import Channel

SMALL = {"width": 120, "height": 100}


def hashes(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_archives_open_with_their_events(cohort):
    out, paths = cohort
    assert len(paths) == len({path.name for path in paths}) == 2
    for path in paths:
        cartridge = open_cartridge(path)
        sidecar = json.loads((out / "truth" / f"{path.name}.json").read_text())
        assert (cartridge.id, cartridge.grid.rows, cartridge.grid.cols) == (path.name, 2, 3)
        assert sorted(sidecar["events"], key=int) == [event.rid for event in cartridge.events]
        assert cartridge.quarantined_events == () and any(event.assigned for event in cartridge.events)
        assert 16 <= sidecar["patient"]["ctcs"] <= 143


def test_truth_fits_the_pixels_of_the_archive(cohort):
    out, paths = cohort
    cartridge = open_cartridge(paths[0])
    truth = pd.read_parquet(out / "truth" / f"{paths[0].name}.parquet")
    assert truth[truth.is_ctc].object_id.nunique() == 30
    for number in cartridge.frame_numbers:
        frame = cartridge.read(number)
        ck = restore(frame, Channel.CK)
        whole = truth[(truth.frame == number) & truth.ck_positive & ~truth.cut_by_border]
        there = np.array(
            [ck[int(y) - 2 : int(y) + 3, int(x) - 2 : int(x) + 3].max() for y, x in whole[["y", "x"]].to_numpy()]
        )
        step = np.ptp(ck) / 255
        assert (there > np.median(ck) + min(step, 20)).mean() > 0.9


def test_a_cell_cut_by_a_border_is_in_both_frames(cohort):
    out, paths = cohort
    truth = pd.concat([pd.read_parquet(out / "truth" / f"{path.name}.parquet") for path in paths], keys=range(2))
    twice = truth[truth.duplicated(subset=["object_id"], keep=False) & truth.cut_by_border]
    both = truth.groupby([truth.index.get_level_values(0), "object_id"]).frame.nunique()
    assert len(twice) > 0 and (both > 1).any()


def test_same_arguments_same_bytes(tmp_path):
    simulate(tmp_path / "a", cartridges=1, frames=2, seed=9, **SMALL)
    simulate(tmp_path / "b", cartridges=1, frames=2, seed=9, **SMALL)
    simulate(tmp_path / "c", cartridges=1, frames=2, seed=10, **SMALL)
    assert hashes(tmp_path / "a") == hashes(tmp_path / "b")
    assert set(hashes(tmp_path / "a").values()).isdisjoint(
        {h for name, h in hashes(tmp_path / "c").items() if name.endswith(".tif")}
    )


def test_variant_is_written_and_read(tmp_path):
    (path,) = simulate(tmp_path, cartridges=1, frames=1, seed=1, variant="nested", **SMALL)
    assert (path / path.name / "processed").is_dir() and open_cartridge(path).grid.frames == 1


def test_progress_counts_every_frame(tmp_path):
    seen = []
    simulate(tmp_path, cartridges=2, frames=2, seed=3, progress=lambda *step: seen.append(step[:2]), **SMALL)
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"variant": "nonsense"}, "variant nonsense: unknown"),
        ({"frames": 0}, "0 frames"),
        ({"cartridges": 0}, "0 cartridges"),
        ({"ctcs": (5, 2)}, "not a range"),
    ],
)
def test_bad_arguments_get_a_sentence(tmp_path, arguments, words):
    with pytest.raises(SettingsError, match=words):
        simulate(tmp_path, **({"cartridges": 1, "frames": 1, "seed": 1} | arguments), **SMALL)
    assert list(tmp_path.iterdir()) == []


def test_an_archive_is_never_overwritten(tmp_path):
    simulate(tmp_path, cartridges=1, frames=1, seed=1, **SMALL)
    with pytest.raises(SettingsError, match="is there already"):
        simulate(tmp_path, cartridges=1, frames=1, seed=1, **SMALL)


def test_sheet_is_a_png(tmp_path):
    real = tmp_path / "real.npz"
    np.savez(real, crops=np.zeros((2, 3, 48, 48), np.uint8))
    path = sheet(tmp_path / "sheet.png", real, per_kind=1, crops_drawn=48)
    assert path.read_bytes().startswith(b"\x89PNG") and path.stat().st_size > 10_000
