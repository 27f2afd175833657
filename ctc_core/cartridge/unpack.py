"""Unpack a zip of one archive without trusting it."""

from __future__ import annotations

import shutil
import stat
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from ctc_core.cartridge.files import Unfit, open_regular
from ctc_core.errors import CartridgeError

MAX_MEMBERS, MAX_ZIP_BYTES, MAX_TOTAL = 5_000, 4 * 2**30, 4 * 2**30
MAX_RATIO, RATIO_FROM = 100, 64 * 2**20
"""Unpacked may be this many times larger than the zip, looked at once this many bytes are unpacked."""

MAX_DIRECTORY = 8 * 2**20
"""Bytes of the zip's own table of contents, which is read into memory at once."""

MAX_DEPTH = 16
"""Names on the way to a file, its own included; the reader looks ten folders deep."""

SUFFIXES = (".tif", ".tiff", ".xml", ".dlm")
"""What is unpacked; other members are left in the zip."""

RESERVE = 256 * 2**20
"""Bytes of the disk that no archive may take: the journal needs them."""

_NESTED = (".zip", ".7z", ".rar", ".tar", ".gz", ".tgz", ".bz2", ".xz")
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, UnicodeDecodeError, NotImplementedError)
"""What zipfile raises for bytes that are no zip: the last two for a name's encoding and for a version to come."""

_CLASHES = (FileExistsError, NotADirectoryError)
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_CHUNK = 2**20
_ZIP_AGAIN = "Zip the sample folder again, with nothing else in it"


def unpack(path: Path, unpack_to: Path | None = None) -> Path:
    """Unpack into a new folder below `unpack_to` (default: the system's temporary folder) and return that folder.

    The folder is named like the zip, so that a zip without a top folder keeps its sample id. The caller owns it. On
    refusal (`CartridgeError`) nothing is left behind.
    """
    if unpack_to:
        unpack_to.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix="cartridge-", dir=unpack_to))
    try:
        with _explained(path):
            folder = scratch / path.stem
            folder.mkdir()
            with open_regular(path, cap=MAX_ZIP_BYTES) as file:
                _extract(file, folder)
    except BaseException:
        shutil.rmtree(scratch)
        raise
    return folder


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """What each layer raises for a zip that cannot be used, as a refusal that says what to do."""
    try:
        yield
    except Unfit as problem:
        raise CartridgeError(path, str(problem), _ZIP_AGAIN) from problem
    except _DAMAGED as error:
        raise CartridgeError(path, f"it is damaged ({str(error) or 'it ends too early'})", _ZIP_AGAIN) from error
    except _CLASHES as error:
        raise CartridgeError(path, "it holds a file and a folder of the same name", _ZIP_AGAIN) from error
    except OSError as error:
        reason = f"it cannot be unpacked ({error.strerror or type(error).__name__})"
        raise CartridgeError(
            path, reason, "See that there is room on the disk and that you may read the file"
        ) from error


def _extract(file: BinaryIO, folder: Path) -> None:
    _check_directory(file)
    with zipfile.ZipFile(file) as archive:
        members = [member for member in archive.infolist() if not member.is_dir()]
        _check(members)
        allowed = max(RATIO_FROM, file.seek(0, 2) * MAX_RATIO)
        left = min(MAX_TOTAL, allowed)
        _check_room(sum(member.file_size for member in members if _is_wanted(member)), folder)
        for member in members:
            if _is_wanted(member):
                left -= _copy(archive, member, folder.joinpath(*PurePosixPath(member.filename).parts), left)


def _check_directory(file: BinaryIO) -> None:
    """Size of the table of contents, from the record at the end of the file (APPNOTE 4.3.16)."""
    end = file.seek(0, 2)
    file.seek(max(0, end - 2**16 - 22))
    tail = file.read()
    start = tail.rfind(b"PK\x05\x06")
    if start < 0 or len(tail) - start < 22:
        raise Unfit("it is not a zip file, or its end is missing")
    if tail[max(start - 20, 0) : start].startswith(b"PK\x06\x07"):
        raise Unfit("it is in the form for more than 4 GB (zip64), which no cartridge needs")
    (size,) = struct.unpack_from("<I", tail, start + 12)
    if size > MAX_DIRECTORY:
        raise Unfit("its table of contents is larger than that of any cartridge")


def _check(members: list[zipfile.ZipInfo]) -> None:
    if len(members) > MAX_MEMBERS:
        raise Unfit(f"it holds {len(members):,} files, more than {MAX_MEMBERS:,}")
    if len({member.filename.lower() for member in members}) < len(members):
        raise Unfit("it holds two files of the same name")
    for member in members:
        _check_member(member, PurePosixPath(member.filename))


def _check_member(member: zipfile.ZipInfo, name: PurePosixPath) -> None:
    mode = stat.S_IFMT(member.external_attr >> 16)
    if mode not in (0, stat.S_IFREG):
        raise Unfit("it holds a link or a device instead of a file")
    unsafe = name.is_absolute() or ".." in name.parts or "\\" in member.filename or ":" in member.filename
    if unsafe or not member.filename.isprintable():
        raise Unfit("it holds a file whose name leads outside of the zip")
    if len(name.parts) > MAX_DEPTH:
        raise Unfit(f"its folders are nested deeper than {MAX_DEPTH}")
    if name.suffix.lower() in _NESTED:
        raise Unfit("it holds another archive")
    if member.flag_bits & 1 or member.compress_type not in _METHODS:
        raise Unfit("it is encrypted or packed in an unusual way")


def _is_wanted(member: zipfile.ZipInfo) -> bool:
    name = PurePosixPath(member.filename)
    return name.suffix.lower() in SUFFIXES and not any(part.startswith((".", "__MACOSX")) for part in name.parts)


def _check_room(size: int, folder: Path) -> None:
    free = shutil.disk_usage(folder).free - RESERVE
    if size > free:
        raise Unfit(f"it unpacks to {size / 1e9:.1f} GB and the disk has room for {max(free, 0) / 1e9:.1f} GB")


def _copy(archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path, left: int) -> int:
    """Bytes written; counted while streaming, since a member may declare less than it holds."""
    target.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    with archive.open(member) as source, target.open("xb") as sink:
        while chunk := source.read(_CHUNK):
            written += len(chunk)
            if written > left:
                raise Unfit("it unpacks to far more than a cartridge holds")
            sink.write(chunk)
    return written
