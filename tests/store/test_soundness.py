"""A damaged database file is known before it is opened, wherever the damage is."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from ctc_core.errors import StoreBusy, StoreError
from ctc_core.store import Store, verify
from ctc_core.store.soundness import damage
from ctc_core.types import Decision, Label

HEADERS, BLOCK = 3 * 4096, 262_144
CELL = "C1-001-0100-0050"


def flip(path: Path, position: int) -> None:
    with path.open("r+b") as file:
        file.seek(position)
        (byte,) = file.read(1)
        file.seek(position)
        file.write(bytes([byte ^ 4]))


def test_what_duckdb_writes_is_sound(filled: Path, tmp_path: Path) -> None:
    """Also with large tables, deleted rows and several checkpoints: the sums are DuckDB's own."""
    assert damage(filled / "store.duckdb") is None
    with duckdb.connect(tmp_path / "large.duckdb") as connection:
        connection.execute("CREATE TABLE t (i INTEGER PRIMARY KEY, x DOUBLE, s VARCHAR)")
        for start in (0, 100_000):
            connection.execute(
                "INSERT INTO t SELECT i, sqrt(i), 'name ' || i FROM range(?, ?) r(i)", [start, start + 100_000]
            )
            connection.execute("CHECKPOINT")
            connection.execute("DELETE FROM t WHERE i % 3 = 0")
    assert (tmp_path / "large.duckdb").stat().st_size > HEADERS + 10 * BLOCK
    assert damage(tmp_path / "large.duckdb") is None


def test_damage_is_found_wherever_it_is(filled: Path) -> None:
    path = filled / "store.duckdb"
    whole = path.read_bytes()
    positions = [2, 100, 4096 + 9, 8192 + 4000, *range(HEADERS + 5, len(whole), BLOCK // 2)]
    for position in positions:
        flip(path, position)
        assert damage(path) is not None, position
        path.write_bytes(whole)
    os.truncate(path, len(whole) - BLOCK)
    expected = (len(whole) - HEADERS) // BLOCK
    assert damage(path) == f"only {expected - 1} of {expected} blocks are there"
    path.write_bytes(b"something else")
    assert damage(path) is None  # DuckDB itself says so


@pytest.mark.parametrize("block", range(0, 20, 3))
def test_a_flipped_bit_in_any_block_costs_nothing(filled: Path, block: int) -> None:
    with Store.open(filled) as store:
        store.decide([Decision(f"d{i}", "C1", CELL, None, Label.CTC, "ann", "s1") for i in range(5)])
        before = (store.decisions(), store.cells("C1").to_dict("records"), store.audit().to_dict("records"))
    path = filled / "store.duckdb"
    blocks = (path.stat().st_size - HEADERS) // BLOCK
    flip(path, HEADERS + block % blocks * BLOCK + 1000)
    with Store.open(filled) as store:
        assert (store.decisions(), store.cells("C1").to_dict("records"), store.audit().to_dict("records")) == before
        assert store.decide([Decision("more", "C1", CELL, None, Label.UNSURE, "ann", "s1")]) == ("more",)
        assert verify(store).ok


def test_trouble_in_the_middle_of_the_work_is_remembered(filled: Path) -> None:
    """A block that goes bad after opening: the next start does not trust the file."""
    with Store.open(filled) as store, pytest.raises(StoreError, match="restart the desk"), store._database.read():
        raise duckdb.IOException("Corrupt database file: computed checksum 1 does not match stored checksum 2")
    with Store.open(filled) as store:
        assert verify(store).ok
    assert len(list(filled.glob("store.duckdb.broken-*"))) == 1
    Store.open(filled).close()
    assert len(list(filled.glob("store.duckdb.broken-*"))) == 1


def test_a_file_that_another_program_writes_to_is_not_set_aside(
    filled: Path, run_python: Callable[..., object]
) -> None:
    path = filled / "store.duckdb"
    shutil.copy(path, filled / "copy")
    flip(path, HEADERS + 1000)
    holds = f"import fcntl; f = open({str(path)!r}, 'r+b'); fcntl.lockf(f, fcntl.LOCK_EX)"
    with run_python(holds), pytest.raises(StoreBusy):
        Store.open(filled)
    assert not list(filled.glob("*.broken-*"))
