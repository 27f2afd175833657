"""Files made to harm: none hangs, fills the memory, leaves its folder or reaches the network."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import pytest

from ctc_core.cartridge import open_cartridge
from ctc_core.cartridge import unpack as unpack_module
from ctc_core.errors import CartridgeError, FrameError

AGAIN = "Zip the sample folder again, with nothing else in it."
EXPORT = "Export the XML from CellTracks again."

DOCTYPES = {
    "external entity": (
        '<!DOCTYPE archive [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
        "it declares XML entities, which are never expanded",
    ),
    "entity bomb": (
        '<!DOCTYPE archive [<!ENTITY a "0000000000"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>',
        "it declares XML entities, which are never expanded",
    ),
    "parameter entity": (
        '<!DOCTYPE archive [<!ENTITY % p SYSTEM "http://127.0.0.1:9/p.dtd"> %p;]>',
        "it declares XML entities, which are never expanded",
    ),
    "external subset": (
        '<!DOCTYPE archive SYSTEM "http://127.0.0.1:9/a.dtd">',
        "its DOCTYPE refers to another file, which is never fetched",
    ),
    "public subset": (
        '<!DOCTYPE archive PUBLIC "-//X//Y" "http://127.0.0.1:9/a.dtd">',
        "its DOCTYPE refers to another file, which is never fetched",
    ),
}


@pytest.mark.parametrize("case", DOCTYPES)
def test_entities_and_external_files_are_refused(case: str, make) -> None:
    path = make()
    doctype, reason = DOCTYPES[case]
    xml = path / "171651.xml"
    xml.write_text(xml.read_text().replace("<!DOCTYPE archive>", doctype))
    with pytest.raises(CartridgeError) as caught:
        open_cartridge(path)
    assert str(caught.value) == f"171651.xml: {reason}. {EXPORT}"


def test_a_doctype_with_element_declarations_is_accepted(make) -> None:
    path = make()
    xml = path / "171651.xml"
    inner = "<!DOCTYPE archive [<!ELEMENT archive ANY><!ELEMENT events ANY>]>"
    xml.write_text(xml.read_text().replace("<!DOCTYPE archive>", inner))
    assert len(open_cartridge(path).events) == 3


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("<a/>" * 500_001, "it has more than 500,000 elements or is nested deeper than 32"),
        ("<a>" * 34, "it has more than 500,000 elements or is nested deeper than 32"),
        (
            "<a " + " ".join(f'b{n}=""' for n in range(400_000)) + "/>",
            "it holds a single tag of more than 1,048,576 bytes",
        ),
        (
            "<a " + " ".join(f'b{n}=""' for n in range(101)) + "/>",
            "it has more than 2,000 kinds of elements or 100 attributes in one",
        ),
        (
            "".join(f"<a{n}/>" for n in range(2_002)),
            "it has more than 2,000 kinds of elements or 100 attributes in one",
        ),
        (f"<!--{'x' * 2_000_000}-->", "it holds a single tag of more than 1,048,576 bytes"),
    ],
    ids=["many", "deep", "wide", "attributes", "kinds", "comment"],
)
def test_an_endless_xml_is_refused(body: str, reason: str, make) -> None:
    path = make()
    (path / "171651.xml").write_text(f"<archive>{body}</archive>")
    with pytest.raises(CartridgeError) as caught:
        open_cartridge(path)
    assert caught.value.reason == reason


@pytest.mark.parametrize("encoding", ["UT0-8", "rot13", "zlib", "hex", "idna", "undefined", "punycode", "utf-16"])
def test_an_xml_in_an_encoding_that_is_none_is_refused(encoding: str, make) -> None:
    path = make()
    xml = path / "171651.xml"
    xml.write_text(xml.read_text().replace('encoding="UTF-8"', f'encoding="{encoding}"'))
    with pytest.raises(CartridgeError, match=r"171651\.xml: .*Export the XML from CellTracks again"):
        open_cartridge(path)


def test_an_xml_that_is_a_pipe_is_refused(make) -> None:
    path = make()
    (path / "171651.xml").unlink()
    os.mkfifo(path / "171651.xml")
    with pytest.raises(CartridgeError) as caught:
        open_cartridge(path)
    assert str(caught.value) == f"171651.xml: it is not a regular file. {EXPORT}"


def test_a_path_that_is_a_pipe_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "sample.zip")
    with pytest.raises(CartridgeError, match="it is neither a folder nor a zip file"):
        open_cartridge(tmp_path / "sample.zip")


def test_links_to_folders_are_not_followed(make, tmp_path: Path) -> None:
    path = make()
    (path / "again").symlink_to(path, target_is_directory=True)
    assert len(open_cartridge(path).files) == 6


# --- TIFF

PAGE = {256: 40, 257: 30, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: 30, 279: 1200}
TIFFS = {
    "loop": ([PAGE, PAGE], True, "its page directory runs in a loop"),
    "huge page": ([{**PAGE, 256: 60_000, 257: 60_000}], False, "page 1 claims 60000 x 60000 pixels"),
    "deflate bomb": (
        [{**PAGE, 256: 16_384, 257: 16_384, 259: 8}],
        False,
        "page 1 claims 16384 x 16384 pixels",
    ),
    "no rows": ([{**PAGE, 257: 0}], False, "page 1 claims 40 x 0 pixels"),
    "one bit": ([{**PAGE, 258: 1}], False, "page 1 is not one channel of 8 or 16-bit whole numbers"),
    "beyond the end": ([{**PAGE, 273: 90_000}], False, "page 1 is cut off: the file ends after 1,322 bytes"),
    "too few bytes": ([{**PAGE, 279: 600}], False, "page 1 holds 600 bytes, its size needs 1,200"),
    "strip list": ([{**PAGE, 278: 1}], False, "page 1 has no complete list of its strips"),
    "no width": ([{k: v for k, v in PAGE.items() if k != 256}], False, "page 1 lacks tag 256"),
}


@pytest.mark.parametrize("case", TIFFS)
def test_hostile_structures_are_errors_of_their_frame(case: str, make, classic_tiff) -> None:
    path = make()
    pages, loop, reason = TIFFS[case]
    (path / "processed" / "cartid171651p002.tif").write_bytes(classic_tiff(pages, bytes(1200), loop=loop))
    with pytest.raises(FrameError) as caught:
        open_cartridge(path).read(2)
    assert (caught.value.frame, caught.value.reason) == (2, reason)


def test_a_hand_made_tiff_of_the_same_kind_is_read(make, classic_tiff) -> None:
    """The builder itself is sound: four pages over the same bytes."""
    path = make()
    (path / "processed" / "cartid171651p002.tif").write_bytes(classic_tiff([PAGE] * 4, bytes([9]) * 1200))
    assert (open_cartridge(path).read(2).stretched == 9).all()


BOMB = """
import resource, sys
from pathlib import Path
from ctc_core.cartridge import open_cartridge
from ctc_core.errors import FrameError
cartridge = open_cartridge(Path(sys.argv[1]))
cartridge.read(1)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    cartridge.read(2)
except FrameError:
    pass
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_a_strip_that_inflates_to_far_more_than_its_page_fills_no_memory(make, classic_tiff) -> None:
    """100 MB of zeros behind a page of 1,200 bytes."""
    packer = zlib.compressobj(1)
    data = b"".join(packer.compress(bytes(10**7)) for _ in range(10)) + packer.flush()
    path = make()
    page = {**PAGE, 259: 8, 279: len(data)}
    (path / "processed" / "cartid171651p002.tif").write_bytes(classic_tiff([page] * 4, data))
    command = [sys.executable, "-c", BOMB, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, cwd=Path.cwd())
    assert int(done.stdout) < 30_000  # kilobytes


# --- zip


def zipped(path: Path, target: Path, *, top: bool = True) -> Path:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(path.rglob("*")):
            archive.write(file, file.relative_to(path.parent if top else path))
        archive.writestr("__MACOSX/171651.1.2/._171651.xml", b"junk")
        archive.writestr("readme.txt", b"not needed")
    return target


@pytest.mark.parametrize("top", [True, False])
def test_a_zip_is_read_like_its_folder(top: bool, make, tmp_path: Path) -> None:
    path = make()
    folder = open_cartridge(path)
    own = tmp_path / "own"
    cartridge = open_cartridge(zipped(path, tmp_path / "171651.1.2.zip", top=top), unpack_to=own)
    assert (cartridge.id, cartridge.events, cartridge.grid) == (folder.id, folder.events, folder.grid)
    assert (cartridge.read(6).stretched == folder.read(6).stretched).all()
    unpacked = sorted(file.name for file in own.rglob("*") if file.is_file())
    assert unpacked == ["171651.xml", *[f"cartid171651p00{n}.tif" for n in range(1, 7)]]


def member(name: str, mode: int = 0o100644) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    info.compress_type = zipfile.ZIP_DEFLATED
    return info


HOSTILE_ZIPS = {
    "parent": ([member("a/../../evil.tif")], "it holds a file whose name leads outside of the zip"),
    "absolute": ([member("/tmp/evil.tif")], "it holds a file whose name leads outside of the zip"),
    "backslash": ([member("..\\evil.tif")], "it holds a file whose name leads outside of the zip"),
    "drive": ([member("C:evil.tif")], "it holds a file whose name leads outside of the zip"),
    "link": ([member("a/p001.tif", 0o120777)], "it holds a link or a device instead of a file"),
    "pipe": ([member("a/p001.tif", 0o010644)], "it holds a link or a device instead of a file"),
    "twice": ([member("a/p001.tif"), member("A/P001.tif")], "it holds two files of the same name"),
    "nested": ([member("a/more.zip")], "it holds another archive"),
    "many": ([member(f"a/p{n}.tif") for n in range(5_001)], "it holds 5,001 files, more than 5,000"),
}


@pytest.mark.parametrize("case", HOSTILE_ZIPS)
def test_hostile_zips_are_refused_and_leave_nothing(case: str, tmp_path: Path) -> None:
    members, reason = HOSTILE_ZIPS[case]
    path, own = tmp_path / "s.zip", tmp_path / "own"
    with zipfile.ZipFile(path, "w") as archive:
        for info in members:
            archive.writestr(info, b"II*\0")
    with pytest.raises(CartridgeError) as caught:
        open_cartridge(path, unpack_to=own)
    assert str(caught.value) == f"s.zip: {reason}. {AGAIN}"
    assert (sorted(tmp_path.iterdir()), list(own.iterdir())) == ([own, path], [])


def test_a_zip_bomb_is_stopped_while_it_unpacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpack_module, "RATIO_FROM", 2**21)
    path, own = tmp_path / "s.zip", tmp_path / "own"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/p001.tif", bytes(2**25))
    with pytest.raises(CartridgeError) as caught:
        open_cartridge(path, unpack_to=own)
    assert str(caught.value) == f"s.zip: it unpacks to far more than a cartridge holds. {AGAIN}"
    assert list(own.iterdir()) == []


@pytest.mark.parametrize("cut", [10, 0.5])
def test_a_damaged_zip_is_refused(cut: float, make, tmp_path: Path) -> None:
    path, own = zipped(make(), tmp_path / "171651.1.2.zip"), tmp_path / "own"
    data = path.read_bytes()
    path.write_bytes(data[:cut] if isinstance(cut, int) else data[: int(len(data) * cut)])
    with pytest.raises(CartridgeError) as caught:
        open_cartridge(path, unpack_to=own)
    assert str(caught.value) == f"171651.1.2.zip: it is not a zip file, or its end is missing. {AGAIN}"
    assert list(own.iterdir()) == []


def test_a_zip_with_a_wrong_checksum_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/p001.tif", b"MM-unlikely-MM")
    path.write_bytes(path.read_bytes().replace(b"unlikely", b"UNLIKELY"))
    with pytest.raises(CartridgeError, match=r"Bad CRC-32 for file 'a/p001\.tif'"):
        open_cartridge(path, unpack_to=tmp_path / "own")


def test_a_zip_of_something_else_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    path, own = tmp_path / "s.zip", tmp_path / "own"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/readme.txt", "hello")
    with pytest.raises(CartridgeError, match="no TIFF files were found in it"):
        open_cartridge(path, unpack_to=own)
    assert list(own.iterdir()) == []
