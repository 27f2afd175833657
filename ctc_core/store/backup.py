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
from pathlib import Path, PurePosixPath

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
_FOLDERS = {(name,) for name in ("journal", *_KEPT)}
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
    partial = folder / f".{target.name}.{os.getpid()}.partial"
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
        if before and known.get(name) == digest and _is_sound(before / name, digest):
            os.link(before / name, copy)
        elif _copy(source, copy) != digest:
            message = f"{source}: changed while it was copied. Try again."
            raise StoreError(message)
        files[name] = digest
    return files


def _is_sound(copy: Path, digest: str) -> bool:
    """Whether the copy of an earlier night is still what it was: a rotten one would spoil every later backup too."""
    return copy.is_file() and not copy.is_symlink() and sha256(copy) == digest


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
    """The newest backup in `folder` whose manifest can be read; a damaged one must not keep others from being made."""
    return next((path for path in reversed(backups(folder)) if is_readable(path)), None)


def is_readable(backup: Path) -> bool:
    """Whether `read_manifest` has anything to say of a backup."""
    try:
        read_manifest(backup)
    except UserError:
        return False
    return True


def read_manifest(backup: Path) -> Backup:
    """What a backup says of itself.

    Raises:
        UserError: it is none, or of another format.
    """
    from pydantic import TypeAdapter

    try:
        found = TypeAdapter(Backup).validate_json((backup / MANIFEST).read_bytes())
        if datetime.fromisoformat(found.created).tzinfo is None or not all(map(_is_inside, found.files)):
            raise ValueError("its time or one of its file names cannot be")
    except (OSError, ValueError, RecursionError) as error:
        reason = str(error).splitlines()[0]
        message = f"{backup}: not a backup ({reason}). Give a folder that `backup` has written."
        raise UserError(message) from error
    if found.format != FORMAT:
        message = f"{backup}: backup format {found.format}, this version reads {FORMAT}. Use the version that wrote it."
        raise UserError(message)
    return found


def _is_inside(name: str) -> bool:
    """Whether a file's name in a manifest leads nowhere but into a data folder."""
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and path.parts[:1] in _FOLDERS and "\0" not in name


def _chosen(folder: Path) -> Path:
    """A backup, or the newest in a folder of backups. An older one lacks decisions, so a person has to name it."""
    every = backups(folder)
    if (folder / MANIFEST).exists() or not every:
        return folder
    if not is_readable(every[-1]):
        older = newest(folder)
        advice = f"{older} can be read and lacks what was decided since; name it" if older else "No other can be read"
        message = f"{every[-1]}: its {MANIFEST} was changed or cut; nothing was restored. {advice}."
        raise UserError(message)
    return every[-1]


def restore(backup: Path, data: Path) -> Report:
    """Fill an empty data folder from a backup (or the newest of several), and compare all of it.

    Raises:
        UserError: no backup, the newest of several cannot be read, or the data folder is not empty.
        StoreError: a file of the backup is missing or changed, or its journal is another one; nothing is restored.
        JournalError: the journal in it was edited; nothing is restored.
    """
    source = _chosen(backup)
    manifest = read_manifest(source)
    if data.exists() and (not data.is_dir() or any(data.iterdir())):
        message = f"{data}: not empty. Restore into a new folder, then start the desk with it."
        raise UserError(message)
    partial = data.with_name(f".{data.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        for name, digest in manifest.files.items():
            _restore_file(source / name, partial / name, digest)
        _check_journal(partial / "journal", manifest, source)
        if data.exists():
            data.rmdir()
        partial.rename(data)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    sync_folder(data.parent)
    with Store.open(data) as store:
        return verify(store)


def _restore_file(source: Path, target: Path, digest: str) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        found = _copy(source, target)
    except OSError as error:
        message = f"{source}: cannot be restored ({error}). Use another backup."
        raise StoreError(message) from error
    if found != digest:
        message = f"{source}: not as it was backed up. Use another backup."
        raise StoreError(message)


def _check_journal(folder: Path, manifest: Backup, source: Path) -> None:
    """The decisions that the manifest speaks of, all of them: a month left out of it would not be missed otherwise."""
    entries, head = Journal(folder).head
    if (entries, head) != (manifest.entries, manifest.head):
        message = (
            f"{source}: its journal ends at entry {entries} ({head[:16]}), the backup was made of {manifest.entries}"
            f" ({manifest.head[:16]}). Use another backup."
        )
        raise StoreError(message)
