"""CellTracksXp: tables whose delimiter is not documented."""

from __future__ import annotations

from pathlib import Path

import pytest

from ctc_core.cartridge import VARIANTS, Grid, Quarantined, grid_for, open_cartridge
from ctc_core.cartridge.dlm import delimiter, read_channels, read_events, read_table
from ctc_core.cartridge.events import NO_EVENTS
from ctc_core.cartridge.files import Unfit
from ctc_core.errors import CartridgeError
from ctc_core.types import Box, Event

GRID = Grid(4, 35, 100, 80, bottom_up=True)


def write_tables(folder: Path, cells: list[str], *, encoding: str = "latin-1", separator: str = "§") -> Path:
    tables = {
        "cells": cells,
        "pic": ['"10:00"|a|b|3', '"10:01"|a|b|140', '"10:02"|a|b|141', '"10:03"|a|b|x'],
        "frames": ["1|x|DAPI", "2|x|off", "3|x|FITC", "4|x|off", "5|x|CK-PE", "6|x|off", "7|x|CD45-APC", "8|x|off"],
        "autoanalysis": ["1|2"],
        "expdata": ["1|2"],
        "exper": ["1|2"],
    }
    for name, lines in tables.items():
        text = "".join(f"{line}\r\n" for line in lines).replace("|", separator)
        (folder / f"{name}.dlm").write_bytes(text.encode(encoding))
    return folder


def cell(stamp: str = "10:00", box: str = "50|40|10|8", selected: str = "Y") -> str:
    return f"1|{stamp}|{box}|7|8|9|10|{selected}|12|13"


@pytest.mark.parametrize(("encoding", "separator"), [("latin-1", "§"), ("latin-1", "þ"), ("utf-8", "§")])
def test_tables_are_read_whatever_the_delimiter(tmp_path: Path, encoding: str, separator: str) -> None:
    cells = [cell(), cell("10:01", "20,5|30|4|4", "N")]
    write_tables(tmp_path, cells, encoding=encoding, separator=separator)
    found = read_events(tmp_path, GRID)
    assert found.events == (
        Event("1", 3, Box(45, 36, 55, 44), assigned=True),
        Event("2", 140, Box(18.5, 28, 22.5, 32), assigned=False),
    )
    assert (found.quarantined, found.rule, found.notes) == ((), "selected", ())
    assert read_channels(tmp_path) == ("DAPI", "FITC", "CK-PE", "CD45-APC")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (cell("10:09"), "its time stamp leads to no frame between 1 and 140"),
        (cell("10:02"), "its time stamp leads to no frame between 1 and 140"),
        (cell("10:03"), "its time stamp leads to no frame between 1 and 140"),
        (cell(box="50|40|ten|8"), "its box is not four numbers"),
        (cell(box="nan|40|10|8"), "its box is not finite"),
        (cell(box="150|40|10|8"), "its box lies outside its frame"),
        (cell(box="50|40|0|8"), "its box has no area"),
    ],
)
def test_a_bad_line_is_set_aside(tmp_path: Path, line: str, reason: str) -> None:
    found = read_events(write_tables(tmp_path, [cell(), line, cell()]), GRID)
    assert [event.rid for event in found.events] == ["1", "3"]
    assert found.quarantined == (Quarantined("2", reason),)


def test_lines_of_another_length_are_set_aside(tmp_path: Path) -> None:
    found = read_events(write_tables(tmp_path, ["1|10:00|50|40|10|8"]), GRID)
    assert found.quarantined == (Quarantined("1", "its line has 6 fields instead of 13"),)


def test_an_empty_table_of_cells_is_a_sample_without_events(tmp_path: Path) -> None:
    found = read_events(write_tables(tmp_path, []), GRID)
    assert (found.events, found.notes) == ((), (NO_EVENTS,))


@pytest.mark.parametrize(
    ("lines", "expected"), [(["a§b§c", "é§d§e"], "§"), (["aþb§c", "dþe§fþg"], "§"), (["a§bþcþd", "e§fþgþh"], "þ")]
)
def test_the_delimiter_is_what_every_line_has_equally_often(lines: list[str], expected: str) -> None:
    assert delimiter(lines) == expected


@pytest.mark.parametrize("lines", [["a,b"], ["a§b", "a§b§c"], ["a§bþc", "d§eþf"]])
def test_an_unclear_delimiter_is_refused(lines: list[str]) -> None:
    with pytest.raises(Unfit, match="no single non-ASCII character separates the fields of every line"):
        delimiter(lines)


def test_a_refused_table_names_its_file(tmp_path: Path) -> None:
    (tmp_path / "cells.dlm").write_text("1,2,3\n")
    with pytest.raises(CartridgeError) as caught:
        read_table(tmp_path / "cells.dlm")
    assert str(caught.value) == (
        "cells.dlm: no single non-ASCII character separates the fields of every line. "
        "Copy the complete sample folder again."
    )


def test_all_six_tables_are_needed(make) -> None:
    layout = VARIANTS["dlm-140"]
    grid = grid_for(140, width=4, height=3, xp=True)
    path = make(layout, grid=grid, events=[])
    assert open_cartridge(path).notes == (NO_EVENTS,)
    (path / "exper.dlm").unlink()
    with pytest.raises(CartridgeError, match=r"neither an XML file nor the six \.dlm tables"):
        open_cartridge(path)
