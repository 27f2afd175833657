"""Opening files of an archive without trusting them."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

from ctc_core.errors import CTCError


class Unfit(CTCError):
    """A file or a value that cannot be used; the caller turns it into the error of its own level."""


def open_regular(path: Path, *, cap: int) -> BinaryIO:
    """Open a regular file of at most `cap` bytes for reading; links, pipes and devices raise `Unfit`.

    Opened without following links and without blocking, so that nothing can be swapped in between check and use.
    """
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    if not stat.S_ISREG(path.lstat().st_mode):
        raise Unfit("it is not a regular file")
    file = os.fdopen(os.open(path, flags), "rb")
    size = file_size(file)
    if size > cap:
        file.close()
        raise Unfit(f"it has {size:,} bytes, more than the {cap:,} that are read")
    return file


def file_size(file: BinaryIO) -> int:
    """Size in bytes of an open file."""
    return os.fstat(file.fileno()).st_size
