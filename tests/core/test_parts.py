"""Finished frames of a job, and who may still be adding to them."""

from pathlib import Path

import pandas as pd
import pytest

from ctc_core.parts import Part, Parts


def add(parts: Parts, frame: int) -> None:
    parts.add(frame, Part(frame, "read", "", (), 0), pd.DataFrame({"y": [1.0]}), {})


def test_frames_made_of_the_same_are_kept(tmp_path: Path) -> None:
    first = Parts.of(tmp_path / "parts", "archive and networks")
    add(first, 1)
    first.stop()
    again = Parts.of(tmp_path / "parts", "archive and networks")
    assert (again.finished(), again.stopped()) == ({1}, False)


def test_frames_made_of_something_else_are_thrown_away_and_stay_out(tmp_path: Path) -> None:
    """A worker that nobody can reach may go on with what was asked before."""
    late = Parts.of(tmp_path / "parts", "archive and networks")
    add(late, 1)
    now = Parts.of(tmp_path / "parts", "archive and other networks")
    assert late.stopped() and not now.stopped()
    with pytest.raises(OSError, match="parts"):
        add(late, 2)
    assert now.finished() == set()


def test_nothing_can_be_added_to_what_is_put_together(tmp_path: Path) -> None:
    parts = Parts.of(tmp_path / "parts", "archive and networks")
    add(parts, 1)
    (tmp_path / "parts.done").mkdir()  # left by a process that died while it cleared up
    (tmp_path / "parts.done" / "001.json").touch()
    parts.remove()
    assert parts.stopped() and list(tmp_path.iterdir()) == []
    with pytest.raises(OSError, match="parts"):
        add(parts, 2)
