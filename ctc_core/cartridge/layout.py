"""Find the files of one cartridge: sample folder, XML or tables, TIFF files in frame order.

Nothing is guessed: TIFF files in two folders, two files for one frame or a gap in the numbers are refused with what
was found.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ctc_core.cartridge.dlm import is_xp
from ctc_core.errors import CartridgeError

CARTRIDGE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
MAX_DEPTH, MAX_ENTRIES = 10, 20_000
_NUMBER = re.compile(r"([0-9]+)\.tiff?$", re.IGNORECASE)
_LARGEST = 999
"""Frame numbers have up to three digits; of a longer run of digits the last three are the frame (older software)."""

_POINT = "Point at the sample folder of one cartridge, the one that holds its XML file"


@dataclass(frozen=True)
class Found:
    """The files of one cartridge."""

    sample: Path
    """Sample folder; its name is the cartridge id."""
    images: Path
    """Folder of the TIFF files."""
    tiffs: dict[int, Path]
    """Frame number -> file, ascending."""
    xml: Path | None
    """None: a CellTracksXp archive, tables in the sample folder."""

    @property
    def id(self) -> str:
        """The cartridge id."""
        return self.sample.name


def find(path: Path) -> Found:
    """Find the cartridge at or below `path`. Raises `CartridgeError`."""
    images = _image_folder(path)
    sample, xml = _sample(path, images)
    if not CARTRIDGE_ID.fullmatch(sample.name):
        reason = "its folder name is not a sample id (letters, digits, '.', '_' and '-', at most 64)"
        raise CartridgeError(sample, reason, "Rename the folder to the sample id")
    return Found(sample, images, _numbered(images), xml)


def frame_number(path: Path) -> int | None:
    """Frame number in a TIFF file's name: the digits before the extension."""
    match = _NUMBER.search(path.name)
    if match is None:
        return None
    number = int(match[1][-18:])
    return number if number <= _LARGEST else int(match[1][-3:])


def visible(folder: Path) -> list[Path]:
    """Entries of a folder by name, without the hidden ones (macOS leaves `._` files and `__MACOSX`)."""
    return sorted(entry for entry in folder.iterdir() if not entry.name.startswith((".", "__MACOSX")))


def is_tiff(path: Path) -> bool:
    """The name ends like a TIFF file's."""
    return path.suffix.lower() in (".tif", ".tiff")


def listed(numbers: list[int]) -> str:
    """`4`, `4 and 5`, `4, 5 and 6`, `1, 2, 3, 4, 5 and 12 more`."""
    if len(numbers) > 6:
        return f"{', '.join(map(str, numbers[:5]))} and {len(numbers) - 5} more"
    *most, last = map(str, numbers)
    return f"{', '.join(most)} and {last}" if most else last


def _image_folder(path: Path) -> Path:
    folders = sorted({entry.parent for entry in _walk(path) if is_tiff(entry)})
    if not folders:
        raise CartridgeError(path, "no TIFF files were found in it", _POINT)
    if len(folders) > 1:
        names = ", ".join(str(folder.relative_to(path)) for folder in folders[:3])
        raise CartridgeError(path, f"TIFF files lie in {len(folders)} folders ({names})", _POINT)
    return folders[0]


def _walk(path: Path) -> Iterator[Path]:
    """Files below `path`, links not followed."""
    level, entries = [path], 0
    for _depth in range(MAX_DEPTH + 1):
        found = [entry for folder in level for entry in visible(folder)]
        entries += len(found)
        if entries > MAX_ENTRIES:
            raise CartridgeError(path, f"it holds more than {MAX_ENTRIES:,} files", _POINT)
        level = [entry for entry in found if entry.is_dir() and not entry.is_symlink()]
        yield from (entry for entry in found if entry not in level)


def _sample(path: Path, images: Path) -> tuple[Path, Path | None]:
    """The topmost folder between `path` and the images that holds an XML file or all CellTracksXp tables."""
    between = [folder for folder in reversed((images, *images.parents)) if folder.is_relative_to(path)]
    for folder in between:
        if xmls := [entry for entry in visible(folder) if entry.suffix.lower() == ".xml"]:
            return folder, _only_xml(folder, xmls)
        if is_xp(folder):
            return folder, None
    raise CartridgeError(path, "it has neither an XML file nor the six .dlm tables beside its images", _POINT)


def _only_xml(folder: Path, xmls: list[Path]) -> Path:
    own = [xml for xml in xmls if xml.stem in (folder.name.split(".")[0], folder.name)]
    choice = own or xmls
    if len(choice) > 1:
        names = ", ".join(xml.name for xml in choice[:3])
        raise CartridgeError(folder, f"it has {len(choice)} XML files ({names})", "Keep only the archive's own XML")
    return choice[0]


def _numbered(images: Path) -> dict[int, Path]:
    numbered: dict[int, Path] = {}
    for tiff in filter(is_tiff, visible(images)):
        number = frame_number(tiff)
        if number is None:
            raise CartridgeError(tiff, "its name does not end in a frame number", "Remove it or name it as exported")
        if number in numbered:
            reason = f"{numbered[number].name} is frame {number} too"
            raise CartridgeError(tiff, reason, "Keep one file per frame")
        numbered[number] = tiff
    return dict(sorted(numbered.items()))
