"""Backups: what cannot be made again, copied while the desk works on, and a data folder filled from such a copy.

A backup is a folder with `journal/`, `bundles/`, `models/` and `reports/` of the data folder and `backup.json`, which
names the hash of every file; it appears only when it is complete and on disk. The database is not in it: it is filled
again from journal and bundles, and its file must not be opened beside the desk. The journal is copied first, up to its
last complete line, and whatever a line names was on disk before the line, so the copy is of one moment.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from ctc_core.errors import StoreError, UserError
from ctc_core.models import sha256
from ctc_core.store.bundle import read_bundle
from ctc_core.store.disk import sync_folder
from ctc_core.store.journal import Journal
from ctc_core.store.provenance import code_version
from ctc_core.store.store import Store
from ctc_core.store.verify import Report, verify
from ctc_core.types import Progress, silent

MANIFEST = "backup.json"
FORMAT = 1
_KEPT = ("bundles", "models", "reports")
_STAMP = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True)
class Backup:
    """What `backup.json` says."""

    format: int
    created: str
    """UTC, ISO 8601."""
    code_version: str
    entries: int
    """Length of the journal."""
    head: str
    """Hash of its last entry."""
    bytes: int
    files: dict[str, str]
    """SHA-256 by path."""
    problems: tuple[str, ...]
    """What was damaged or missing in the data folder already."""


def back_up(data: Path, folder: Path, progress: Progress = silent) -> Path:
    """Write a backup of the data folder into `folder`, named by its time; needs nothing of whoever owns the store.

    Files that the newest backup there holds already are not stored twice (hard links).

    Raises:
        JournalError: the journal was edited or cut.
        StoreError: the disk refused; no backup appears.
    """
    created = datetime.now(UTC)
    target = folder / f"{created:{_STAMP}}"
    partial = folder / f".{target.name}.partial"
    try:
        partial.mkdir(parents=True)
        before = newest(folder)
        entries, head, problems = _copy_journal(data, partial)
        files = _copy_files(data, partial, before, progress)
        size = sum((partial / name).stat().st_size for name in files)
        backup = Backup(FORMAT, created.isoformat(), code_version(), entries, head, size, files, problems)
        _write(partial / MANIFEST, json.dumps(asdict(backup), indent=1).encode())
        for path in [partial, *partial.rglob("*/")]:
            sync_folder(path)
        partial.rename(target)
        sync_folder(folder)
    except OSError as error:
        message = f"{target}: the backup was not made ({error}). Make room on the disk, or choose another place."
        raise StoreError(message) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return target


def _copy_journal(data: Path, partial: Path) -> tuple[int, str, tuple[str, ...]]:
    """Length, hash of the last entry, and cartridges whose bundle is damaged or missing."""
    (partial / "journal").mkdir()
    for path in sorted((data / "journal").glob("*.jsonl")):
        content = path.read_bytes()
        _write(partial / "journal" / path.name, content[: content.rfind(b"\n") + 1])
    journal = Journal(partial / "journal")
    problems = []
    for entry in journal.entries():
        if entry.kind == "cartridge":
            try:
                read_bundle(data / "bundles" / entry.new["bundle_id"])
            except StoreError as error:
                problems.append(f"{entry.subject}: {error}")
    return *journal.head, tuple(problems)


def _copy_files(data: Path, partial: Path, before: Path | None, progress: Progress) -> dict[str, str]:
    known = read_manifest(before).files if before else {}
    sources = [path for name in _KEPT for path in _files(data / name)]
    files = {path.relative_to(partial).as_posix(): sha256(path) for path in _files(partial / "journal")}
    for done, source in enumerate(sources):
        progress(done, len(sources), f"Copying {source.name}")
        name = source.relative_to(data).as_posix()
        digest = sha256(source)
        copy = partial / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        if before and known.get(name) == digest:
            os.link(before / name, copy)
        elif _copy(source, copy) != digest:
            message = f"{source}: changed while it was copied. Try again."
            raise StoreError(message)
        files[name] = digest
    return files


def _files(folder: Path) -> Iterator[Path]:
    """All that is complete: what is being written is hidden or called partial."""
    for path in sorted(folder.glob("*")):
        if path.name.startswith(".") or path.name.endswith(".partial") or path.is_symlink():
            continue
        if path.is_dir():
            yield from _files(path)
        else:
            yield path


def _copy(source: Path, target: Path) -> str:
    """Copy to the disk for good; the hash of the copy."""
    shutil.copyfile(source, target)
    with target.open("rb") as file:
        os.fsync(file.fileno())
    return sha256(target)


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def backups(folder: Path) -> list[Path]:
    """Backups in `folder`, oldest first."""
    return [path.parent for path in sorted(folder.glob(f"[0-9]*T*Z/{MANIFEST}"))]


def newest(folder: Path) -> Path | None:
    """The newest backup in `folder`."""
    return next(reversed(backups(folder)), None)


def read_manifest(backup: Path) -> Backup:
    """What a backup says of itself.

    Raises:
        UserError: it is none, or of another format.
    """
    try:
        values = json.loads((backup / MANIFEST).read_text())
        found = Backup(**{**values, "problems": tuple(values["problems"])})
    except (OSError, ValueError, TypeError, KeyError) as error:
        message = f"{backup}: not a backup ({error}). Give a folder that `backup` has written."
        raise UserError(message) from error
    if found.format != FORMAT:
        message = f"{backup}: backup format {found.format}, this version reads {FORMAT}. Use the version that wrote it."
        raise UserError(message)
    return found


def restore(backup: Path, data: Path) -> Report:
    """Fill an empty data folder from a backup (or the newest of several), and compare all of it.

    Raises:
        UserError: no backup, or the data folder is not empty.
        StoreError: a file of the backup is missing or changed; nothing is restored.
    """
    source = backup if (backup / MANIFEST).exists() else newest(backup) or backup
    manifest = read_manifest(source)
    if data.exists() and any(data.iterdir()):
        message = f"{data}: not empty. Restore into a new folder, then start the desk with it."
        raise UserError(message)
    partial = data.with_name(f".{data.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    for name, digest in manifest.files.items():
        _restore_file(source / name, partial / name, digest)
    if data.exists():
        data.rmdir()
    partial.rename(data)
    sync_folder(data.parent)
    with Store.open(data) as store:
        return verify(store)


def _restore_file(source: Path, target: Path, digest: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        found = _copy(source, target)
    except OSError as error:
        message = f"{source}: cannot be restored ({error}). Use another backup."
        raise StoreError(message) from error
    if found != digest:
        message = f"{source}: not as it was backed up. Use another backup."
        raise StoreError(message)
