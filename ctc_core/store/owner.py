"""One process owns the data folder: a lock that the system gives back when the process dies, however it dies."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from ctc_core.errors import StoreBusy


def busy(folder: Path, owner: str) -> StoreBusy:
    """The error that tells a person who holds the store and what to do."""
    return StoreBusy(
        f"{folder}: in use by process {owner}. If that is the desk, use its pages for this or stop it first; "
        "if it is another command, wait until it has finished."
    )


class OwnerLock:
    """Holds `owner.lock` in the data folder until released; the file names the process.

    Raises:
        StoreBusy: another process (or another store in this one) holds it.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = (folder / "owner.lock").open("a+")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.seek(0)
            owner = self._file.read().strip() or "unknown"
            self._file.close()
            raise busy(folder, owner) from None
        self._file.truncate(0)
        self._file.write(str(os.getpid()))
        self._file.flush()

    def release(self) -> None:
        """Let others have the folder."""
        self._file.close()
