"""The files that jobs live in: the queue, and small JSON files that are whole or not there."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from pathlib import Path
from typing import Any


def open_queue(path: Path) -> Any:
    """The queue; a damaged file is set aside, since the job folders know which jobs wait (`Jobs.recover`)."""
    from huey import SqliteHuey

    from ctc_core.queue_json import JsonSerializer

    try:
        queue = SqliteHuey("ctc", filename=str(path), results=False, serializer=JsonSerializer())
        queue.pending()
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError) and "malformed" not in str(error):
            raise
        path.replace(path.with_name(f"{path.name}.broken-{time.time_ns()}"))
        for log in ("-wal", "-shm"):
            path.with_name(path.name + log).unlink(missing_ok=True)
        return SqliteHuey("ctc", filename=str(path), results=False, serializer=JsonSerializer())
    return queue


def write_json(path: Path, value: object) -> None:
    """Replace a file in one step, on disk: nobody ever sees half of it, not even after a power cut."""
    partial = path.with_suffix(".partial")
    with partial.open("w") as file:
        json.dump(value, file, default=str)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
