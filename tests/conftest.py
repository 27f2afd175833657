"""Fixtures of all rooms."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.small_store import build_small_store


@pytest.fixture
def small_store(tmp_path: Path) -> Callable[..., Path]:
    """`small_store(n_cells=40)` makes a data folder with one scored cartridge and returns it."""
    return lambda n_cells=40: build_small_store(tmp_path / "data", n_cells=n_cells)
