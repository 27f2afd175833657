"""A few faults of every kind; `make faults` makes hundreds of them. Nothing acknowledged may be lost or doubled."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults import disk_full, flips, ingest_crashes, power, reopening, server_kills, two_owners
from tests.faults.outcome import Outcome, build, fresh_copy, table


def check(outcomes: list[Outcome], *, at_least: int) -> None:
    print(table(outcomes))
    assert [outcome.other for outcome in outcomes] == [[] for _ in outcomes]
    assert sum(outcome.faults for outcome in outcomes) >= at_least
    assert all((outcome.lost, outcome.doubled) == (0, 0) and outcome.acknowledged for outcome in outcomes)


@pytest.mark.parametrize(
    ("faults", "at_least"),
    [
        (lambda folder: flips.run(folder, flips=8, seed=1), 8),
        (lambda folder: power.run(folder, cuts=8, steps=12, seed=1), 8),
        (lambda folder: disk_full.run(folder, times=1, seed=1), 1),
        (lambda folder: two_owners.run(folder, processes=2, turns=2), 0),
        (lambda folder: ingest_crashes.run(folder, every=25), 3),
        (lambda folder: reopening.run(folder, labels=600, cells=60), 3),
        (lambda folder: server_kills.run(folder, kills=2, seed=1), 2),
    ],
    ids=["flips", "power", "disk", "owners", "ingest", "reopening", "server"],
)
def test_faults(tmp_path: Path, faults: Callable[[Path], list[Outcome]], at_least: int) -> None:
    check(faults(tmp_path), at_least=at_least)


def test_what_is_lost_and_doubled_is_counted(tmp_path: Path) -> None:
    """The suite itself can fail: decisions that are not there, and one journal line too many."""
    ids = build(tmp_path / "data", 5)
    outcome = Outcome("none")
    outcome.look_at(fresh_copy(tmp_path / "data", tmp_path / "copy"), [*ids, "gone", "lost"])
    assert (outcome.faults, outcome.lost, outcome.doubled, outcome.other) == (1, 2, 0, [])
    assert not outcome.clean
    assert "| none | 1 | 0 | 2 | 0 | 0 |" in table([outcome])


def test_a_power_cut_tears_what_was_not_synced() -> None:
    """Of a file that was synced nothing is taken; of another, pages of the old or the new are left."""
    old, new = b"o" * 9000, b"n" * 20_000
    before = power.Step(("a",), {"journal/x": old, "store.duckdb": b"1"}, {})
    after = power.Step(("b",), {"journal/x": new, "store.duckdb": b"2"}, {"journal/x": new, "store.duckdb": b"2"})
    left = [power.cut(before, after, random.Random(seed)) for seed in range(200)]
    assert {files["journal/x"] for files in left} > {old, new}
    assert {files["store.duckdb"] for files in left} == {b"1", b"2"}
    assert all(files["journal/x"] == new for files in left if files["store.duckdb"] == b"2")
