"""A mapped store with decisions, opened; its review patient R1 is what most exports are of."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ctc_core.store import Store
from ctc_core.types import Decision, Label
from tests.mapped_store import label

FORMULA = '=HYPERLINK("http://example.org")'
"""A reason that a spreadsheet would run; it must not leave the store at all."""


@pytest.fixture(scope="module")
def store(_stores: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Read only. R1: cells 0 and 1 are CTCs, 2 non-CTC, 3 unsure; the first event without a cell is a CTC."""
    data = Path(shutil.copytree(_stores / "mapped", tmp_path_factory.mktemp("exports") / "data"))
    with Store.open(data) as opened:
        for number, value in enumerate((Label.CTC, Label.CTC, Label.NON_CTC, Label.UNSURE)):
            label(opened, "R1", number, value)
        opened.decide([Decision("lone", "R1", None, lone_event(opened), Label.CTC, "anna", "tests", FORMULA)])
        yield opened


def lone_event(store: Store) -> str:
    """The last event of R1: the bundle's last third lies alone."""
    return str(store.events("R1").rid.iloc[-1])
