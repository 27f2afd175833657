"""Where bundles and crops lie in the data folder."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from ctc_core.store.bundle import Bundle
from ctc_core.store.disk import sync_files, sync_folder

CROPS = {"crops": "{}.npy", "event_crops": "{}.events.npy"}
"""Arrays that the desk memory-maps, and their names in `crops/`."""


def keep(bundle: Bundle, folder: Path) -> Path:
    """Move a bundle to its place in `folder`, named by its id; returns the place."""
    target = folder / bundle.manifest.bundle_id
    if bundle.folder.resolve() == target.resolve():
        return target
    folder.mkdir(exist_ok=True)
    shutil.rmtree(target, ignore_errors=True)  # left by an import that failed
    try:
        bundle.folder.rename(target)
    except OSError:
        _bring(bundle.folder, target)
    sync_folder(folder)
    sync_folder(folder.parent)
    return target


def _bring(source: Path, target: Path) -> None:
    """Move a folder from another disk; it appears only when it is complete and on disk."""
    partial = target.with_name(target.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(source, partial)
    sync_files(partial)
    partial.rename(target)
    shutil.rmtree(source)


def link_crops(bundle: Path, cartridge_id: str, folder: Path) -> None:
    """Put a bundle's crops into `folder`: a second name for the same file, a copy where the disk knows no links."""
    folder.mkdir(parents=True, exist_ok=True)
    for source, target in _crop_files(bundle, cartridge_id, folder):
        temporary = target.with_name(target.name + ".partial")
        temporary.unlink(missing_ok=True)
        try:
            os.link(source, temporary)
        except OSError:
            shutil.copyfile(source, temporary)
        temporary.replace(target)


def lacks_crops(bundle: Path, cartridge_id: str, folder: Path) -> bool:
    """Whether a file in `crops/` is missing or of another size than in the bundle."""
    return any(
        not target.exists() or (source.exists() and source.stat().st_size != target.stat().st_size)
        for source, target in _crop_files(bundle, cartridge_id, folder)
    )


def _crop_files(bundle: Path, cartridge_id: str, folder: Path) -> list[tuple[Path, Path]]:
    return [(bundle / f"{name}.npy", folder / pattern.format(cartridge_id)) for name, pattern in CROPS.items()]
