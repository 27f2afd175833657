"""Files and folders that appear complete or not at all, and never in place of something else."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ctc_core.errors import UserError
from ctc_core.store.disk import sync_folder

MARK = "export.json"
"""In every folder that an export wrote: what it is. Only such a folder is ever replaced."""


def refuse_existing(paths: list[Path], *, force: bool) -> None:
    """Before hours of computing, not after them.

    Raises:
        UserError: one of the files is there already and `force` is not given, or it is a folder.
    """
    for path in paths:
        if path.is_dir():
            message = f"{path}: is a folder. Give the name of a file in it."
            raise UserError(message)
        if path.exists() and not force:
            message = f"{path}: is there already. Give another name, or --force to replace it."
            raise UserError(message)


def refuse_folder(folder: Path, *, force: bool, mark: str = MARK) -> None:
    """The same for a folder; one that does not hold `mark` is never replaced.

    Raises:
        UserError: it is a file, holds something else, or is an older export and `force` is not given.
    """
    if folder.exists() and not folder.is_dir():
        message = f"{folder}: is a file. Give the name of a new folder."
        raise UserError(message)
    if not folder.exists() or not any(folder.iterdir()):
        return
    if not (folder / mark).is_file():
        message = f"{folder}: holds other files. Give a new folder."
        raise UserError(message)
    if not force:
        message = f"{folder}: holds an earlier export. Give a new folder, or --force to replace it."
        raise UserError(message)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Where to write; it becomes `path` at the end, and nothing is left of it where writing fails.

    Raises:
        UserError: it cannot be written there.
    """
    partial = path.with_name(f".{path.name}.partial")
    with _explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield partial
            with partial.open("rb") as file:
                os.fsync(file.fileno())
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
        sync_folder(path.parent)


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """The same for a folder. What was there before is gone only when the new one is complete."""
    partial, old = (folder.with_name(f".{folder.name}.{what}") for what in ("partial", "old"))
    with _explained(folder):
        for left in (partial, old):
            shutil.rmtree(left, ignore_errors=True)
        partial.mkdir(parents=True)
        try:
            yield partial
            if folder.exists():
                folder.rename(old)
            partial.rename(folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
            shutil.rmtree(old, ignore_errors=True)
        sync_folder(folder.parent)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        message = f"{path}: cannot be written ({error}). Make room on the disk, or give another place."
        raise UserError(message) from error
