"""Run a command of `python -m ctc_core` within the test's process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ctc_core.cli import main


def run(capsys: pytest.CaptureFixture[str], data: Path, *words: str, code: int = 0) -> Any:
    """What the command prints as JSON; its message where it ends with another exit code than 0."""
    with pytest.raises(SystemExit) as caught:
        main([*words, "--data", str(data), "--json"])
    captured = capsys.readouterr()
    assert (caught.value.code or 0) == code, captured.err
    return json.loads(captured.out.strip().splitlines()[-1]) if code == 0 else captured.err.strip()
