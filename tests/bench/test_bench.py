"""What the bench measures with: times without what lies within, ratios turn by turn, cells compared by their boxes."""

import time
from pathlib import Path

import numpy as np
import pytest

from ctc_core.bench import agreement, desk, markdown
from ctc_core.bench.agreement import same_cells
from ctc_core.bench.cartridge import grown, way
from ctc_core.bench.child import boxes, measure
from ctc_core.bench.loop import timed
from ctc_core.bench.made import centres, labelled_vectors, make_cartridge
from ctc_core.bench.repeated import repeat
from ctc_core.bench.stopwatch import Stopwatch
from ctc_core.cartridge import open_cartridge
from ctc_core.count_memory import kept
from ctc_core.errors import UserError
from ctc_core.settings import Runtime, Settings
from ctc_core.store import Store
from ctc_core.types import Role, silent
from tests.support import ThresholdSegmenter, make_archive


class Work:
    """Something with stages."""

    def outer(self) -> str:
        time.sleep(0.03)
        return self.inner()

    def inner(self) -> str:
        time.sleep(0.06)
        return "done"


def test_a_stage_does_not_count_what_is_timed_within_it() -> None:
    watch, work = Stopwatch(), Work()
    with watch.watching((Work, "outer", "a"), (Work, "inner", "b")):
        assert work.outer() == "done"
    work.outer()  # no longer watched
    assert set(watch.seconds) == {"a", "b"}
    assert 0.03 <= watch.seconds["a"] < watch.seconds["b"] + 0.03
    assert watch.seconds["b"] >= 0.06
    assert 10 < watch.peak_mb["b"] <= watch.peak_mb["a"] < 20_000


def run(seconds: float, cpu: float, stages: dict[str, float]) -> dict[str, object]:
    found = {"frames": 2, "seconds": seconds, "cpu": cpu, "cells": 100, "peak_mb": 500.0, "stages": stages}
    return {**found, "stage_peak_mb": {name: 100 * taken for name, taken in stages.items()}}


def test_ratios_are_taken_turn_by_turn() -> None:
    plain = [run(20.0, 40.0, {"a": 19.0}), run(30.0, 50.0, {"a": 29.0}), run(24.0, 40.0, {"a": 23.0})]
    ours = [run(2.0, 4.0, {"a": 1.0, "b": 1.0}), run(2.0, 5.0, {"a": 1.0}), run(3.0, 4.0, {"a": 2.0, "b": 0.5})]
    assert way(ours, plain) == {
        "seconds": 2.0,
        "cells": 100.0,
        "cpu": 4.0,
        "cells_per_second": 50.0,
        "full_cartridge_seconds": 175.0,
        "peak_mb": 500.0,
        "times_faster": {"median": 10.0, "min": 8.0, "max": 15.0},
        "times_less_cpu": {"median": 10.0, "min": 10.0, "max": 10.0},
        "stages": {"a": 1.0, "b": 0.5},
        "stage_peak_mb": {"a": 200.0, "b": 100.0},
    }
    assert grown(ours) == {"frames": 2, "cells": 100, "seconds": 2.0, "seconds_per_frame": 1.0, "peak_mb": 500.0}


SQUARE = np.array([[0.0, 0, 20, 20], [50, 50, 70, 70]])


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (SQUARE + 0.5, {"cells": 2, "f1": 1.0, "within_1_px": 1.0, "p99_px": 0.5}),
        (SQUARE[:1], {"cells": 2, "f1": 2 / 3, "within_1_px": 1.0, "p99_px": 0.0}),
        (np.add(SQUARE, [[0, 0, 0, 0], [9, 9, 9, 9]]), {"cells": 2, "f1": 0.5, "within_1_px": 1.0, "p99_px": 0.0}),
        (np.zeros((0, 4)), {"cells": 2, "f1": 0.0, "within_1_px": 1.0, "p99_px": 0.0}),
    ],
)
def test_cells_are_the_same_where_their_boxes_are(other: np.ndarray, expected: dict[str, float]) -> None:
    assert same_cells([SQUARE], [other]) == pytest.approx(expected)


def test_boxes_of_polygons() -> None:
    polygons = np.array([[[1, 5], [4, 2], [3, 9]]], np.float32)
    assert boxes(polygons).tolist() == [[1, 2, 4, 9]]
    assert boxes(polygons[:0]).shape == (0, 4)


def test_both_runtimes_are_asked_for_the_cells_of_every_frame(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def load(name: str, *, threads: int, runtime: Runtime) -> ThresholdSegmenter:
        asked.append(runtime)
        return ThresholdSegmenter()

    monkeypatch.setattr(agreement.Segmenter, "load", load)
    found = agreement.segmenters(Settings(), open_cartridge(make_archive(tmp_path, "171651.1.2")))
    assert (found, asked) == (
        {"cells": 6, "f1": 1.0, "within_1_px": 1.0, "p99_px": 0.0},
        [Runtime.EXACT, Runtime.OPENVINO],
    )


def test_a_result_becomes_tables() -> None:
    plain, ours = [run(20.0, 40.0, {"network": 15.0, "embed": 5.0})], [run(2.0, 4.0, {"network": 1.0})]
    about = {"cpu": "C", "cores": 2, "load": 0.1, "runtime": "openvino", "precision": "f32"}
    vectors = {"crops": 9, "cosine_mean": 1.0, "cosine_min": 0.9, "f1": 0.8, "f1_exact": 0.8, "p_mean": 0.0}
    ways = {
        "plain": {**way(plain, plain), "gflop": {"frame": 150.0, "cell": 4.0}},
        "ours": {**way(ours, plain), "gflop": {"frame": 40.0, "cell": 0.2}},
    }
    placing = {"plain-map": way(plain, plain), "map": way(ours, plain)}
    result = {
        "machine": {**about, "gflops_product": 150.0, "gflops_convolution": 160.0},
        "data": "simulated frames", "frames": 2, "cells": 100, "repeats": 1, "labelled": 2638,
        "ways": ways, "placing": placing, "growth": [grown(ours)],
        "same_cells": same_cells([SQUARE], [SQUARE]), "same_vectors": {**vectors, "p_max": 0.0, "calls_changed": 0},
    }  # fmt: skip
    lines = markdown.cartridge(result)
    assert [
        " ".join(line.split()) for line in lines if line.startswith(("| desk", "| network", "| embed", "| 2 "))
    ] == [
        "| desk | 2.00 | 4.00 | 50 | 175 | 500 | 10.0 (10.0-10.0) | 10.0 (10.0-10.0) |",
        "| network | 15.00 (75%) | 7 | 1500 | 1.00 (100%) | 100 | 100 |",
        "| embed | 5.00 (25%) | 20 | 500 | - | - | - |",
        "| network | 15.00 (75%) | 7 | 1500 | 1.00 (100%) | 100 | 100 |",
        "| embed | 5.00 (25%) | 20 | 500 | - | - | - |",
        "| 2 | 100 | 2.00 | 1000 | 500 |",
        "| desk | 40.0 | 0.20 | 8.8 | 55 | 175 |",
    ]
    assert "Map of 2,638 made-up labelled cells, 100 others placed on it" in " ".join(lines)


def test_a_few_frames_make_a_cartridge_of_any_length(tmp_path: Path) -> None:
    source = open_cartridge(make_archive(tmp_path, "171651.1.2"))
    long = repeat(source, 9)
    assert list(long.frame_numbers) == list(range(1, 10))
    assert long.read(6).number == 6
    np.testing.assert_array_equal(long.read(6).stretched, source.read(2).stretched)


def test_a_way_is_measured_with_its_stages(tmp_path: Path) -> None:
    class Reads:
        def run(self, cartridge, watch):
            with watch.stage("read"):
                return [len(cartridge.read(number).stretched) for number in cartridge.frame_numbers]

    found = measure(Reads(), repeat(open_cartridge(make_archive(tmp_path, "1.2.3")), 5))
    assert (found["frames"], found["cells"], list(found["stages"])) == (5, 20, ["read"])
    assert list(found["stage_peak_mb"]) == ["read"]
    assert found["seconds"] >= found["stages"]["read"] > 0 and found["peak_mb"] > 10


def test_ours_is_timed_in_turn_with_the_plain_way() -> None:
    calls: list[str] = []
    row = timed("x", 3, lambda: calls.append("o"), 2, plain=lambda: calls.append("p"))
    assert calls == ["o", "o", "p", "o", "p"]
    assert set(row) == {"name", "size", "seconds", "note", "baseline", "ratio"}
    assert markdown.timings({"rows": [{**row, "seconds": 0.002}], "about": "a"})[2].startswith("| x    | 3    | 2.0 |")


def test_made_labels_can_be_learned() -> None:
    vectors, labels = labelled_vectors(200, seed=4)
    nearest = ((vectors[:, None] - centres()[None]) ** 2).sum(axis=2).argmin(axis=1)
    assert ((nearest < 3) == labels).mean() > 0.95 and 0.1 < labels.mean() < 0.5


def test_a_made_cartridge_is_one_for_the_store(tmp_path: Path) -> None:
    with Store.open(tmp_path / "data") as store:
        store.add_patient("p", Role.REVIEW, "bench", "bench")
        store.add_bundle(make_cartridge(tmp_path / "bundle", "c1", "p", 40, seed=1))
        assert len(store.cells("c1")) == 40 and store.crops("c1").shape == (40, 3, 48, 48)
        assert store.vectors("c1", "made")[1].shape == (40, 128)


def test_the_pages_questions_are_asked_of_a_made_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its map, which takes long to fit."""
    monkeypatch.setattr(desk.mapping, "here", lambda *_, **__: None)
    monkeypatch.setattr(desk, "_place", lambda *_: None)
    monkeypatch.setattr(desk, "start_row", lambda _repeats: {"name": "s", "size": 0, "seconds": 9.0, "note": ""})
    desk.make_store(tmp_path / "data", 900, silent)
    with pytest.raises(UserError, match="a store already"):
        desk.make_store(tmp_path / "data", 900, silent)
    found = desk.measure(tmp_path / "data", 1, silent)
    assert found["about"].startswith("900 cells in 3 cartridges")
    assert [row["name"] for row in found["rows"]][:2] == ["all pages: cartridges", "candidates: rows"]
    assert all(row["first"] > 0 and "again" in row["note"] for row in found["rows"][:-1])


def test_a_decision_is_pretended_and_never_written(tmp_path: Path) -> None:
    with Store.open(tmp_path / "data") as store:
        revision, made = store.revision(), []
        row = desk.asked_row(store, "q", 5, lambda: kept(store, "q", store.revision(), lambda: made.append(1)), 3)
        assert (row["name"], row["size"], len(made), store.revision()) == ("q", 5, 1 + 3, revision)
        with desk.next_revision(store) as decide:
            decide()
            assert store.revision() == revision + 1
        assert len(store.audit()) == 0
