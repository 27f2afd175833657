"""Archives that are refused, and frames that are left out: each with its one sentence."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from ctc_core.cartridge import VARIANTS, Grid, Layout, open_cartridge, restore
from ctc_core.cartridge.events import NO_EVENTS
from ctc_core.errors import CartridgeError, FrameError
from ctc_core.types import Channel

COPY = "Copy the complete sample folder from the CellTracks export again."
POINT = "Point at the sample folder of one cartridge, the one that holds its XML file."
EXPORT = "Export the XML from CellTracks again."


def tif(path: Path, number: int) -> Path:
    return path / "processed" / f"cartid171651p{number:03d}.tif"


def rewrite(path: Path, pattern: str, text: str) -> Path:
    xml = path / "171651.xml"
    old = xml.read_text()
    new = re.sub(pattern, lambda _: text, old, flags=re.DOTALL)
    assert new != old
    xml.write_text(new)
    return path


def without(path: Path, *numbers: int) -> Path:
    for number in numbers:
        tif(path, number).unlink()
    return path


def copied(path: Path, to: str) -> Path:
    target = path / to
    target.parent.mkdir(exist_ok=True)
    target.write_bytes(tif(path, 1).read_bytes())
    return path


def without_xml(path: Path) -> Path:
    (path / "171651.xml").unlink()
    return path


def all_broken(path: Path) -> Path:
    for number in range(1, 7):
        tif(path, number).write_bytes(b"II*\0\0\0\0\0")
    return path


REFUSALS: dict[str, tuple[Callable[[Path], Path], str]] = {
    "one missing": (
        lambda p: without(p, 4),
        f"171651.1.2: frame 4 is missing (5 TIFF files found, 2 x 3 = 6 expected). {COPY}",
    ),
    "several missing": (
        lambda p: without(p, 2, 5, 6),
        f"171651.1.2: frames 2, 5 and 6 are missing (3 TIFF files found, 2 x 3 = 6 expected). {COPY}",
    ),
    "one too many": (
        lambda p: copied(p, "processed/cartid171651p007.tif"),
        (
            "171651.1.2: frame 7 is not part of the grid (7 TIFF files found, 2 x 3 = 6 expected). "
            "Remove the files that do not belong, or correct the grid in the XML."
        ),
    ),
    "counted from zero": (
        lambda p: without(copied(p, "processed/cartid171651p000.tif"), 6),
        (
            "171651.1.2: frame 6 is missing and frame 0 is not part of the grid "
            f"(6 TIFF files found, 2 x 3 = 6 expected). {COPY}"
        ),
    ),
    "no grid": (
        lambda p: rewrite(p, "<numrows>2</numrows>", ""),
        (
            "171651.1.2: 6 TIFF files were found, the archive names no grid, and cartridges have "
            f"140, 144, 170, 175, 180, 210 frames. {COPY}"
        ),
    ),
    "grid of zero": (
        lambda p: rewrite(p, "<numrows>2</numrows>", "<numrows>0</numrows>"),
        f"171651.xml: its numrows and numcols contradict each other or are not whole numbers above 0. {COPY}",
    ),
    "camera size": (
        lambda p: rewrite(p, "<camxsize>40</camxsize>", "<camxsize>1384</camxsize>"),
        f"171651.1.2: frame 1 has 40 x 30 pixels, the XML says 1384 x 30. {COPY}",
    ),
    "same frame twice": (
        lambda p: copied(p, "processed/cartid171651p6.tif"),
        "cartid171651p6.tif: cartid171651p006.tif is frame 6 too. Keep one file per frame.",
    ),
    "no number": (
        lambda p: copied(p, "processed/overview.tif"),
        "overview.tif: its name does not end in a frame number. Remove it or name it as exported.",
    ),
    "two folders": (
        lambda p: copied(p, "other/p001.tif"),
        f"171651.1.2: TIFF files lie in 2 folders (other, processed). {POINT}",
    ),
    "no xml": (
        without_xml,
        f"171651.1.2: it has neither an XML file nor the six .dlm tables beside its images. {POINT}",
    ),
    "image folder": (
        lambda p: p / "processed",
        f"processed: it has neither an XML file nor the six .dlm tables beside its images. {POINT}",
    ),
    "no images": (lambda p: without(p, *range(1, 7)), f"171651.1.2: no TIFF files were found in it. {POINT}"),
    "two xml": (
        lambda p: (p / "171651.xml").rename(p / "b.xml") and copied(p, "a.xml"),
        "171651.1.2: it has 2 XML files (a.xml, b.xml). Keep only the archive's own XML.",
    ),
    "bad id": (
        lambda p: p.rename(p.with_name("=cmd 1")),
        (
            "=cmd 1: its folder name is not a sample id (letters, digits, '.', '_' and '-', at most 64). "
            "Rename the folder to the sample id."
        ),
    ),
    "a file": (
        lambda p: tif(p, 1),
        "cartid171651p001.tif: it is neither a folder nor a zip file. Point at the sample folder of one cartridge.",
    ),
    "nothing": (
        lambda p: p / "nowhere",
        "nowhere: it cannot be read (No such file or directory). Check the path and that you may read it.",
    ),
    "no events element": (
        lambda p: rewrite(p, "<events>.*</events>", ""),
        "171651.xml: it has no <events> element. Export the XML from CellTracks again, with its events.",
    ),
    "other xml": (
        lambda p: rewrite(p, "(?<=[</ ])archive", "html"),
        f"171651.xml: its root element is 'html', not archive or export. {EXPORT}",
    ),
    "broken xml": (
        lambda p: rewrite(p, "</archive>", ""),
        f"171651.xml: it is not well-formed XML (no element found: line 50, column 0). {EXPORT}",
    ),
    "CK twice": (
        lambda p: rewrite(p, "CD45-APC", "CK-APC"),
        (
            "171651.1.2: 2 pages show CK, exactly one is needed. Ask the person who ran the scan which filter is "
            "which, and correct test_filters in the XML."
        ),
    ),
    "no frame readable": (
        all_broken,
        f"171651.1.2: none of its 6 frames can be read; frame 1: it is a TIFF header without pages. {COPY}",
    ),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_refusals(case: str, make) -> None:
    change, message = REFUSALS[case]
    path = change(make())
    with pytest.raises(CartridgeError) as caught:
        open_cartridge(path)
    assert str(caught.value) == message


def test_a_gap_is_named_where_only_the_count_gives_the_grid(make) -> None:
    path = make(VARIANTS["grid-140"], grid=Grid(4, 35, 4, 3), events=[])
    with pytest.raises(CartridgeError) as caught:
        open_cartridge(without(path, 88))
    assert str(caught.value) == f"171651.1.2: frame 88 is missing (139 TIFF files found, 4 x 35 = 140 expected). {COPY}"


def test_an_empty_events_element_is_a_legitimate_sample(make) -> None:
    cartridge = open_cartridge(rewrite(make(), "<events>.*</events>", "<events/>"))
    assert (cartridge.events, cartridge.notes) == ((), (NO_EVENTS,))


def test_quarantined_events_are_listed_and_noted(make) -> None:
    cartridge = open_cartridge(rewrite(make(), r"<rid>12</rid>", "<rid>11</rid>"))
    assert [(q.item, q.reason) for q in cartridge.quarantined_events] == [("11", "its id was used by an earlier event")]
    assert cartridge.notes[-1] == "1 events could not be used"


def test_patient_fields_are_never_read(make) -> None:
    fields = "<patients><record><name>Erika Mustermann</name><rid>99</rid></record></patients><events>"
    path = rewrite(make(), "<events>", fields)
    cartridge = open_cartridge(rewrite(path, "<rid>11</rid>", "<rid>11</rid><operator>Mustermann</operator>"))
    assert "Mustermann" not in repr(cartridge) and len(cartridge.events) == 3


# --- frames


def compressed(path: Path, kind: str) -> None:
    pages = [Image.fromarray(np.full((30, 40), value, np.uint8)) for value in (1, 2, 3, 4)]
    pages[0].save(path, save_all=True, append_images=pages[1:], compression=kind)


def with_pages(*shapes: tuple[int, int], dtype: str = "uint8", **options: object) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with tifffile.TiffWriter(path) as tiff:
            for shape in shapes:
                tiff.write(np.zeros(shape, dtype), contiguous=False, metadata=None, **options)

    return write


def cut(size: int) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(path.read_bytes()[:size])


FRAMES: dict[str, tuple[Callable[[Path], object], str]] = {
    "gone": (Path.unlink, "its file cannot be read (No such file or directory)"),
    "empty": (cut(0), "its header is cut off"),
    "text": (lambda p: p.write_text("not an image at all"), "it is not a TIFF file"),
    "bigtiff": (lambda p: p.write_bytes(b"II+\0\x08\0\0\0\x10\0\0\0\0\0\0\0"), "it is not a classic TIFF file"),
    "header only": (lambda p: p.write_bytes(b"II*\0\0\0\0\0"), "it is a TIFF header without pages"),
    "directory gone": (cut(60), "the directory of page 1 is cut off"),
    "truncated": (cut(-700), "page 4 is cut off: the file ends after 4,948 bytes"),
    "mixed sizes": (with_pages((30, 40), (30, 40), (30, 41), (30, 40)), "its pages differ in size or depth"),
    "three pages": (
        with_pages(*[(30, 40)] * 3),
        "it has 3 pages of 40 x 30, the cartridge has 4 pages of 40 x 30",
    ),
    "other size": (
        with_pages(*[(40, 30)] * 4),
        "it has 4 pages of 30 x 40, the cartridge has 4 pages of 40 x 30",
    ),
    "nine pages": (with_pages(*[(30, 40)] * 9), "it has more than 8 pages"),
    "floats": (
        with_pages(*[(30, 40)] * 4, dtype="float32"),
        "page 1 is not one channel of 8 or 16-bit whole numbers",
    ),
    "colour": (
        with_pages((30, 40, 3), photometric="rgb"),
        "page 1 is not one channel of 8 or 16-bit whole numbers",
    ),
    "inverted": (
        with_pages(*[(30, 40)] * 4, photometric="miniswhite"),
        "page 1 is stored in a form that CellTracks does not use (inverted, colour or tiles)",
    ),
    "tiles": (
        with_pages(*[(30, 40)] * 4, tile=(16, 16)),
        "page 1 is stored in a form that CellTracks does not use (inverted, colour or tiles)",
    ),
    "unknown compression": (
        with_pages(*[(30, 40)] * 4, compression="lzma"),
        "page 1 uses compression 34925, which is not read",
    ),
    "symbolic link": (
        lambda p: (p.rename(p.with_name("real")), p.symlink_to(p.with_name("real"))),
        "it is not a regular file",
    ),
    "named pipe": (lambda p: (p.unlink(), os.mkfifo(p)), "it is not a regular file"),
    "folder": (lambda p: (p.unlink(), p.mkdir()), "it is not a regular file"),
}


@pytest.mark.parametrize("case", FRAMES)
@pytest.mark.parametrize("number", [1, 3])
def test_a_bad_frame_is_left_out_and_the_rest_is_read(case: str, number: int, make, scene) -> None:
    path = make()
    cartridge = open_cartridge(path)
    damage, reason = FRAMES[case]
    damage(tif(path, number))
    with pytest.raises(FrameError) as caught:
        cartridge.read(number)
    assert (caught.value.frame, caught.value.reason) == (number, reason)
    for other in {1, 2, 3, 4, 5, 6} - {number}:
        assert np.abs(restore(cartridge.read(other), Channel.CK) - scene(other)[2]).max() < 8


@pytest.mark.parametrize("case", ["header only", "mixed sizes", "three pages", "other size", "named pipe", "folder"])
def test_a_bad_first_frame_does_not_refuse_the_cartridge(case: str, make) -> None:
    path = make()
    FRAMES[case][0](tif(path, 1))
    cartridge = open_cartridge(path)
    assert (cartridge.grid, len(cartridge.channels), len(cartridge.events)) == (Grid(2, 3, 40, 30), 4, 3)


@pytest.mark.parametrize("kind", ["tiff_lzw", "tiff_deflate", "tiff_adobe_deflate", "packbits"])
def test_compressed_pages_are_read(kind: str, make) -> None:
    path = make()
    compressed(tif(path, 2), kind)
    pixels = open_cartridge(path).read(2).stretched
    assert (pixels == np.array([1, 2, 3, 4], np.uint8)[:, None, None]).all()


@pytest.mark.parametrize("kind", ["tiff_lzw", "tiff_adobe_deflate"])
def test_damaged_compression_is_an_error_of_its_frame(kind: str, make) -> None:
    path = make()
    compressed(tif(path, 2), kind)
    data = bytearray(tif(path, 2).read_bytes())
    with tifffile.TiffFile(tif(path, 2)) as tiff:
        start, size = tiff.pages[2].dataoffsets[0], tiff.pages[2].databytecounts[0]
    data[start : start + size] = b"\xff" * size
    tif(path, 2).write_bytes(data)
    with pytest.raises(FrameError) as caught:
        open_cartridge(path).read(2)
    assert caught.value.reason == "page 3 cannot be decompressed"


def test_our_own_tiff_walk_agrees_with_tifffile(make) -> None:
    """tifffile is the oracle for pages as stored, also big-endian and in several strips."""
    path = make(Layout(byteorder=">", stretched=False))
    stack = np.arange(4 * 30 * 40, dtype=np.uint16).reshape(4, 30, 40)
    with tifffile.TiffWriter(tif(path, 2), byteorder=">") as tiff:
        for page in stack:
            tiff.write(page, contiguous=False, metadata=None, rowsperstrip=7)
    cartridge = open_cartridge(path)
    assert cartridge.read(2).stretched.dtype == np.uint16
    for number in (1, 2):
        np.testing.assert_array_equal(
            cartridge.read(number).stretched, tifffile.imread(tif(path, number), key=range(4))
        )
