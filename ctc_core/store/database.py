"""The DuckDB file: opening it whatever state it is in, and its transactions.

It is a projection of journal and bundles, so a file that cannot be trusted is set aside and filled again. Never open it
by hand while it is attached: closing any descriptor of the file drops DuckDB's lock on it.
"""

from __future__ import annotations

import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from ctc_core.errors import JournalError, StoreError
from ctc_core.store.journal import Entry, Journal
from ctc_core.store.owner import busy

SCHEMA_VERSION = 3
"""Raise it when schema.sql changes: older files are then set aside and filled again."""

CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": False,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "memory_limit": "400MB",
    "lock_configuration": True,
}
_SCHEMA = Path(__file__).with_name("schema.sql").read_text()


class Database:
    """An attached DuckDB file. One cursor per call; one writer at a time."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self.lock = threading.RLock()
        """Held by every write; hold it to keep what was read true until it is written."""
        self.revision = 0
        """Number of transactions committed since opening."""

    @contextmanager
    def read(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor of one's own."""
        try:
            with closing(self._connection.cursor()) as cur:
                yield cur
        except duckdb.Error as error:
            message = f"The store refused ({error}). Nothing was changed; if it happens again, run verify."
            raise StoreError(message) from error

    @contextmanager
    def write(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor in a transaction: committed at the end, rolled back whatever is raised, also by a page's rerun."""
        with self.lock, self.read() as cur:
            cur.execute("BEGIN")
            try:
                yield cur
                cur.execute("COMMIT")
            except BaseException:
                _roll_back(cur)
                raise
            self.revision += 1

    def close(self) -> None:
        """Write everything into the file and detach it."""
        with self.lock:
            self._connection.close()


def open_database(folder: Path, journal: Journal) -> tuple[Database, list[Entry]]:
    """Attach `store.duckdb`, setting an unusable one aside; also the journal entries that it does not hold yet.

    Raises:
        StoreBusy: a process without our lock has the file attached.
        StoreError: the file must not be read or written.
        JournalError: the journal lacks entries that the store has received.
    """
    path = folder / "store.duckdb"
    _copy_before_open(path)
    try:
        return _attach(path, journal)
    except (duckdb.Error, _Unusable) as error:
        _refuse_if_sound(path, error)
    _set_aside(path, "broken")
    return _attach(path, journal)


class _Unusable(Exception):
    """A file that opens but is not the projection of this journal in this version."""


def _attach(path: Path, journal: Journal) -> tuple[Database, list[Entry]]:
    connection = duckdb.connect(path, config=CONFIG)
    try:
        _prepare(connection)
        return Database(connection), _missing(connection, journal)
    except BaseException:
        connection.close()
        raise


def _prepare(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("BEGIN")
    connection.execute("CREATE TABLE IF NOT EXISTS store_info AS SELECT ? AS schema_version", [SCHEMA_VERSION])
    if connection.execute("SELECT schema_version FROM store_info").fetchall() != [(SCHEMA_VERSION,)]:
        raise _Unusable
    connection.execute(_SCHEMA)
    connection.execute("COMMIT")


def _missing(connection: duckdb.DuckDBPyConnection, journal: Journal) -> list[Entry]:
    """Entries of the journal that the store does not hold, after checking that it holds no others."""
    known: dict[int, str] = dict(connection.execute("SELECT seq, hash FROM journal_entry").fetchall())
    missing, common = [], 0
    for entry in journal.entries():
        if known.get(entry.seq) == entry.hash:
            common += 1
        elif entry.seq not in known:
            missing.append(entry)
        elif common:
            message = (
                f"Journal entry {entry.seq} ({entry.time}) is not the one the store received; the journal was"
                " rewritten. Restore the journal from a backup."
            )
            raise JournalError(message)
        else:
            raise _Unusable  # not one entry in common: another data folder's store
    if known and max(known) > journal.head[0]:
        message = (
            f"The journal ends at entry {journal.head[0]}, the store has received {max(known)}; lines at its end were"
            " removed. Restore the journal from a backup."
        )
        raise JournalError(message)
    return missing


def _refuse_if_sound(path: Path, error: Exception) -> None:
    """Raise where the file itself is not the trouble, so that it is not set aside."""
    if "Conflicting lock" in str(error):
        owner = re.search(r"PID (\d+)", str(error))
        raise busy(path.parent, owner[1] if owner else "unknown") from error
    if re.search("permission denied|no space left|too many open files", str(error), re.IGNORECASE):
        message = f"{path}: cannot be opened ({error}). Mend the rights or make room on the disk, then try again."
        raise StoreError(message) from error


def _copy_before_open(path: Path) -> None:
    """Opening replays the write-ahead log and may spoil what could still be rescued; keep both as they are now."""
    wal = path.with_name(path.name + ".wal")
    if not path.exists():
        if wal.exists():  # DuckDB would open an empty store and delete the log
            _set_aside(path, "orphaned")
        return
    copy = path.with_name(path.name + ".before-open")
    for source, target in ((path, copy), (wal, copy.with_name(copy.name + ".wal"))):
        if not source.exists():
            target.unlink(missing_ok=True)
        elif not target.exists() or _stamp(source) != _stamp(target):
            _copy(source, target)


def _copy(source: Path, target: Path) -> None:
    partial = target.with_name(target.name + ".partial")
    try:
        shutil.copy2(source, partial)
        partial.replace(target)
    except OSError as error:
        message = f"{target}: cannot be written ({error}). Make room on the disk, then try again."
        raise StoreError(message) from error


def _stamp(path: Path) -> tuple[int, int]:
    return path.stat().st_size, path.stat().st_mtime_ns


def _set_aside(path: Path, why: str) -> None:
    """Rename file and log together, so that the pair can still be opened."""
    aside = path.with_name(f"{path.name}.{why}-{datetime.now(UTC):%Y%m%dT%H%M%S%f}")
    for suffix in ("", ".wal"):
        source = path.with_name(path.name + suffix)
        if source.exists():
            source.rename(aside.with_name(aside.name + suffix))


def _roll_back(cur: duckdb.DuckDBPyConnection) -> None:
    try:
        cur.execute("ROLLBACK")
    except duckdb.Error:
        return  # the failed COMMIT has already ended the transaction
