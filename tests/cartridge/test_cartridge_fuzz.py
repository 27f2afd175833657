"""Damaged bytes anywhere: a value or one of our errors, never anything else."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from ctc_core.cartridge import Cartridge, open_cartridge
from ctc_core.errors import CartridgeError, FrameError

fuzz = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
damage = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=8)
Damage = list[tuple[float, int]]


def damaged(data: bytes, changes: Damage) -> bytes:
    out = bytearray(data)
    for place, value in changes:
        out[int(place * len(out))] = value
    return bytes(out)


@pytest.fixture
def sound(make: Callable[..., Path]) -> Cartridge:
    return open_cartridge(make())


def check_frame(cartridge: Cartridge, data: bytes) -> None:
    cartridge.files[1].write_bytes(data)
    with suppress(FrameError):
        assert cartridge.read(2).stretched.shape == (4, 30, 40)


@fuzz
@given(damage)
def test_directories_of_a_tiff(sound: Cartridge, changes: Damage) -> None:
    """Damage goes to the first 300 bytes, where the header and the first page's tags lie."""
    data = sound.files[0].read_bytes()
    check_frame(sound, damaged(data[:300], changes) + data[300:])


@fuzz
@given(damage, st.sampled_from(["tiff_lzw", "tiff_adobe_deflate", "packbits"]))
def test_compressed_pages(sound: Cartridge, changes: Damage, kind: str) -> None:
    pages = [Image.fromarray(np.tile(np.arange(40, dtype=np.uint8), (30, 1)) * (n + 1)) for n in range(4)]
    pages[0].save(sound.files[1], save_all=True, append_images=pages[1:], compression=kind)
    check_frame(sound, damaged(sound.files[1].read_bytes(), changes))


@fuzz
@given(damage)
def test_xml(sound: Cartridge, changes: Damage) -> None:
    xml = sound.path / "171651.xml"
    original = xml.read_bytes()
    xml.write_bytes(damaged(original, changes))
    with suppress(CartridgeError):
        cartridge = open_cartridge(sound.path)
        assert len(cartridge.events) + len(cartridge.quarantined_events) <= 3
    xml.write_bytes(original)


@fuzz
@given(damage)
def test_zip(sound: Cartridge, tmp_path: Path, changes: Damage) -> None:
    path = tmp_path / "171651.1.2.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in (*sound.files, sound.path / "171651.xml"):
            archive.write(file, file.relative_to(sound.path))
    data = path.read_bytes()
    path.write_bytes(data[:-1500] + damaged(data[-1500:], changes))
    with suppress(CartridgeError):
        assert open_cartridge(path, unpack_to=tmp_path / "own").grid == sound.grid


values = st.one_of(
    st.integers(0, 8), st.sampled_from([30, 40, 1200, 2**16 - 1, 2**31, 2**32 - 1]), st.integers(0, 2**32 - 1)
)
tags = st.sampled_from([256, 257, 258, 259, 262, 273, 277, 278, 279, 320, 322, 323, 330, 339, 755, 756, 34665])
entry = st.tuples(tags, st.integers(0, 14), values, values)
directories = st.lists(st.lists(entry, max_size=20), min_size=1, max_size=6)


@fuzz
@given(directories, st.sampled_from("<>"), st.booleans(), st.integers(0, 6000))
def test_made_up_directories_of_a_tiff(
    sound: Cartridge, directories: list[list[tuple[int, ...]]], order: str, loops: bool, start: int
) -> None:
    """Any tags, types, counts and values, in either byte order, pointing anywhere."""
    out, at = bytearray(), 8
    for number, entries in enumerate(directories):
        at += 2 + 12 * len(entries) + 4
        last = number == len(directories) - 1
        following = (start if loops else 0) if last else at
        out += struct.pack(f"{order}H", len(entries))
        out += b"".join(struct.pack(f"{order}HHII", *entry) for entry in entries) + struct.pack(f"{order}I", following)
    head = struct.pack(f"{order}2sHI", b"II" if order == "<" else b"MM", 42, 8)
    check_frame(sound, head + bytes(out) + bytes(4 * 1200))


PIECES = (
    "<record>", "</record>", "<events>", "</events>", "<runs>", "</archive>", "<rid>11</rid>",
    "<framenum>-1</framenum>", "<location>(9,9),(1,1)</location>", "<location>(1e308,nan),(,)</location>",
    "<assigned>true</assigned>", "&amp;", "&x;", "&#0;", "&#x10FFFF;", "<![CDATA[<rid>]]>", "<!-- -->", "<?php ?>",
    "<!DOCTYPE a>", "<!ENTITY a 'b'>", "<a xmlns:b='c'/>", "<b:rid/>", "\ufeff", "\u202e", "<numrows>9</numrows>",
    "<camxsize>1e9</camxsize>", "<filtername>CK</filtername>",
)  # fmt: skip


@fuzz
@given(
    st.lists(st.sampled_from(PIECES), min_size=1, max_size=12), st.floats(0, 1), st.sampled_from(["utf-8", "utf-16"])
)
def test_xml_put_together_from_its_pieces(sound: Cartridge, pieces: list[str], place: float, encoding: str) -> None:
    xml = sound.path / "171651.xml"
    original = xml.read_bytes()
    text = original.decode()
    at = int(place * len(text))
    xml.write_bytes((text[:at] + "".join(pieces) + text[at:]).encode(encoding))
    with suppress(CartridgeError):
        cartridge = open_cartridge(sound.path)
        assert all(1 <= event.frame <= 6 for event in cartridge.events)
    xml.write_bytes(original)
