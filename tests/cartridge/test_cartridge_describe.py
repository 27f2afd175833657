from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import ctc_core.cartridge as room
from ctc_core.cartridge import VARIANTS, describe, grid_for
from ctc_core.errors import CartridgeError

TAGS = [
    *[{"tag": tag, "type": "LONG", "count": 1, "pages": 4} for tag in (256, 257)],
    *[{"tag": tag, "type": "SHORT", "count": 1, "pages": 4} for tag in (258, 259, 262)],
    {"tag": 273, "type": "LONG", "count": 1, "pages": 4},
    {"tag": 277, "type": "SHORT", "count": 1, "pages": 4},
    *[{"tag": tag, "type": "LONG", "count": 1, "pages": 4} for tag in (278, 279)],
    *[{"tag": tag, "type": "RATIONAL", "count": 1, "pages": 4} for tag in (282, 283)],
    *[{"tag": tag, "type": "SHORT", "count": 1, "pages": 4} for tag in (296, 754, 755, 756)],
]

STANDARD = {
    "cartridge_id": "171651.1.2",
    "software": "CellTracks",
    "folders": "<id>/processed",
    "file_name": "cartid<id>p#.tif",
    "tiff_files": 6,
    "frame_numbers": [1, 6],
    "first_frame": {
        "number": 1,
        "pages": 4,
        "height": 30,
        "width": 40,
        "bits": 8,
        "byte_order": "little",
        "compression": 1,
        "tags": TAGS,
    },
    "tables": {
        "root": "archive",
        "elements": {
            "events": 1,
            "events/record": 3,
            **{f"events/record/{name}": 3 for name in ("assigned", "framenum", "location", "numselected", "rid")},
            "runs": 1,
            "runs/record": 1,
            **{f"runs/record/{name}": 1 for name in ("camxsize", "camysize", "numcols", "numrows")},
            "test_filters": 1,
            "test_filters/record": 4,
            "test_filters/record/filtername": 4,
        },
    },
    "refused": None,
    "grid": {"rows": 2, "cols": 3, "bottom_up": False},
    "frame_size": {"width": 40, "height": 30},
    "filters": ["DAPI", "FITC", "CK-PE", "CD45-APC"],
    "channels": ["dapi", "marker", "ck", "cd45"],
    "events": 3,
    "assigned": 2,
    "assigned_rule": "assigned",
    "events_quarantined": {},
    "notes": ["1 of 3 events have numselected 2: marker-positive, to be confirmed"],
}


def test_the_structure_of_the_standard_archive_whole(make) -> None:
    found = describe(make())
    assert found == STANDARD
    assert json.loads(json.dumps(found)) == STANDARD


def test_a_zip_is_described_like_its_folder_and_leaves_nothing(make, tmp_path: Path) -> None:
    path = make()
    archive = shutil.make_archive(str(tmp_path / "171651.1.2"), "zip", path.parent, path.name)
    assert describe(Path(archive)) == STANDARD


def test_values_of_fields_never_appear(make) -> None:
    path = make()
    xml = path / "171651.xml"
    secret = "<patients><record><name>Mustermann</name></record></patients><events>"
    xml.write_text(xml.read_text().replace("<events>", secret).replace(">true<", ">Mustermann<"))
    text = json.dumps(describe(path))
    assert "Mustermann" not in text and '"patients/record/name": 1' in text
    assert "\"its field 'assigned' is neither true nor false\": 2" in text


def test_a_refused_archive_is_described_as_far_as_it_goes(make) -> None:
    path = make(VARIANTS["missing-frame"])
    found = describe(path)
    assert found["refused"] == (
        "171651.1.2: frame 2 is missing (5 TIFF files found, 2 x 3 = 6 expected). "
        "Copy the complete sample folder from the CellTracks export again."
    )
    assert (found["tiff_files"], found["tables"]) == (5, STANDARD["tables"])
    (path / "171651.xml").write_text("<archive")
    assert describe(path)["tables"] is None


def test_celltracksxp_is_recognised(make) -> None:
    found = describe(make(VARIANTS["dlm-140"], grid=grid_for(140, width=40, height=30, xp=True)))
    assert (found["software"], found["grid"]) == ("CellTracksXp", {"rows": 4, "cols": 35, "bottom_up": True})
    assert found["tables"] == {
        "autoanalysis.dlm": 1,
        "cells.dlm": 3,
        "expdata.dlm": 1,
        "exper.dlm": 1,
        "frames.dlm": 8,
        "pic.dlm": 3,
    }


def test_what_is_no_archive_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CartridgeError, match="there is no such folder or file"):
        describe(tmp_path / "nowhere")
    with pytest.raises(CartridgeError, match="no TIFF files were found in it"):
        describe(tmp_path)


def test_the_room_exports_what_it_promises() -> None:
    assert sorted(name for name in room.__all__ if hasattr(room, name)) == sorted(room.__all__)
