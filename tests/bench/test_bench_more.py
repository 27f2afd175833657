"""What a cohort takes on a cluster, and simulations beside the published way."""

from pathlib import Path
from typing import Any

import pytest

from ctc_core.bench import cluster, markdown, simulation
from ctc_core.bench.cluster import Costs, hours
from ctc_core.settings import Settings
from ctc_core.types import silent
from tests.support import ARITHMETIC, ProjectingEmbedder, ThresholdSegmenter, make_archive

COSTS = Costs(frame_seconds=0.4, owner_seconds=5.0, gigabytes=1.5, frames=175)


@pytest.mark.parametrize(
    ("workers", "disk", "alone", "together"),
    [
        (1, 100, 70 + 1.6 + 5, 70),
        (10, 100, 15, 15),  # the disk: 1,500 MB at 100 MB/s
        (10, 1000, 7 + 0.8 + 5, 7),
        (100, 1000, 0.7 + 0.2 + 5, 5),  # the owner
    ],
)
def test_hours_of_a_cohort(workers: int, disk: float, alone: float, together: float) -> None:
    assert hours(COSTS, 90, workers, disk) == pytest.approx((90 * alone / 3600, 90 * together / 3600))


class Networks:
    """Networks that need no weights."""

    def __init__(self, _settings: Settings) -> None:
        self.segmenter, self.embedder, self.lanes = ThresholdSegmenter(), ProjectingEmbedder(), 1
        self.arithmetic = ARITHMETIC


def test_a_plan_from_measured_costs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "Networks", Networks)
    archive = make_archive(tmp_path, "171651.1.2")
    found = cluster.measure(Settings(), archive, frames=4, repeats=3, disk_mb_s=100, progress=silent)
    size = sum(path.stat().st_size for path in archive.rglob("*.tif")) / 4 * 175
    cells = 6 * 175 // 4
    assert (found["data"], found["cells"], found["measured_frames"], found["repeats"]) == ("171651.1.2", cells, 4, 3)
    assert found["frame_seconds"]["median"] == found["costs"]["frame_seconds"]
    assert found["owner_seconds"]["min"] <= found["costs"]["owner_seconds"] <= found["owner_seconds"]["max"]
    assert found["costs"]["gigabytes"] == pytest.approx((size + 4 * cells * (3 * 48 * 48 + 512)) / 1e9)
    assert 0 < found["costs"]["frame_seconds"] < 5 and found["costs"]["owner_seconds"] > 0
    assert [(row["cartridges"], row["workers"]) for row in found["plan"]][:2] == [(90, 1), (90, 2)]
    costs = Costs(**found["costs"])
    assert all(
        (row["hours"], row["hours_side_by_side"]) == hours(costs, row["cartridges"], row["workers"], 100)
        for row in found["plan"]
    )
    assert " ".join(markdown.cluster({**found, "plan": found["plan"][:1]})[-1].split()).startswith("| 90 | 1 | ")


def test_simulations_become_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    turns: list[dict[str, Any]] = [
        {"serial_probability_s": serial, "ours_s": 2.0, "ratio": serial / 2, "same": same, "loops": 4, "workers": 2}
        for serial, same in ((8.0, True), (10.0, True), (6.0, False))
    ]
    monkeypatch.setattr(simulation.speed, "measure", lambda folder, seeds: turns.pop(0))
    (row,) = simulation.measure(seeds=20, repeats=3, progress=silent)["rows"]
    assert row == {
        "name": "sim1, 20 runs",
        "size": 2638,
        "seconds": 2.0,
        "baseline": 8.0,
        "ratio": {"median": 4.0, "min": 3.0, "max": 5.0},
        "note": "the records differ",
    }
