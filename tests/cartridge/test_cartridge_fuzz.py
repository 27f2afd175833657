"""Damaged bytes anywhere: a value or one of our errors, never anything else."""

from __future__ import annotations

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
