"""Fixtures of all rooms."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.mapped_store import build_mapped_store, build_unmapped_store
from tests.small_store import build_small_store


@pytest.fixture(scope="session", autouse=True)
def _away_from_the_desks_own_data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What forgets to say where its data lie, a page that outlives its test say, finds a folder of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CTC_DATA_DIR", str(tmp_path_factory.mktemp("unnamed") / "data"))
        yield


@pytest.fixture
def small_store(tmp_path: Path) -> Callable[..., Path]:
    """`small_store(n_cells=40)` makes a data folder with one scored cartridge and returns it."""
    return lambda n_cells=40: build_small_store(tmp_path / "data", n_cells=n_cells)


@pytest.fixture(scope="session")
def _stores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built once, copied by the next two."""
    folder = tmp_path_factory.mktemp("stores")
    build_unmapped_store(folder / "unmapped")
    shutil.copytree(folder / "unmapped", folder / "mapped")
    build_mapped_store(folder / "mapped")
    return folder


@pytest.fixture
def unmapped_store(_stores: Path, tmp_path: Path) -> Path:
    """A data folder with labels and a classifier."""
    return Path(shutil.copytree(_stores / "unmapped", tmp_path / "data"))


@pytest.fixture
def mapped_store(_stores: Path, tmp_path: Path) -> Path:
    """A data folder with a map of three clusters."""
    return Path(shutil.copytree(_stores / "mapped", tmp_path / "data"))
