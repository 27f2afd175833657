"""A desk whose database was lost: the first page already shows what the classifier says."""

from __future__ import annotations

from pathlib import Path

import pytest

from ctc_core.matched import candidates
from ctc_core.settings import Settings
from ctc_core.store import Store
from ctc_core.ui.desk import Desk


def test_a_store_that_was_filled_again_is_scored_before_the_first_page(
    mapped_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store.open(mapped_store) as store:
        before = candidates(store, "R1", 0.5).probability.tolist()
    for file in mapped_store.glob("store.duckdb*"):
        file.unlink()
    monkeypatch.setenv("CTC_DATA_DIR", str(mapped_store))
    monkeypatch.setattr(Desk, "_look_after_jobs", lambda self: None)
    desk = Desk(Settings())
    try:
        after = candidates(desk.store, "R1", 0.5).probability.tolist()
    finally:
        desk.close()
    assert before and after == pytest.approx(before, nan_ok=True)
