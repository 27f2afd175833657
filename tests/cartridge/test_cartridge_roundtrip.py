"""What the writer writes, the reader reads: every form of archive, exact to what the form can hold."""

from __future__ import annotations

import dataclasses
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from ctc_core.cartridge import VARIANTS, Cartridge, Grid, Layout, grid_for, open_cartridge, restore, stretch, tiff
from ctc_core.cartridge.events import NO_EVENTS
from ctc_core.errors import SettingsError
from ctc_core.types import Box, Channel, Event

CHANNELS = {Channel.DAPI: 0, Channel.MARKER: 1, Channel.CK: 2, Channel.CD45: 3}
REFUSED = {"missing-frame"}


def grid_of(layout: Layout) -> Grid:
    found = grid_for(layout.frames or 0, width=40, height=30, xp=layout.dlm)
    return found or Grid(2, 3, 40, 30)


@pytest.mark.parametrize("name", sorted(VARIANTS.keys() - REFUSED))
def test_every_variant_is_read_back(name: str, make, scene) -> None:
    layout = VARIANTS[name]
    grid = grid_of(layout)
    path = make(layout, grid=grid)
    cartridge = open_cartridge(path)
    assert (cartridge.id, cartridge.path, cartridge.grid) == ("171651.1.2", path, grid)
    assert cartridge.frame_numbers == range(1, grid.frames + 1)
    assert [file.is_file() and file.name[:2] != "._" for file in cartridge.files] == [True] * grid.frames
    _check_events(cartridge, layout)
    for number in (1, grid.frames - 1):
        _check_grey(cartridge, number, layout, scene(number))


def _check_events(cartridge: Cartridge, layout: Layout) -> None:
    assert cartridge.quarantined_events == ()
    assert cartridge.assigned_rule == ("selected" if layout.dlm else "assigned" if layout.assigned else "numselected")
    assert [(e.frame, e.assigned) for e in cartridge.events] == [(1, True), (3, False), (4, True)]
    rids, counts = (("1", "2", "3"), (None,) * 3) if layout.dlm else (("11", "12", "13"), (1, 0, 2))
    assert tuple(e.rid for e in cartridge.events) == rids
    assert tuple(e.numselected for e in cartridge.events) == (counts if layout.numselected else (None,) * 3)
    expected = [Box(2, 3, 12, 15), Box(20.25, 4.5, 33.75, 18), Box(5, 6, 17, 20)]
    for event, box in zip(cartridge.events, expected, strict=True):
        corners = dataclasses.astuple(event.box)
        assert corners == pytest.approx(dataclasses.astuple(box), abs=1e-9 if layout.decimals else 0.5)


def _check_grey(cartridge: Cartridge, number: int, layout: Layout, truth: np.ndarray) -> None:
    frame = cartridge.read(number)
    assert (frame.number, frame.channels) == (number, cartridge.channels)
    for channel in set(frame.channels):
        page = truth[CHANNELS[channel]]
        step = (int(page.max()) - int(page.min())) / 255 * layout.headroom if layout.stretched else 0
        unscaled = layout.stretched and not layout.tags
        expected = stretch(page)[0] if unscaled else page
        assert np.abs(restore(frame, channel) - expected).max() <= (0 if unscaled else step / 2 + 1e-3)


def test_the_standard_archive_whole(make) -> None:
    path = make()
    assert open_cartridge(path) == Cartridge(
        id="171651.1.2",
        path=path,
        grid=Grid(2, 3, 40, 30),
        files=tuple(path / "processed" / f"cartid171651p00{n}.tif" for n in range(1, 7)),
        page_names=("DAPI", "FITC", "CK-PE", "CD45-APC"),
        channels=(Channel.DAPI, Channel.MARKER, Channel.CK, Channel.CD45),
        events=(
            Event("11", 1, Box(2, 3, 12, 15), assigned=True, numselected=1),
            Event("12", 3, Box(20, 4, 34, 18), assigned=False, numselected=0),
            Event("13", 4, Box(5, 6, 17, 20), assigned=True, numselected=2),
        ),
        quarantined_events=(),
        events_file="171651.xml",
        assigned_rule="assigned",
        notes=("1 of 3 events have numselected 2: marker-positive, to be confirmed",),
    )


@pytest.mark.parametrize(
    ("name", "flag"),
    [("no-tags", "unscaled"), ("pmax", "maximum-below-255"), ("offset", "offset-32768"), ("uint16", ""), ("mic", "")],
)
def test_frames_carry_what_is_odd_about_their_form(name: str, flag: str, make) -> None:
    pages = ("dapi", "marker", "ck", "cd45")
    assert open_cartridge(make(VARIANTS[name])).read(2).flags == (tuple(f"{flag}:{p}" for p in pages) if flag else ())


def test_files_lie_where_the_form_says(make, tmp_path: Path) -> None:
    files = {}
    for name in ("nested", "mic", "junk", "old-names"):
        path = make(VARIANTS[name], grid=Grid(1, 1, 4, 3), events=[], name=f"172182.{name}")
        files[name] = sorted(str(file.relative_to(path)) for file in path.rglob("*") if file.is_file())
    assert files == {
        "nested": ["172182.nested/processed/cartid172182p001.tif", "172182.xml"],
        "mic": ["172182.xml", "mic06122006e7/cartid172182p001.tif"],
        "junk": ["172182.xml", "processed/._cartid172182p001.tif", "processed/cartid172182p001.tif"],
        "old-names": ["172182.xml", "processed/172182001.tif"],
    }


def test_one_frame_is_a_cartridge(make) -> None:
    cartridge = open_cartridge(make(grid=Grid(1, 1, 16, 12), events=[]))
    assert (cartridge.grid, cartridge.notes) == (Grid(1, 1, 16, 12), (NO_EVENTS,))
    assert cartridge.read(1).stretched.shape == (4, 12, 16)


def test_opening_decodes_no_pixel(make, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make()
    scanned: list[int] = []
    scan = tiff.scan
    monkeypatch.setattr(tiff, "scan", lambda file, frame: scanned.append(frame) or scan(file, frame))
    monkeypatch.setattr(tiff, "read", None)
    monkeypatch.setattr(tiff, "_decode", None)
    assert len(open_cartridge(path).events) == 3
    assert scanned == [1]


def test_memory_does_not_grow_with_the_number_of_frames(make) -> None:
    """12 frames of 1.2 MB each, written and read one at a time within the size of three."""
    grid = Grid(3, 4, 640, 480)
    blank = np.zeros((4, 480, 640), np.uint16)
    tracemalloc.start()
    try:
        path = make(grid=grid, scenes=(blank + np.uint16(n) for n in range(12)))
        cartridge = open_cartridge(path)
        for number in cartridge.frame_numbers:
            assert cartridge.read(number).limits[0] == (number - 1, number - 1)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 12e6


@pytest.mark.parametrize(
    ("grid", "scenes", "layout", "message"),
    [
        (Grid(1, 2, 4, 3), [(4, 3, 4)], Layout(), "1 scenes for 2 frames"),
        (Grid(1, 1, 4, 3), [(4, 3, 4)] * 2, Layout(), "scene 2 "),
        (Grid(1, 1, 4, 3), [(4, 4, 3)], Layout(), "scene 1 "),
        (Grid(1, 1, 4, 3), [(4, 3, 4)], VARIANTS["dlm-140"], "this kind of archive has 140 frames, the grid has 1"),
    ],
)
def test_the_writer_refuses_what_does_not_fit(grid, scenes, layout, message: str, make) -> None:
    with pytest.raises(SettingsError, match=message):
        make(layout, grid=grid, events=[], scenes=(np.zeros(shape, np.uint16) for shape in scenes))
