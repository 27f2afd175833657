"""The DuckDB file: opening it whatever state it is in, and its transactions.

It is a projection of journal and bundles, so a file that cannot be trusted is set aside and filled again. Never open it
by hand while it is attached: closing any descriptor of the file drops DuckDB's lock on it.
"""

from __future__ import annotations

import fcntl
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from ctc_core.errors import JournalError, StoreError
from ctc_core.store.journal import Entry, Journal
from ctc_core.store.owner import busy
from ctc_core.store.soundness import damage

SCHEMA_VERSION = 6
"""Raise it when schema.sql changes: older files are then set aside and filled again."""

CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": False,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "memory_limit": "400MB",
    "lock_configuration": True,
}
CLOSE_TIMEOUT_S = 5.0
_SCHEMA = Path(__file__).with_name("schema.sql").read_text()

_DAMAGED = re.compile("corrupt|checksum|serializ|invalidated|internal error", re.IGNORECASE)
"""How DuckDB says that the file, or what it knows of it, cannot be trusted any more."""


class Database:
    """An attached DuckDB file. One cursor per call; one writer at a time."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, path: Path) -> None:
        self._connection = connection
        self._path = path
        self.lock = threading.RLock()
        """Held by every write; hold it to keep what was read true until it is written."""
        self.viewer: Callable[[], str | None] = lambda: None
        """For whom the calling thread reads: what is blind to that person stays hidden. None: for nobody."""
        self.revision = 0
        """Number of transactions committed since opening."""
        self.basis = 0
        """Number of those that brought more than words of readers."""

    @contextmanager
    def read(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor of one's own."""
        try:
            with closing(self._connection.cursor()) as cur:
                if viewer := self.viewer():
                    cur.execute("SET VARIABLE viewer = ?", [viewer])
                yield cur
        except duckdb.Error as error:
            if _DAMAGED.search(str(error)):
                _suspect(self._path).touch()
            message = (
                f"The store refused ({error}). What the journal has received is kept;"
                " if it happens again, restart the desk: it fills the store again from the journal."
            )
            raise StoreError(message) from error

    @contextmanager
    def write(self, *, words_only: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor in a transaction: committed at the end, rolled back whatever is raised, also by a page's rerun.

        words_only: all that it brings are words of readers (`projection.WORDS`).
        """
        with self.lock, self.read() as cur:
            cur.execute("BEGIN")
            try:
                yield cur
                cur.execute("COMMIT")
            except BaseException:
                _roll_back(cur)
                raise
            self.revision += 1
            self.basis += not words_only

    def close(self) -> None:
        """Write everything into the file and detach it, as soon as nobody reads any more."""
        with self.lock:
            deadline = time.monotonic() + CLOSE_TIMEOUT_S
            while True:
                try:
                    return self._connection.close()
                except duckdb.Error:  # a page is just asking; DuckDB refuses instead of waiting
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(0.05)


def open_database(folder: Path, journal: Journal) -> tuple[Database, list[Entry]]:
    """Attach `store.duckdb`, setting an unusable one aside; also the journal entries that it does not hold yet.

    Raises:
        StoreBusy: a process without our lock has the file attached.
        StoreError: the file must not be read or written.
        JournalError: the journal lacks entries that the store has received.
    """
    path = folder / "store.duckdb"
    _copy_before_open(path)
    if _is_damaged(path):
        _set_aside(path, "broken")
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
        return Database(connection, path), _missing(connection, journal)
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
            + (f" What could not be read at its end is in {journal.torn}." if journal.torn else "")
        )
        raise JournalError(message)
    return missing


def _is_damaged(path: Path) -> bool:
    """Whether the file must not be opened: a block is not as it was written, or it gave trouble when last in use.

    Raises:
        StoreBusy: another process writes to it at this moment.
    """
    if not path.exists() or not (_suspect(path).exists() or damage(path)):
        return False
    with path.open("r+b") as file:  # DuckDB's own lock on the file
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise busy(path.parent, "unknown") from error
    return True


def _suspect(path: Path) -> Path:
    """Exists when DuckDB complained about its file in the middle of our work."""
    return path.with_name(path.name + ".suspect")


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
    _suspect(path).unlink(missing_ok=True)


def _roll_back(cur: duckdb.DuckDBPyConnection) -> None:
    try:
        cur.execute("ROLLBACK")
    except duckdb.Error:
        return  # the failed COMMIT has already ended the transaction
