"""Getting bytes onto the disk for good, and seeing what a power cut has left of them."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from pathlib import Path

_SECTOR = 512
"""Bytes that a disk writes as one."""
_ZEROS = re.compile(rb"\0+")


def whole(content: bytes) -> int:
    """Length of a month's file without a torn end: a line without its newline, or one with unwritten sectors.

    A file system may lengthen a file before it writes into it; a power cut then leaves zeros from the old end of the
    file, or the start of a sector, up to the start of another. No other fault looks like that.
    """
    for zeros in _ZEROS.finditer(content):
        start, end = zeros.span()
        begins = start % _SECTOR == 0 or content[start - 1 : start] == b"\n"
        if begins and (end % _SECTOR == 0 or end == len(content)):
            return content.rfind(b"\n", 0, start) + 1
    return content.rfind(b"\n") + 1


def set_torn_end_aside(path: Path) -> Path | None:
    """Cut off what the process, or the power, left half written at a file's end: it was never acknowledged.

    Returns:
        Where that is kept, beside the file; None where nothing was torn.
    """
    content = path.read_bytes()
    size = whole(content)
    if size == len(content):
        return None
    aside = path.with_name(f"torn-{datetime.now(UTC):%Y%m%dT%H%M%S%f}.txt")
    with aside.open("xb") as file:
        file.write(content[size:])
        file.flush()
        os.fsync(file.fileno())
    sync_folder(path.parent)
    os.truncate(path, size)
    return aside


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of `data`, in as many pieces as the system takes."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def sync_folder(folder: Path) -> None:
    """Make names created in `folder` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_files(folder: Path) -> None:
    """Make the files of a folder survive a power cut."""
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
    sync_folder(folder)
