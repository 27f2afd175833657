"""More archives made to harm, in the same terms: what decoders take from tags, doubled fields, look-alikes, lying zips."""

# ruff: noqa: E501  (a case a row)
from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

from ctc_core.cartridge import Grid, Layout, write_cartridge
from tests.cartridge.conftest import EVENTS, scene_of
from tests.cartridge.made_hostile import (
    FRAME,
    HEIGHT,
    ID,
    ODD,
    OUTSIDE,
    PAGE,
    SIZE,
    SOUND,
    WIDTH,
    XML,
    ZIP,
    Case,
    added,
    changed,
    classic,
    event,
    member,
    names,
    pages,
    put,
    renamed,
    rewrite,
    stored,
    zipped,
)

# --- TIFF: tags that only a decoder looks at --------------------------------------------------------------------------

Tag = tuple[int, int, int, int]
"""Number, type, count, value or offset."""


def packed(*more: Tag, n: int = 4) -> Callable[[Path], object]:
    """Deflated pages, which a library decodes and not we, with further tags of any type."""
    data = zlib.compress(bytes(SIZE))
    usual = {**PAGE, 259: 8, 279: len(data)}
    entries = sorted([*((tag, 4, 1, value) for tag, value in usual.items()), *more])
    body = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries)
    start, size = 8 + len(data), len(body) + 4
    out = struct.pack("<2sHI", b"II", 42, start) + data
    for page in range(n):
        out += body + struct.pack("<I", start + (page + 1) * size if page + 1 < n else 0)
    return put(out)


TURNED = "is stored turned, mirrored or with its bits reversed"
HERE = 8 + len(zlib.compress(bytes(SIZE)))
"""Where the first directory of `packed` stands."""
NO_PIXELS = "page 1 cannot be decompressed"
TIFFS = {
    "turned upside down": Case(pages(t274=3), "frame", FRAME, TURNED),
    "turned and packed": Case(packed((274, 3, 1, 3)), "frame", FRAME, TURNED),
    "turned on its side, packed": Case(packed((274, 3, 1, 6)), "frame", FRAME, TURNED),
    "bits reversed": Case(pages(t266=2), "frame", FRAME, TURNED),
    "bits reversed and packed": Case(packed((266, 3, 1, 2)), "frame", FRAME, TURNED),
    "planes apart": Case(pages(t284=2), "flag", "all-black:ck", "unscaled:dapi"),
    "three planes apart": Case(pages(t284=2, t277=3), "frame", FRAME, "page 1 is not one channel"),
    "tile sizes without tiles": Case(packed((322, 4, 1, 16), (323, 4, 1, 16)), "frame", FRAME, "inverted, colour or tiles"),
    "directory below itself": Case(packed((330, 4, 1, HERE)), "flag", "all-black:ck", "unscaled:dapi"),
    "directory below itself, as camera data": Case(packed((34665, 4, 1, HERE), (34853, 4, 1, HERE)), "flag", "all-black:ck", "unscaled:dapi"),
    "description of 2 GB": Case(packed((270, 2, 2**31, 8)), "flag", "all-black:ck", "unscaled:dapi"),
    "colour profile of 4 GB": Case(packed((34675, 7, 2**32 - 1, 8)), "flag", "all-black:ck", "unscaled:dapi"),
    "resolution of nothing by nothing": Case(packed((282, 5, 1, 8), (283, 5, 1, 2**32 - 8)), "frame", FRAME, "cannot be decompressed"),
    "colour map that is cut off": Case(packed((320, 3, 768, 2**32 - 4)), "flag", "all-black:ck", "unscaled:dapi"),
    "predictor of floats": Case(packed((317, 3, 1, 3)), "frame", FRAME, NO_PIXELS),
    "predictor that is none": Case(packed((317, 3, 1, 99)), "frame", FRAME, NO_PIXELS),
    "JPEG tables in a packed page": Case(packed((347, 7, 99, 8)), "flag", "all-black:ck", "unscaled:dapi"),
    "old JPEG": Case(pages(t259=6), "frame", FRAME, "page 1 uses compression 6, which is not read"),
    "fax": Case(pages(t259=4), "frame", FRAME, "page 1 uses compression 4, which is not read"),
    "zstd": Case(pages(t259=50_000), "frame", FRAME, "page 1 uses compression 50000, which is not read"),
    "webp": Case(pages(t259=50_001), "frame", FRAME, "page 1 uses compression 50001, which is not read"),
    "width as a text": Case(put(classic([PAGE] * 4).replace(struct.pack("<HHI", 256, 4, 1), struct.pack("<HHI", 256, 2, 1))), "frame", FRAME, "page 1 lacks tag 256"),
    "width a thousand times": Case(put(classic([PAGE] * 4).replace(struct.pack("<HHI", 256, 4, 1), struct.pack("<HHI", 256, 4, 1000))), "frame", FRAME, "page 1 lacks tag 256"),
    "limits the wrong way round": Case(pages(t755=4095, t756=0), "flag", "all-black:ck", "unscaled:dapi"),
    "limits of 4 thousand million": Case(pages(t755=0, t756=2**32 - 1), "flag", "all-black:ck", "all-black:dapi"),
    "BigTIFF with a directory at 2^63": Case(put(struct.pack("<2sHHHQ", b"II", 43, 8, 0, 2**63)), "frame", FRAME, "it is not a classic TIFF file"),
}  # fmt: skip

# --- XML --------------------------------------------------------------------------------------------------------------


def encoded(name: str, text: str | None = None) -> Callable[[Path], object]:
    """The same XML in another encoding, which it names."""

    def write(path: Path) -> None:
        whole = (path / XML).read_text().replace("UTF-8", text or name)
        (path / XML).write_bytes(whole.encode(name))

    return write


def doubled(field: str, first: str, second: str) -> Callable[[Path], object]:
    return rewrite(f"<{field}>[^<]*</{field}>", f"<{field}>{first}</{field}><{field}>{second}</{field}>")


XMLS = {
    "in UTF-16": Case(encoded("utf-16"), "accept", "", ""),
    "in Latin-1": Case(encoded("latin-1"), "accept", "", ""),
    "in UTF-7": Case(encoded("utf-7"), "refuse", XML, ""),
    "in UTF-32": Case(encoded("utf-32"), "refuse", XML, ""),
    "in EBCDIC": Case(encoded("cp500"), "refuse", XML, ""),
    "named UTF-16, is UTF-8": Case(encoded("utf-8", "utf-16"), "refuse", XML, ""),
    "style sheet of the network": Case(rewrite("<!DOCTYPE", '<?xml-stylesheet href="http://127.0.0.1:9/x"?><!DOCTYPE'), "accept", "", ""),
    "instructions without end": Case(rewrite("<runs>", f"{'<?a b?>' * 500_000}<runs>"), "accept", "", ""),
    "include of a file": Case(rewrite("<runs>", '<i xmlns:x="http://www.w3.org/2001/XInclude"><x:include href="file:///etc/passwd"/></i><runs>'), "accept", "", ""),
    "a million events": Case(rewrite("</events>", f"{'<record/>' * 1_000_000}</events>"), "refuse", XML, "more than 500,000 elements"),
    "two roots": Case(rewrite("</archive>", "</archive><archive/>"), "refuse", XML, "it is not well-formed XML"),
    "namespace of its own": Case(rewrite("<archive>", '<archive xmlns="urn:x">'), "refuse", XML, "its root element is"),
    "event in frames 1 and 1": Case(doubled("framenum", "1", "1"), "event", XML, "its field 'framenum' stands there twice"),
    "event assigned and not": Case(doubled("assigned", "t", "rue"), "event", XML, "its field 'assigned' stands there twice"),
    "event with an empty second box": Case(doubled("location", "(9,9),(2,3)", ""), "event", XML, "its field 'location' stands there twice"),
    "rows twice": Case(doubled("numrows", "", "2"), "refuse", XML, "its field 'numrows' stands twice in one record"),
    "filter of two names": Case(doubled("filtername", "DA", "PI"), "refuse", XML, "its field 'filtername' stands twice in one record"),
    "event at 1e308": Case(event("location", "(1e308,1e308),(-1e308,-1e308)"), "event", XML, "its box is not finite"),
    "event left of everything": Case(event("location", "(-5,-5),(-9,-9)"), "event", XML, "its box lies outside its frame"),
    "event in frame -1": Case(event("framenum", "-1"), "event", XML, "it lies in frame -1"),
    "event in frame one, Arabic digit": Case(event("framenum", "\u0661"), "event", XML, "its field 'framenum' is not a whole number"),
    "event with full-width digits": Case(event("location", "(\uff19,9),(2,3)"), "event", XML, "its location is not a box of two corners"),
    "event with a turned-round id": Case(event("rid", "1\u202e2"), "event", XML, "it has no usable id"),
    "event with a look-alike id": Case(event("rid", "\u0430\u0435"), "event", XML, "it has no usable id"),
    "event with a zero-width id": Case(event("rid", "1\u200b1"), "event", XML, "it has no usable id"),
}  # fmt: skip

# --- names and tables -------------------------------------------------------------------------------------------------


def tables(file: str, change: Callable[[bytes], bytes]) -> Callable[[Path], Path]:
    """An archive of the older software, one of its six tables changed."""

    def write(path: Path) -> Path:
        scenes = (scene_of(number, height=HEIGHT, width=WIDTH) for number in range(1, 141))
        grid, older = Grid(4, 35, WIDTH, HEIGHT, bottom_up=True), Layout(dlm=True)
        made = write_cartridge(path.parent / "older", "older", scenes, EVENTS, grid, layout=older)
        (made / file).write_bytes(change((made / file).read_bytes()))
        return made

    return write


NAMES = {
    "sample in full-width digits": Case(renamed("\uff11\uff17\uff11"), "refuse", "\uff11\uff17\uff11", ID),
    "sample in look-alike letters": Case(renamed("\u0421\u0422\u0421"), "refuse", "\u0421\u0422\u0421", ID),
    "sample with a zero-width space": Case(renamed("1\u200b2"), "refuse", f"1{ODD}2", ID),
    "frame in Arabic digits": Case(added("p\u0660\u0660\u0667.tif"), "refuse", "p\u0660\u0660\u0667.tif", "does not end in a frame number"),
    "frame turned round": Case(added("p\u202efit.700.tif"), "refuse", "171651.1.2", "frame 700 is not part of the grid"),
    "tables without a separator": Case(tables("pic.dlm", lambda _: b"a,b,c\n"), "refuse", "pic.dlm", "no single non-ASCII character separates"),
    "tables of 9 MB": Case(tables("cells.dlm", lambda _: b"x" * 9 * 2**20), "refuse", "cells.dlm", "more than the 8,388,608 that are read"),
    "tables of 200,000 lines": Case(tables("cells.dlm", lambda _: b"a\xa7b\n" * 200_000), "refuse", "cells.dlm", "more than 100,000 lines"),
}  # fmt: skip

# --- zip --------------------------------------------------------------------------------------------------------------


def twice(data: bytes) -> bytes:
    """A second name in the table of contents for the bytes of the first file."""
    start = data.index(b"PK\x01\x02")
    end = data.index(b"PK\x05\x06")
    entry = data[start:end].replace(b"p1.tif", b"p2.tif")
    count, size = struct.pack("<HH", 2, 2), struct.pack("<I", 2 * (end - start))
    return data[:end] + entry + data[end : end + 8] + count + size + data[end + 16 :]


def sized(compressed: int, size: int) -> Callable[[bytes], bytes]:
    """Other sizes of the first file in the table of contents."""

    def change(data: bytes) -> bytes:
        at = data.index(b"PK\x01\x02") + 20
        return data[:at] + struct.pack("<II", compressed, size) + data[at + 8 :]

    return change


ONE = zipped(stored("p1.tif"), content=b"MM-xyzzy")
DEEP = "its folders are nested deeper than 16"
ZIPS = {
    "folders 17 deep": Case(zipped(*names("d/" * 17 + "p1.tif")), "refuse", ZIP, DEEP),
    "folders 1,900 deep": Case(zipped(*names("d/" * 1900 + "p1.tif")), "refuse", ZIP, DEEP),
    "folders 1,900 deep beside a cartridge": Case(zipped(*names("d/" * 1900 + "x.txt"), sound=True), "refuse", ZIP, DEEP),
    "NUL in a name": Case(changed(zipped(*names("p1.tif~.exe")), lambda d: d.replace(b"~", b"\0")), "refuse", "171651.1.2", "it has neither an XML file"),
    "turned-round name": Case(zipped(*names("p\u202efit.1.tif")), "refuse", ZIP, OUTSIDE),
    "path of another machine": Case(zipped(*names("\\\\server\\share\\p1.tif")), "refuse", ZIP, OUTSIDE),
    "path of Windows": Case(zipped(*names("C:\\Windows\\p1.tif")), "refuse", ZIP, OUTSIDE),
    "path of Windows with slashes": Case(zipped(*names("C:/Windows/p1.tif")), "refuse", ZIP, OUTSIDE),
    "stream of Windows": Case(zipped(*names("p1.tif:evil.tif")), "refuse", ZIP, OUTSIDE),
    "socket in a zip": Case(zipped(member("p1.tif", 0o140644)), "refuse", ZIP, "it holds a link or a device"),
    "block device in a zip": Case(zipped(member("p1.tif", 0o060644)), "refuse", ZIP, "it holds a link or a device"),
    "link beside a cartridge": Case(zipped(member("notes.txt", 0o120777), sound=True, content=b"/etc"), "refuse", ZIP, "it holds a link or a device"),
    "folders of odd case": Case(zipped(*names("A/p1.tif", "a/P1.tif")), "refuse", ZIP, "it holds two files of the same name"),
    "one file under two names": Case(changed(ONE, twice), "refuse", ZIP, "it is damaged"),
    "file of 4 GB, says the table": Case(changed(ONE, sized(2**32 - 2, 2**32 - 2)), "refuse", ZIP, ""),
    "file of nothing, says the table": Case(changed(ONE, sized(8, 0)), "refuse", ZIP, ""),
    "zip64 sizes that are missing": Case(changed(ONE, sized(2**32 - 1, 2**32 - 1)), "refuse", ZIP, ""),
    "packed with bzip2": Case(changed(zipped(member("p1.tif")), lambda d: d.replace(b"PK\x01\x02\x14\x03\x14\x00\x00\x00\x08\x00", b"PK\x01\x02\x14\x03\x14\x00\x00\x00\x0c\x00")), "refuse", ZIP, "it is encrypted or packed in an unusual way"),
    "program before the zip": Case(changed(SOUND, lambda d: b"MZ" + bytes(4094) + d), "accept", "", ""),
    "comment that holds a zip": Case(changed(SOUND, lambda d: d[:-2] + struct.pack("<H", 22) + b"PK\x05\x06" + bytes(18)), "refuse", "171651.1.2", "no TIFF files were found"),
}  # fmt: skip

MORE = TIFFS | XMLS | NAMES | ZIPS
