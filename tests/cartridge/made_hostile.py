"""Archives made to harm, and what must become of each: the generator behind `test_cartridge_hostile_table`.

Each case changes a sound archive of 2 x 3 frames of 64 x 56 px with three events, and names the outcome:
accept, flag (read, but odd), frame (one frame set aside), event (events set aside) or refuse (nothing is taken).
"""

# ruff: noqa: E501  (a case a row)
from __future__ import annotations

import os
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

WIDTH, HEIGHT = 64, 56
SIZE = WIDTH * HEIGHT
XML = "171651.xml"


@dataclass(frozen=True)
class Case:
    """One hostile archive."""

    change: Callable[[Path], object]
    """Changes the sample folder; a path that it returns is ingested in its place."""
    outcome: str
    """accept, flag, frame, event or refuse."""
    file: str
    """File that the answer must name; of a flag the flag itself."""
    reason: str
    """What the answer must say."""


def tif(path: Path, number: int = 2) -> Path:
    return path / "processed" / f"cartid171651p{number:03d}.tif"


FRAME = tif(Path()).name

# --- TIFF -------------------------------------------------------------------------------------------------------------

PAGE = {256: WIDTH, 257: HEIGHT, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: HEIGHT, 279: SIZE}


def classic(
    pages: list[dict[int, int]], data: bytes = bytes(SIZE), *, order: str = "<", following: int | None = None
) -> bytes:
    """A TIFF of these directories, all values LONG; `following`: where the last directory points."""
    starts, at = [], 8 + len(data)
    for page in pages:
        starts.append(at)
        at += 2 + 12 * len(page) + 4
    mark = b"II" if order == "<" else b"MM"
    out = struct.pack(f"{order}2sHI", mark, 42, starts[0] if pages else 0) + data
    for page, after in zip(pages, [*starts[1:], following or 0][: len(pages)], strict=True):
        entries = b"".join(struct.pack(f"{order}HHII", tag, 4, 1, value) for tag, value in sorted(page.items()))
        out += struct.pack(f"{order}H", len(page)) + entries + struct.pack(f"{order}I", after)
    return out


def put(data: bytes) -> Callable[[Path], object]:
    return lambda path: tif(path).write_bytes(data)


def pages(n: int = 4, **tags: int) -> Callable[[Path], object]:
    """Four pages over the same bytes, some tags changed: `t256=...`."""
    changed = {int(name[1:]): value for name, value in tags.items()}
    return put(classic([{**PAGE, **changed}] * n))


def lacking(tag: int) -> Callable[[Path], object]:
    return put(classic([{number: value for number, value in PAGE.items() if number != tag}] * 4))


def written(*arrays: np.ndarray, **options: object) -> Callable[[Path], object]:
    def write(path: Path) -> None:
        with tifffile.TiffWriter(tif(path), bigtiff=bool(options.get("big"))) as tiff:
            for array in arrays:
                rest = {key: value for key, value in options.items() if key != "big"}
                tiff.write(array, contiguous=False, metadata=None, **rest)

    return write


def grey(value: int = 7, dtype: str = "uint8", shape: tuple[int, ...] = (HEIGHT, WIDTH)) -> np.ndarray:
    return np.full(shape, value, dtype)


def bomb(path: Path) -> None:
    """64 MB of zeros behind each page."""
    packer = zlib.compressobj(1)
    data = b"".join(packer.compress(bytes(2**24)) for _ in range(4)) + packer.flush()
    put(classic([{**PAGE, 259: 8, 279: len(data)}] * 4, data))(path)


def cut(keep: int) -> Callable[[Path], object]:
    return lambda path: tif(path).write_bytes(tif(path).read_bytes()[:keep])


def damaged_pages(kind: str) -> Callable[[Path], object]:
    def write(path: Path) -> None:
        noise = np.random.default_rng(1).integers(0, 255, (4, HEIGHT, WIDTH), np.uint8)
        images = [Image.fromarray(page) for page in noise]
        images[0].save(tif(path), save_all=True, append_images=images[1:], compression=kind)
        with tifffile.TiffFile(tif(path)) as tiff:
            start, size = tiff.pages[1].dataoffsets[0], tiff.pages[1].databytecounts[0]
        data = bytearray(tif(path).read_bytes())
        data[start : start + size] = b"\xa5" * size
        tif(path).write_bytes(data)

    return write


def all_of(change: Callable[[Path], object]) -> Callable[[Path], object]:
    def write(path: Path) -> None:
        change(path)
        for number in range(1, 7):
            if number != 2:
                tif(path, number).write_bytes(tif(path).read_bytes())

    return write


SHORT_BYTES = "page 1 holds 100 bytes, its size needs 3,584"
TIFFS = {
    "empty": Case(cut(0), "frame", FRAME, "its header is cut off"),
    "four bytes": Case(cut(4), "frame", FRAME, "its header is cut off"),
    "text": Case(put(b"not an image"), "frame", FRAME, "it is not a TIFF file"),
    "jpeg": Case(put(b"\xff\xd8\xff\xe0" + bytes(64)), "frame", FRAME, "it is not a TIFF file"),
    "wrong magic": Case(put(b"II\x2b\x00" + bytes(64)), "frame", FRAME, "it is not a classic TIFF file"),
    "bigtiff": Case(written(*[grey()] * 4, big=True), "frame", FRAME, "it is not a classic TIFF file"),
    "header only": Case(put(classic([])), "frame", FRAME, "it is a TIFF header without pages"),
    "directory far away": Case(put(b"II*\0\xff\xff\xff\xff" + bytes(64)), "frame", FRAME, "directory of page 1 is cut off"),
    "directory without entries": Case(put(b"II*\0\x08\0\0\0" + bytes(64)), "frame", FRAME, "page 1 has 0 entries"),
    "65,535 entries": Case(put(b"II*\0\x08\0\0\0\xff\xff" + bytes(64)), "frame", FRAME, "page 1 has 65535 entries"),
    "directory in a loop": Case(
        put(classic([PAGE] * 4, following=8 + SIZE)), "frame", FRAME, "its page directory runs in a loop"
    ),
    "directory points into its header": Case(
        put(classic([PAGE] * 4, following=2)), "frame", FRAME, "page 5 lacks tag 257"
    ),
    "9 pages": Case(pages(9), "frame", FRAME, "it has more than 8 pages"),
    "3 pages": Case(pages(3), "frame", FRAME, "it has 3 pages of 64 x 56, the cartridge has 4"),
    "5 pages": Case(pages(5), "frame", FRAME, "it has 5 pages of 64 x 56, the cartridge has 4"),
    "60,000 x 60,000": Case(pages(t256=60_000, t257=60_000), "frame", FRAME, "page 1 claims 60000 x 60000 pixels"),
    "4,000 x 4,000": Case(pages(t256=4000, t257=4000), "frame", FRAME, "page 1 claims 4000 x 4000 pixels"),
    "a row of 2^32 - 1": Case(pages(t256=2**32 - 1, t257=1), "frame", FRAME, "page 1 claims 4294967295 x 1 pixels"),
    "no rows": Case(pages(t257=0), "frame", FRAME, "page 1 claims 64 x 0 pixels"),
    "other size": Case(
        pages(t256=HEIGHT, t257=WIDTH, t278=WIDTH), "frame", FRAME, "it has 4 pages of 56 x 64, the cartridge has 4"
    ),
    "mixed sizes": Case(written(grey(), grey(), grey(shape=(HEIGHT, 65)), grey()), "frame", FRAME, "its pages differ"),
    "mixed depths": Case(written(grey(), grey(), grey(dtype="uint16"), grey()), "frame", FRAME, "its pages differ"),
    "1 bit": Case(pages(t258=1), "frame", FRAME, "page 1 is not one channel of 8 or 16-bit whole numbers"),
    "32 bit": Case(written(*[grey(dtype="uint32")] * 4), "frame", FRAME, "page 1 is not one channel of 8 or 16-bit"),
    "floats": Case(written(*[grey(dtype="float32")] * 4), "frame", FRAME, "page 1 is not one channel of 8 or 16-bit"),
    "complex": Case(written(*[grey(dtype="complex64")] * 4), "frame", FRAME, "page 1 is not one channel"),
    "signed": Case(written(*[grey(dtype="int16")] * 4), "frame", FRAME, "page 1 is not one channel of 8 or 16-bit"),
    "colour": Case(
        written(*[grey(shape=(HEIGHT, WIDTH, 3))] * 4, photometric="rgb"), "frame", FRAME, "page 1 is not one channel"
    ),
    "inverted": Case(written(*[grey()] * 4, photometric="miniswhite"), "frame", FRAME, "inverted, colour or tiles"),
    "tiles": Case(written(*[grey()] * 4, tile=(16, 16)), "frame", FRAME, "inverted, colour or tiles"),
    "lzma": Case(written(*[grey()] * 4, compression="lzma"), "frame", FRAME, "uses compression 34925, which is not read"),
    "jpeg pages": Case(pages(t259=7), "frame", FRAME, "page 1 uses compression 7, which is not read"),
    "unknown compression": Case(pages(t259=60_000), "frame", FRAME, "page 1 uses compression 60000, which is not read"),
    "no width": Case(lacking(256), "frame", FRAME, "page 1 lacks tag 256"),
    "no height": Case(lacking(257), "frame", FRAME, "page 1 lacks tag 257"),
    "no strips": Case(lacking(273), "frame", FRAME, "page 1 has no complete list of its strips"),
    "no strip sizes": Case(lacking(279), "frame", FRAME, "page 1 has no complete list of its strips"),
    "a strip a row, one listed": Case(pages(t278=1), "frame", FRAME, "page 1 has no complete list of its strips"),
    "no rows in a strip": Case(pages(t278=0), "frame", FRAME, "page 1 has no complete list of its strips"),
    "strip beyond the end": Case(pages(t273=2**31), "frame", FRAME, "page 1 is cut off: the file ends after"),
    "strip of 4 GB": Case(pages(t279=2**32 - 1), "frame", FRAME, "page 1 is cut off: the file ends after"),
    "too few bytes": Case(pages(t279=100), "frame", FRAME, SHORT_BYTES),
    "cut in a page": Case(cut(2 * SIZE), "frame", FRAME, "page 2 is cut off"),
    "sparse, 10 TB": Case(lambda p: os.truncate(tif(p), 10**13), "frame", FRAME, "10,000,000,000,000 bytes, more than"),
    "64 MB of zeros in each page": Case(bomb, "flag", "all-black:ck", "unscaled:dapi"),
    "deflated noise": Case(pages(t259=8), "frame", FRAME, "page 1 cannot be decompressed"),
    "damaged LZW": Case(damaged_pages("tiff_lzw"), "frame", FRAME, "page 2 cannot be decompressed"),
    "damaged deflate": Case(damaged_pages("tiff_adobe_deflate"), "frame", FRAME, "page 2 cannot be decompressed"),
    "big-endian": Case(put(classic([PAGE] * 4, order=">")), "flag", "all-black:dapi", "unscaled:ck"),
    "black": Case(pages(), "flag", "all-black:ck", "unscaled:cd45"),
    "constant": Case(written(*[grey(9)] * 4), "flag", "constant:ck", "unscaled:dapi"),
    "saturated": Case(written(*[grey(255)] * 4), "flag", "saturated:ck", "constant:cd45"),
    "every frame a header": Case(
        all_of(put(classic([]))), "refuse", "171651.1.2", "none of its 6 frames can be read; frame 1"
    ),
    "every frame of 4,000 x 4,000": Case(
        all_of(pages(t256=4000, t257=4000)), "refuse", "171651.1.2", "none of its 6 frames can be read; frame 1"
    ),
}  # fmt: skip

# --- XML --------------------------------------------------------------------------------------------------------------


def rewrite(pattern: str, text: str) -> Callable[[Path], object]:
    def write(path: Path) -> None:
        old = (path / XML).read_text()
        new = re.sub(pattern, lambda _: text, old, count=1, flags=re.DOTALL)
        assert new != old
        (path / XML).write_text(new)

    return write


def xml(content: str | bytes) -> Callable[[Path], object]:
    data = content if isinstance(content, bytes) else content.encode()
    return lambda path: (path / XML).write_bytes(data)


def doctype(text: str) -> Callable[[Path], object]:
    return rewrite("<!DOCTYPE archive>", text)


def event(field: str, value: str) -> Callable[[Path], object]:
    """A field of event 11, which comes first."""
    return rewrite(f"<{field}>[^<]*</{field}>", value and f"<{field}>{value}</{field}>")


ENTITIES = "it declares XML entities, which are never expanded"
ELSEWHERE = "its DOCTYPE refers to another file, which is never fetched"
LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10 if n else "ha"}">' for n in range(9))
XMLS = {
    "external entity": Case(
        doctype('<!DOCTYPE archive [<!ENTITY x SYSTEM "file:///etc/passwd">]>'), "refuse", XML, ENTITIES
    ),
    "entity of the network": Case(
        doctype('<!DOCTYPE archive [<!ENTITY x SYSTEM "http://127.0.0.1:9/x">]>'), "refuse", XML, ENTITIES
    ),
    "billion laughs": Case(doctype(f"<!DOCTYPE archive [{LAUGHS}]>"), "refuse", XML, ENTITIES),
    "quadratic blow-up": Case(doctype(f'<!DOCTYPE archive [<!ENTITY a "{"x" * 9999}">]>'), "refuse", XML, ENTITIES),
    "parameter entity": Case(
        doctype('<!DOCTYPE archive [<!ENTITY % p SYSTEM "http://127.0.0.1:9/p"> %p;]>'), "refuse", XML, ENTITIES
    ),
    "external subset": Case(doctype('<!DOCTYPE archive SYSTEM "http://127.0.0.1:9/a.dtd">'), "refuse", XML, ELSEWHERE),
    "public subset": Case(doctype('<!DOCTYPE archive PUBLIC "-//X" "http://127.0.0.1:9/a">'), "refuse", XML, ELSEWHERE),
    "undeclared entity": Case(event("rid", "&x;"), "refuse", XML, "it is not well-formed XML"),
    "plain DOCTYPE": Case(doctype("<!DOCTYPE archive [<!ELEMENT archive ANY>]>"), "accept", "", ""),
    "empty XML": Case(xml(""), "refuse", XML, "it is not well-formed XML"),
    "not closed": Case(rewrite("</archive>", ""), "refuse", XML, "it is not well-formed XML"),
    "NUL bytes": Case(xml(bytes(999)), "refuse", XML, "it is not well-formed XML"),
    "UTF-16 named UTF-8": Case(xml('<?xml version="1.0" encoding="UTF-8"?><archive/>'.encode("utf-16")), "refuse", XML, ""),
    "encoding that runs code": Case(xml('<?xml version="1.0" encoding="zlib"?><archive/>'), "refuse", XML, ""),
    "web page": Case(xml("<html><script>alert(1)</script></html>"), "refuse", XML, "its root element is 'html'"),
    "markup as root": Case(xml("<_x onload='1'/>"), "refuse", XML, "its root element is '_x'"),
    "600,000 elements": Case(xml(f"<archive>{'<a/>' * 600_000}</archive>"), "refuse", XML, "more than 500,000 elements"),
    "nested 50,000 deep": Case(xml("<archive>" * 50_000), "refuse", XML, "nested deeper than 32"),
    "kinds of elements": Case(
        xml(f"<archive>{''.join(f'<a{n}/>' for n in range(3000))}</archive>"), "refuse", XML, "2,000 kinds of elements"
    ),
    "tag of 3 MB": Case(xml(f"<archive a='{'x' * 3_000_000}'/>"), "refuse", XML, "a single tag of more than 1,048,576"),
    "17 MB": Case(xml(f"<archive>{' ' * 17 * 2**20}</archive>"), "refuse", XML, "more than the 16,777,216 that are read"),
    "60,000 events": Case(
        rewrite("</events>", f"{'<record/>' * 60_000}</events>"), "refuse", XML, "it lists 60,003 events, more than 50,000"
    ),
    "no events": Case(rewrite("<events>.*</events>", ""), "refuse", XML, "it has no <events> element"),
    "grid of text": Case(rewrite("<numrows>2<", "<numrows>two<"), "refuse", XML, "are not whole numbers above 0"),
    "grid of 99,999 x 99,999": Case(
        rewrite("<numrows>2</numrows>(.*)<numcols>3", "<numrows>99999</numrows><numcols>99999"), "refuse", "171651.1.2",
        "9999800001 expected",
    ),
    "other camera": Case(rewrite("<camxsize>64", "<camxsize>1384"), "refuse", "171651.1.2", "the XML says 1384 x 56"),
    "CK twice": Case(rewrite("CD45-APC", "CK-PE"), "refuse", "171651.1.2", "2 pages show CK, exactly one is needed"),
    "event without id": Case(event("rid", ""), "event", XML, "it has no usable id"),
    "event with markup as id": Case(
        event("rid", "&lt;img src=x onerror=alert(1)&gt;"), "event", XML, "it has no usable id"
    ),
    "event with a formula as id": Case(event("rid", "=cmd|' /C calc'!A0"), "event", XML, "it has no usable id"),
    "event with a path as id": Case(event("rid", "../../etc/passwd"), "event", XML, "it has no usable id"),
    "event with a long id": Case(event("rid", "9" * 65), "event", XML, "it has no usable id"),
    "event twice": Case(event("rid", "12"), "event", XML, "its id was used by an earlier event"),
    "event without frame": Case(event("framenum", ""), "event", XML, "it has no frame number"),
    "event in frame 0": Case(event("framenum", "0"), "event", XML, "it lies in frame 0, but the grid has frames 1 to 6"),
    "event in frame 9 ^ 9": Case(event("framenum", "9" * 9), "event", XML, "it lies in frame 999999999"),
    "event in frame 1e99": Case(event("framenum", "1e99"), "event", XML, "its field 'framenum' is not a whole number"),
    "event without box": Case(event("location", ""), "event", XML, "it has no location"),
    "event with NaN": Case(event("location", "(nan,1),(2,3)"), "event", XML, "its location is not a box of two corners"),
    "event with infinity": Case(event("location", "(1e999,9),(2,3)"), "event", XML, "its box is not finite"),
    "event with three corners": Case(event("location", "(9,9),(2,3),(1,1)"), "event", XML, "not a box of two corners"),
    "event outside": Case(event("location", "(900,900),(890,890)"), "event", XML, "its box lies outside its frame"),
    "event without area": Case(event("location", "(5,5),(5,5)"), "event", XML, "its box has no area"),
    "event over all frames": Case(event("location", "(99,99),(-99,-99)"), "event", XML, "its box is larger than a frame"),
    "event assigned perhaps": Case(event("assigned", "perhaps"), "event", XML, "neither true nor false"),
    "event of 30,000 letters": Case(event("location", "(" * 30_000), "event", XML, "not a box of two corners"),
}  # fmt: skip

# --- names, links, sizes ----------------------------------------------------------------------------------------------


def renamed(name: str | bytes) -> Callable[[Path], Path]:
    return lambda path: path.rename(path.with_name(os.fsdecode(name)))


def added(name: str | bytes) -> Callable[[Path], object]:
    return lambda path: (path / "processed" / os.fsdecode(name)).write_bytes(b"II*\0")


def linked(path: Path) -> None:
    tif(path).unlink()
    tif(path).symlink_to("/etc/passwd")


def piped(file: str) -> Callable[[Path], object]:
    return lambda path: ((path / file).unlink(), os.mkfifo(path / file))


def nest(path: Path) -> Path:
    deep = path.joinpath(*["d"] * 12)
    deep.mkdir(parents=True)
    (path / "processed").rename(deep / "processed")
    return path


ODD = "\N{REPLACEMENT CHARACTER}"
ID = "its folder name is not a sample id"
NAMES = {
    "formula as sample": Case(renamed("=cmd 1"), "refuse", "=cmd 1", ID),
    "markup as sample": Case(renamed("<script>alert(1)<"), "refuse", "<script>alert(1)<", ID),
    "markdown as sample": Case(renamed("[x](javascript:1)"), "refuse", "[x](javascript:1)", ID),
    "line break in the sample": Case(renamed("1716\n51"), "refuse", f"1716{ODD}51", ID),
    "terminal escape in the sample": Case(renamed("1\x1b[2J"), "refuse", f"1{ODD}[2J", ID),
    "bytes that are no text": Case(renamed(b"1\xff\xfe2"), "refuse", f"1{ODD}{ODD}2", ID),
    "turned-round text": Case(renamed("1\u202efit"), "refuse", f"1{ODD}fit", ID),
    "sample of 200 letters": Case(renamed("1" * 200), "refuse", "1" * 200, ID),
    "frame without a number": Case(added("overview.tif"), "refuse", "overview.tif", "does not end in a frame number"),
    "frame with odd bytes": Case(added(b"\xffp.tif"), "refuse", f"{ODD}p.tif", "frame number"),
    "frame number of 300 digits": Case(
        added("1" * 240 + "002.tif"), "refuse", "cartid171651p002.tif", "is frame 2 too"
    ),
    "frame 7 of 6": Case(added("p007.tif"), "refuse", "171651.1.2", "frame 7 is not part of the grid"),
    "frame twice": Case(added("p2.tif"), "refuse", "p2.tif", "cartid171651p002.tif is frame 2 too"),
    "macOS leftovers": Case(added("._cartid171651p001.tif"), "accept", "", ""),
    "a frame missing": Case(lambda p: tif(p).unlink(), "refuse", "171651.1.2", "frame 2 is missing"),
    "frame is a link": Case(linked, "frame", FRAME, "it is not a regular file"),
    "frame is a pipe": Case(piped(f"processed/{FRAME}"), "frame", FRAME, "it is not a regular file"),
    "frame is a folder": Case(lambda p: (tif(p).unlink(), tif(p).mkdir()), "frame", FRAME, "it is not a regular file"),
    "XML is a pipe": Case(piped(XML), "refuse", XML, "it is not a regular file"),
    "XML is a link": Case(
        lambda p: ((p / XML).unlink(), (p / XML).symlink_to("/etc/passwd")), "refuse", XML, "it is not a regular file"
    ),
    "folder in itself": Case(lambda p: (p / "more").symlink_to(p), "accept", "", ""),
    "images are a link": Case(
        lambda p: ((p / "processed").rename(p.parent / "out"), (p / "processed").symlink_to(p.parent / "out")),
        "refuse", "171651.1.2", "no TIFF files were found",
    ),
    "12 folders deep": Case(nest, "refuse", "171651.1.2", "no TIFF files were found"),
    "two image folders": Case(
        lambda p: ((p / "b").mkdir(), (p / "b" / "p1.tif").write_bytes(b"")), "refuse", "171651.1.2", "in 2 folders"
    ),
    "nothing there": Case(lambda p: p / "nowhere", "refuse", "nowhere", "it cannot be read"),
    "a device": Case(lambda _: Path("/dev/zero"), "refuse", "zero", "it is neither a folder nor a zip file"),
}  # fmt: skip

# --- zip --------------------------------------------------------------------------------------------------------------

ZIP = "171651.1.2.zip"


def member(name: str, mode: int = 0o100644) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr, info.compress_type = mode << 16, zipfile.ZIP_DEFLATED
    return info


def stored(name: str) -> zipfile.ZipInfo:
    info = member(name)
    info.compress_type = zipfile.ZIP_STORED
    return info


def zipped(*more: zipfile.ZipInfo, content: bytes = b"II*\0", sound: bool = False) -> Callable[[Path], Path]:
    def write(path: Path) -> Path:
        target = path.parent / ZIP
        with zipfile.ZipFile(target, "w") as archive:
            for file in sorted(path.rglob("*")) if sound else []:
                archive.write(file, file.relative_to(path.parent))
            for info in more:
                archive.writestr(info, content, compresslevel=1)
        return target

    return write


def changed(make: Callable[[Path], Path], change: Callable[[bytes], bytes]) -> Callable[[Path], Path]:
    def write(path: Path) -> Path:
        target = make(path)
        target.write_bytes(change(target.read_bytes()))
        return target

    return write


def names(*texts: str) -> Iterable[zipfile.ZipInfo]:
    return map(member, texts)


SOUND = zipped(sound=True)
OUTSIDE, DEVICE = "a file whose name leads outside of the zip", "it holds a link or a device instead of a file"
DIRECTORY = struct.pack("<I", 2**31)
ZIP64 = b"PK\x06\x07" + bytes(16)
ZIPS = {
    "sound zip": Case(SOUND, "accept", "", ""),
    "parent folder": Case(zipped(*names("a/../../evil.tif")), "refuse", ZIP, OUTSIDE),
    "absolute path": Case(zipped(*names("/tmp/evil.tif")), "refuse", ZIP, OUTSIDE),
    "backslashes": Case(zipped(*names("..\\evil.tif")), "refuse", ZIP, OUTSIDE),
    "drive letter": Case(zipped(*names("C:evil.tif")), "refuse", ZIP, OUTSIDE),
    "control character": Case(zipped(*names("a\x1b[2J.tif")), "refuse", ZIP, OUTSIDE),
    "link": Case(zipped(member("p001.tif", 0o120777), content=b"/etc/passwd"), "refuse", ZIP, DEVICE),
    "pipe in a zip": Case(zipped(member("p001.tif", 0o010644)), "refuse", ZIP, DEVICE),
    "device in a zip": Case(zipped(member("p001.tif", 0o020644)), "refuse", ZIP, DEVICE),
    "same name twice": Case(zipped(*names("p1.tif", "P1.TIF")), "refuse", ZIP, "it holds two files of the same name"),
    "file and folder": Case(zipped(*names("a.tif", "a.tif/p1.tif")), "refuse", ZIP, "a file and a folder of the same name"),
    "name of 300 letters": Case(zipped(*names("a" * 300 + ".tif")), "refuse", ZIP, "it cannot be unpacked (File name too long)"),
    "zip in a zip": Case(zipped(*names("more.zip")), "refuse", ZIP, "it holds another archive"),
    "tar in a zip": Case(zipped(*names("more.TAR")), "refuse", ZIP, "it holds another archive"),
    "5,001 files": Case(zipped(*names(*(f"p{n}.tif" for n in range(5001)))), "refuse", ZIP, "5,001 files, more than 5,000"),
    "65 MB of zeros": Case(
        zipped(member("p001.tif"), content=bytes(65 * 2**20)), "refuse", ZIP, "it unpacks to far more than a cartridge"
    ),
    "encrypted": Case(
        changed(zipped(member("p1.tif")), lambda d: d.replace(b"PK\x01\x02\x14\x03\x14\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01")),
        "refuse", ZIP, "it is encrypted or packed in an unusual way",
    ),
    "name that is no UTF-8": Case(
        changed(zipped(member("\xe4\xe4.tif")), lambda d: d.replace(b"\xc3\xa4\xc3\xa4", b"\xff\xff\xff\xff")),
        "refuse", ZIP, "it is damaged",
    ),
    "table of contents of 2 GB": Case(
        changed(SOUND, lambda d: d[:-10] + DIRECTORY + d[-6:]), "refuse", ZIP, "its table of contents is larger"
    ),
    "zip64": Case(changed(SOUND, lambda d: d[:-22] + ZIP64 + d[-22:]), "refuse", ZIP, "more than 4 GB (zip64)"),
    "cut in half": Case(changed(SOUND, lambda d: d[: len(d) // 2]), "refuse", ZIP, "it is not a zip file, or its end"),
    "not a zip": Case(changed(SOUND, lambda _: b"MZ" + bytes(99)), "refuse", ZIP, "it is not a zip file, or its end"),
    "wrong checksum": Case(
        changed(zipped(stored("p1.tif"), content=b"MM-xyzzy"), lambda d: d.replace(b"xyzzy", b"XYZZY")),
        "refuse", ZIP, "it is damaged",
    ),
    "no cartridge": Case(zipped(*names("readme.txt")), "refuse", "171651.1.2", "no TIFF files were found"),
}  # fmt: skip

CASES = TIFFS | XMLS | NAMES | ZIPS
