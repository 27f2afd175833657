"""The commands of the map as a script sees them."""

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from ctc_core import cli_reliability, mapping
from ctc_core.cli import main
from ctc_core.jobs import Jobs, JobState
from ctc_core.store import Store
from tests.mapped_store import CELLS, PARAMETERS


def run(capsys: pytest.CaptureFixture[str], data: Path, *words: str, code: int = 0) -> Any:
    """Result of a command as a script reads it; its messages where it failed."""
    with pytest.raises(SystemExit) as caught:
        main([*words, "--data", str(data), "--json"])
    captured = capsys.readouterr()
    assert (caught.value.code or 0) == code, captured.err
    lines = captured.out.strip().splitlines()
    return json.loads(lines[-1]) if lines else captured.err


def test_map_then_reliability(
    capsys: pytest.CaptureFixture[str], unmapped_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert {row["cluster"] for row in run(capsys, unmapped_store, "candidates", "R1")} == {None}
    monkeypatch.setitem(mapping.here.__kwdefaults__, "parameters", PARAMETERS)
    made = run(capsys, unmapped_store, "map")
    assert list(made) == ["map_id", "encoder_id", "classifier_id", "clusters", "cells", "notes", "seconds"]
    assert (made["clusters"], made["cells"]["train"]) == (3, 120)
    found = run(capsys, unmapped_store, "reliability", "R1")
    assert (found["map_id"], found["cells"]["n"], len(found["clusters"])) == (made["map_id"], CELLS, 4)
    rows = run(capsys, unmapped_store, "candidates", "R1")
    assert rows and {row["cluster"] for row in rows} <= {-1, 0, 1, 2}
    out = tmp_path / "features"
    exported = run(capsys, unmapped_store, "export", "all", "--format", "features", "--out", str(out), "--no-images")
    assert (exported["cells"]["labelled_train"], (out / "images").exists()) == (120, False)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["map"], "No classifier is active. Label cells of training patients, then run: python -m ctc_core fit."),
        (["reliability", "R1"], "There is no map yet. Build one: python -m ctc_core map, or on the Reliability page."),
        (
            ["export", "R1", "--format", "features", "--out", "x"],
            "R1: the format 'features' is of all cells of the map",
        ),
    ],
)
def test_mistakes_are_sentences(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, words: list[str], sentence: str
) -> None:
    message = run(capsys, tmp_path / "data", *words, code=2)
    assert message.strip().splitlines()[-1].startswith(sentence)


def test_an_unknown_cartridge(capsys: pytest.CaptureFixture[str], mapped_store: Path) -> None:
    message = run(capsys, mapped_store, "reliability", "nope", code=2)
    assert message.strip() == "nope: no such cartridge in the store. Ingest its archive first."


def test_an_owner_that_does_nothing_is_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli_reliability, "TAKEN_UP", 0.2)
    with Store.open(tmp_path / "data"):
        message = run(capsys, tmp_path / "data", "map", code=2)
    assert "in use by process" in message.splitlines()[-1]
    (status,) = Jobs(tmp_path / "data").status()
    assert status.state.state == "cancelled"


def test_a_running_desk_builds_it(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    result = {"map_id": "m", "encoder_id": "e", "classifier_id": "c", "clusters": 2, "cells": {}, "notes": []}
    jobs = Jobs(tmp_path / "data")

    def desk() -> None:
        while not jobs.in_state("requested"):
            time.sleep(0.05)
        (job_id,) = jobs.in_state("requested")
        jobs.set_state(job_id, JobState("imported", result={**result, "seconds": 1.0}))

    with Store.open(tmp_path / "data"):
        thread = threading.Thread(target=desk, daemon=True)
        thread.start()
        assert run(capsys, tmp_path / "data", "map") == {**result, "seconds": 1.0}
        thread.join()
