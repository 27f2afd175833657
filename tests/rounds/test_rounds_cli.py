"""The commands as a script sees them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ctc_core.cli import main
from ctc_core.rounds import simulated_expert
from ctc_core.store import Store
from ctc_core.types import Label
from tests.mapped_store import kinds


def run(capsys: pytest.CaptureFixture[str], data: Path, *words: str, code: int = 0) -> Any:
    """Result of a command; messages where there is none."""
    with pytest.raises(SystemExit) as caught:
        main([*words, "--data", str(data), "--json"])
    captured = capsys.readouterr()
    assert (caught.value.code or 0) == code, captured.err
    lines = captured.out.strip().splitlines()
    return json.loads(lines[-1]) if lines else captured.err


def test_a_round_by_commands(capsys: pytest.CaptureFixture[str], mapped_store: Path) -> None:
    proposed = run(capsys, mapped_store, "propose", "--strategy", "margin", "-n", "7", "--seed", "2")
    assert list(proposed) == [
        "strategy", "summary", "notes", "encoder_id", "model_id", "map_id", "cluster", "predicted", "pool", "cells",
    ]  # fmt: skip
    assert (proposed["pool"], len(proposed["cells"]), proposed["notes"]) == (60, 7, [])
    assert list(proposed["cells"][0]) == ["cell_id", "cluster", "probability", "reason", "blind"]
    words = ("--strategy", "margin", "-n", "7", "--seed", "2", "--minutes", "5")
    started = run(capsys, mapped_store, "round", "start", *words)
    assert (started["state"], started["items"], started["minutes"]) == ("open", 7, 5.0)
    round_id = started["round_id"]
    with Store.open(mapped_store) as store:
        assert store.queue(round_id).cell_id.tolist() == [cell["cell_id"] for cell in proposed["cells"]]
        truth = {
            cell_id: Label.CTC if kind == 0 else Label.NON_CTC
            for name in ("T1", "T2")
            for cell_id, kind in zip(store.cells(name).cell_id, kinds(), strict=True)
        }
        simulated_expert(store, round_id, truth)
    finished = run(capsys, mapped_store, "round", "finish", round_id[:8])
    outcome = finished["outcome"]
    assert (finished["state"], finished["labelled"]) == ("finished", 7)
    assert run(capsys, mapped_store, "round", "replay", round_id) == {
        "model_id": finished["model_after"],
        "weights_sha256": outcome["weights_sha256"],
        "same": True,
    }
    used = run(capsys, mapped_store, "round", "activate", round_id, "--reason", "tried")
    assert used == {"active": finished["model_after"]}
    assert [row["round_id"] for row in run(capsys, mapped_store, "round", "list")] == [round_id]
    refused = run(capsys, mapped_store, "round", "finish", round_id, code=2)
    assert "is finished already. Start another one." in refused


def test_an_abandoned_round(capsys: pytest.CaptureFixture[str], mapped_store: Path) -> None:
    round_id = run(capsys, mapped_store, "round", "start", "--strategy", "random", "-n", "3")["round_id"]
    closed = run(capsys, mapped_store, "round", "abandon", round_id, "--reason", "called away")
    assert (closed["state"], closed["model_after"]) == ("abandoned", None)
    message = run(capsys, mapped_store, "round", "activate", round_id, "--reason", "x", code=2)
    assert "this round has no classifier" in message
    assert "zzz: 0 rounds have an id" in run(capsys, mapped_store, "round", "replay", "zzz", code=2)


def test_labels_go_and_come(capsys: pytest.CaptureFixture[str], mapped_store: Path, tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    assert run(capsys, mapped_store, "labels", "export", str(file)) == {"labels": 195, "out": str(file)}
    again = run(capsys, mapped_store, "labels", "import", str(file))
    assert again == {"rows": 195, "saved": 0, "already": 195, "bad": []}
    lines = file.read_text().splitlines()
    file.write_text("\n".join([*lines[:3], lines[3].replace("ctc", "tumour"), *lines[4:]]) + "\n")
    refused = run(capsys, mapped_store, "labels", "import", str(file), code=2)
    assert (refused["saved"], [row["line"] for row in refused["bad"]]) == (0, [4])
    taken = run(capsys, mapped_store, "labels", "import", str(file), "--partial")
    assert (taken["rows"], [row["line"] for row in taken["bad"]]) == (195, [4])
