"""Read the multi-page TIFF of one frame: check its structure first, decode after.

A TIFF is walked directory by directory before a pixel is decoded, so that a loop, a missing page, a cut-off file or
an absurd size is an error of that frame and never a hang, a crash or a full memory. Structure and tag numbers: TIFF
6.0 (Adobe, 1992). Uncompressed pages are read directly; compressed ones through libtiff (Pillow), which writes no more
than the declared size.
"""

from __future__ import annotations

import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ctc_core.cartridge.files import Unfit, file_size, open_regular
from ctc_core.errors import FrameError

MAX_BYTES, MAX_PAGES, MAX_TAGS, MAX_EDGE, MAX_PIXELS = 128 * 2**20, 8, 256, 4096, 2**22
"""Limits of one frame's file; a CellTracks frame has 4 to 6 pages of 1384 x 1036 and 6 to 18 MB."""

TAG_LOW, TAG_HIGH = 755, 756
"""Private tags: grey values that the lowest and the highest value of the page stand for."""

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _OFFSETS, _SAMPLES = 256, 257, 258, 259, 262, 273, 277
_ROWS, _COUNTS, _TILES, _FORMAT, _BIT_ORDER, _TURNED = 278, 279, 322, 339, 266, 274
_TYPES = {1: ("BYTE", "B"), 2: ("ASCII", "B"), 3: ("SHORT", "H"), 4: ("LONG", "I"), 5: ("RATIONAL", "Q")}
_UNCOMPRESSED, _LIBTIFF = 1, {5: "LZW", 8: "deflate", 32946: "deflate", 32773: "PackBits"}
_BLACK_IS_ZERO, _PALETTE = 1, 3

Array = NDArray[Any]
"""uint8 or uint16."""


@dataclass(frozen=True)
class Page:
    """One page as declared in its directory."""

    height: int
    width: int
    dtype: np.dtype[np.uint8] | np.dtype[np.uint16]
    """In the file's byte order."""
    compression: int
    strips: tuple[tuple[int, int], ...]
    """(offset, bytes) of each strip, all inside the file."""
    limits: tuple[int, int] | None
    """Tags 755 and 756; None where one is missing or the pair is not ascending."""
    tags: tuple[tuple[int, str, int], ...]
    """(number, type, count) of every tag; no values."""

    @property
    def bytes(self) -> int:
        """Size of the decoded page."""
        return self.height * self.width * self.dtype.itemsize


def scan(path: Path, frame: int) -> tuple[Page, ...]:
    """Structure of a frame's file; no pixel is read. Raises `FrameError`."""
    with _opened(path, frame) as file:
        return _pages(file)


def read(path: Path, frame: int, expected: tuple[int, int, int]) -> tuple[tuple[Page, ...], Array]:
    """Structure and pixels, (pages, height, width) uint8 or uint16 as stored.

    expected: the (pages, height, width) of the cartridge; anything else, and any damage, raises `FrameError`.
    """
    with _opened(path, frame) as file:
        pages = _pages(file)
        found = (len(pages), pages[0].height, pages[0].width)
        if found != expected:
            raise Unfit(f"it has {_shape(found)}, the cartridge has {_shape(expected)}")
        return pages, _decode(file, pages)


@contextmanager
def _opened(path: Path, frame: int) -> Iterator[BinaryIO]:
    try:
        with open_regular(path, cap=MAX_BYTES) as file:
            yield file
    except Unfit as problem:
        raise FrameError(frame, str(problem)) from problem
    except OSError as error:
        raise FrameError(frame, f"its file cannot be read ({error.strerror or type(error).__name__})") from error


def _shape(shape: tuple[int, int, int]) -> str:
    return f"{shape[0]} pages of {shape[2]} x {shape[1]}"


# --- structure


def _pages(file: BinaryIO) -> tuple[Page, ...]:
    order, offset = _header(file)
    seen: set[int] = set()
    pages: list[Page] = []
    while offset:
        if offset in seen:
            raise Unfit("its page directory runs in a loop")
        if len(pages) == MAX_PAGES:
            raise Unfit(f"it has more than {MAX_PAGES} pages")
        seen.add(offset)
        tags, offset = _directory(file, order, offset, len(pages) + 1)
        pages.append(_page(file, order, tags, len(pages) + 1))
    if not pages:
        raise Unfit("it is a TIFF header without pages")
    if len({(page.height, page.width, page.dtype.str) for page in pages}) > 1:
        raise Unfit("its pages differ in size or depth")
    return tuple(pages)


def _header(file: BinaryIO) -> tuple[str, int]:
    head = _take(file, 0, 8, "its header")
    if head[:2] not in (b"II", b"MM"):
        raise Unfit("it is not a TIFF file")
    order = "<" if head[:2] == b"II" else ">"
    magic, offset = struct.unpack(f"{order}HI", head[2:])
    if magic != 42:
        raise Unfit("it is not a classic TIFF file")
    return order, offset


@dataclass(frozen=True)
class _Tag:
    type: int
    count: int
    value: bytes


def _directory(file: BinaryIO, order: str, offset: int, page: int) -> tuple[dict[int, _Tag], int]:
    where = f"the directory of page {page}"
    (count,) = struct.unpack(f"{order}H", _take(file, offset, 2, where))
    if not 1 <= count <= MAX_TAGS:
        raise Unfit(f"{where} has {count} entries")
    body = _take(file, offset + 2, 12 * count + 4, where)
    entries = struct.iter_unpack(f"{order}HHI4s", body[:-4])
    (following,) = struct.unpack(f"{order}I", body[-4:])
    return {number: _Tag(kind, n, value) for number, kind, n, value in entries}, following


def _page(file: BinaryIO, order: str, tags: dict[int, _Tag], number: int) -> Page:
    def one(tag: int, default: int | None = None) -> int:
        values = _values(file, order, tags.get(tag), limit=1)
        if not values and default is None:
            raise Unfit(f"page {number} lacks tag {tag}")
        return values[0] if values else default or 0

    height, width, bits = one(_HEIGHT), one(_WIDTH), one(_BITS, 1)
    if not (0 < width <= MAX_EDGE and 0 < height <= MAX_EDGE and width * height <= MAX_PIXELS):
        raise Unfit(f"page {number} claims {width} x {height} pixels")
    if bits not in (8, 16) or one(_SAMPLES, 1) != 1 or one(_FORMAT, 1) != 1:
        raise Unfit(f"page {number} is not one channel of 8 or 16-bit whole numbers")
    if one(_PHOTOMETRIC, _BLACK_IS_ZERO) not in (_BLACK_IS_ZERO, _PALETTE) or _TILES in tags:
        raise Unfit(f"page {number} is stored in a form that CellTracks does not use (inverted, colour or tiles)")
    if one(_TURNED, 1) != 1 or one(_BIT_ORDER, 1) != 1:
        raise Unfit(f"page {number} is stored turned, mirrored or with its bits reversed")
    strips = _strips(file, order, tags, number, -(-height // max(min(one(_ROWS, height), height), 1)))
    page = Page(
        height,
        width,
        np.dtype(f"{order}u{bits // 8}"),
        one(_COMPRESSION, _UNCOMPRESSED),
        strips,
        _limits(*(_values(file, order, tags.get(tag), limit=1) for tag in (TAG_LOW, TAG_HIGH))),
        tuple((n, _TYPES.get(tag.type, (f"type {tag.type}", ""))[0], tag.count) for n, tag in sorted(tags.items())),
    )
    _check_storage(page, number)
    return page


def _strips(file: BinaryIO, order: str, tags: dict[int, _Tag], number: int, n: int) -> tuple[tuple[int, int], ...]:
    offsets = _values(file, order, tags.get(_OFFSETS), limit=n)
    counts = _values(file, order, tags.get(_COUNTS), limit=n)
    if not len(offsets) == len(counts) == n:
        raise Unfit(f"page {number} has no complete list of its strips")
    size = file_size(file)
    if any(start + length > size for start, length in zip(offsets, counts, strict=True)):
        raise Unfit(f"page {number} is cut off: the file ends after {size:,} bytes")
    if sum(counts) > size:
        raise Unfit(f"page {number} uses the same bytes of the file more than once")
    return tuple(zip(offsets, counts, strict=True))


def _check_storage(page: Page, number: int) -> None:
    if page.compression not in {_UNCOMPRESSED, *_LIBTIFF}:
        raise Unfit(f"page {number} uses compression {page.compression}, which is not read")
    if page.compression == _UNCOMPRESSED and (stored := sum(length for _, length in page.strips)) < page.bytes:
        raise Unfit(f"page {number} holds {stored:,} bytes, its size needs {page.bytes:,}")


def _limits(low: tuple[int, ...], high: tuple[int, ...]) -> tuple[int, int] | None:
    return (low[0], high[0]) if low and high and low <= high else None


def _values(file: BinaryIO, order: str, tag: _Tag | None, *, limit: int) -> tuple[int, ...]:
    """Up to `limit` whole numbers of a tag; none where it is absent, of another type, or longer."""
    if tag is None or tag.type not in (1, 3, 4) or not 1 <= tag.count <= limit:
        return ()
    code = f"{order}{tag.count}{_TYPES[tag.type][1]}"
    size = struct.calcsize(code)
    if size <= 4:
        return struct.unpack(code, tag.value[:size])
    (offset,) = struct.unpack(f"{order}I", tag.value)
    return struct.unpack(code, _take(file, offset, size, "a list of strips"))


def _take(file: BinaryIO, offset: int, size: int, what: str) -> bytes:
    file.seek(offset)
    data = file.read(size)
    if len(data) != size:
        raise Unfit(f"{what} is cut off")
    return data


# --- pixels


def _decode(file: BinaryIO, pages: tuple[Page, ...]) -> Array:
    first = pages[0]
    pixels = np.empty((len(pages), first.height, first.width), first.dtype.newbyteorder("="))
    for index, page in enumerate(pages):
        raw = page.compression == _UNCOMPRESSED
        pixels[index] = _stored(file, page) if raw else _decompressed(file, page, index)
    return pixels


def _stored(file: BinaryIO, page: Page) -> Array:
    data = b"".join(_take(file, start, length, "a strip") for start, length in page.strips)
    return np.frombuffer(data[: page.bytes], page.dtype).reshape(page.height, page.width)


def _decompressed(file: BinaryIO, page: Page, index: int) -> Array:
    file.seek(0)
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(file, formats=["TIFF"]) as image:
            image.seek(index)
            pixels = np.asarray(image)
    except (OSError, ValueError, SyntaxError, EOFError, struct.error) as error:
        raise Unfit(f"page {index + 1} cannot be decompressed") from error
    if pixels.shape != (page.height, page.width) or pixels.dtype.itemsize != page.dtype.itemsize:
        raise Unfit(f"page {index + 1} does not hold what its directory declares")
    return pixels
