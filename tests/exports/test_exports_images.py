"""GeoJSON and OME-TIFF: what QuPath and readers of OME-TIFF need to find."""

import json
import uuid
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import tifffile

from ctc_core.errors import UserError
from ctc_core.exports.geojson import simple
from ctc_core.exports.names import Format, Which
from ctc_core.exports.write import export
from ctc_core.store import Store
from tests.mapped_store import CELLS

COLOURS = {"CTC": [213, 94, 0], "Non-CTC": [0, 114, 178], "Unsure": [230, 159, 0], "Candidate": [204, 121, 167]}


def features(path: Path) -> list[dict]:
    collection = json.loads(path.read_text(), parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert collection["type"] == "FeatureCollection"
    return collection["features"]


def test_geojson_is_what_qupath_reads(store: Store, tmp_path: Path) -> None:
    out = tmp_path / "r1.geojson"
    assert export(store, "R1", Format.GEOJSON, out, threshold=0.5)["cells"] == CELLS
    found = features(out)
    assert [f["properties"]["name"] for f in found] == store.cells("R1").cell_id.tolist()
    assert len({str(uuid.UUID(f["id"])) for f in found}) == CELLS
    names = [f["properties"].get("classification", {}).get("name") for f in found]
    assert names[:4] == ["CTC", "CTC", "Non-CTC", "Unsure"] and {"Candidate", None} <= set(names[4:])
    for f in found:
        assert (f["type"], f["properties"]["objectType"]) == ("Feature", "detection")
        given = f["properties"].get("classification")
        assert given is None or given["color"] == COLOURS[given["name"]]
        (ring,) = f["geometry"]["coordinates"]
        assert f["geometry"]["type"] == "Polygon" and ring[0] == ring[-1] and len(ring) == 4
        assert all(isinstance(value, float) for value in f["properties"]["measurements"].values())
    assert found[0]["properties"]["measurements"].keys() >= {"P(CTC)", "Diameter um", "CK mean", "Cluster"}
    assert found[0]["properties"]["metadata"]["pseudonym"] == "R1"


def test_geojson_in_cartridge_and_in_frame_pixels(store: Store, tmp_path: Path) -> None:
    """A vertex lies half a pixel further than in our coordinates: QuPath's pixel 0 reaches from 0 to 1."""
    export(store, "R1", Format.GEOJSON, tmp_path / "r1.geojson", threshold=0.5)
    export(store, "R1", Format.GEOJSON, tmp_path / "frames", threshold=0.5, per_frame=True)
    cells = store.cells("R1", polygons=True).set_index("cell_id")
    origin = {1: (0, 0), 2: (0, 1384), 3: (0, 2768), 4: (1036, 2768), 5: (1036, 1384)}
    on_cartridge = {f["properties"]["name"]: f for f in features(tmp_path / "r1.geojson")}
    files = sorted((tmp_path / "frames" / "R1").glob("*.geojson"))
    assert [path.name for path in files] == [f"00{i}.geojson" for i in range(1, 6)]  # frame 6 cannot be read
    n = 0
    for path in files:
        down, right = origin[int(path.stem)]
        for f in features(path):
            cell = cells.loc[f["properties"]["name"]]
            ring = f["geometry"]["coordinates"][0]
            np.testing.assert_allclose(ring[:-1], [[x + 0.5, y + 0.5] for y, x in cell.polygon], atol=0.01)
            far = on_cartridge[f["properties"]["name"]]["geometry"]["coordinates"][0]
            np.testing.assert_allclose(np.array(far) - ring, np.tile([right, down], (len(ring), 1)), atol=0.011)
            n += 1
    assert n == CELLS


def test_an_outline_cut_by_the_border_does_not_meet_itself() -> None:
    """From y 2 to y 8 along the border at x 10, but by way of y 1.9."""
    cut = [[2.0, 10.0], [1.9, 10.0], [5.0, 10.0], [8.0, 10.0], [5.0, 4.0]]
    assert simple(cut) == [[2.0, 10.0], [8.0, 10.0], [5.0, 4.0]]
    corner = [[9.0, 4.0], [9.0, 10.0], [3.0, 10.0]]
    assert simple(corner) == corner


def test_ome_tiff_is_a_stack_of_named_channels(store: Store, tmp_path: Path) -> None:
    out = tmp_path / "r1.ome.tif"
    assert export(store, "R1", Format.OME_TIFF, out, threshold=0.5)["cells"] == CELLS
    with tifffile.TiffFile(out) as tif:
        assert tif.is_ome and len(tif.series) == 1 and tif.series[0].axes == "TCYX"
        np.testing.assert_array_equal(tif.asarray(), store.crops("R1"))
        root = ElementTree.fromstring(tif.ome_metadata)
        assert tif.pages[0].tags["XResolution"].value == pytest.approx((15625, 1), rel=1e-6)  # pixels per cm
    space = {"o": root.tag[1:].split("}")[0]}
    pixels = root.find("o:Image/o:Pixels", space)
    assert pixels is not None
    assert (pixels.get("PhysicalSizeX"), pixels.get("PhysicalSizeXUnit"), pixels.get("SizeC")) == ("0.64", "µm", "3")
    assert [c.get("Name") for c in pixels.findall("o:Channel", space)] == ["DAPI", "CK", "CD45"]
    steps = {m.get("K"): m.text for m in root.iter(f"{{{space['o']}}}M")}
    assert steps == {str(i): cell_id for i, cell_id in enumerate(store.cells("R1").cell_id)}
    lines = (tmp_path / "r1.cells.csv").read_text().splitlines()
    assert lines[1].startswith(f"0,{steps['0']},") and len(lines) == CELLS + 1


def test_ome_tiff_of_the_ctcs_only(store: Store, tmp_path: Path) -> None:
    export(store, "R1", Format.OME_TIFF, tmp_path / "c.ome.tif", threshold=0.5, which=Which.CTC)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "c.ome.tif"), store.crops("R1")[:2])


def test_all_cartridges_make_a_folder(store: Store, tmp_path: Path) -> None:
    export(store, "all", Format.OME_TIFF, tmp_path / "tif", threshold=0.5, which=Which.CTC)
    export(store, "all", Format.GEOJSON, tmp_path / "geo", threshold=0.5)
    names = ["E1", "R1", "T1", "T2"]
    assert sorted(p.name for p in (tmp_path / "geo").iterdir()) == [*(f"{n}.geojson" for n in names), "export.json"]
    assert sorted(p.name for p in (tmp_path / "tif").glob("*.tif")) == [f"{n}.ome.tif" for n in names]


def test_nothing_to_show_is_said(store: Store, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="R1: no cell to export"):
        export(store, "R1", Format.OME_TIFF, tmp_path / "c.ome.tif", threshold=2.0, which=Which.CANDIDATES)
    assert list(tmp_path.glob("c*")) == [] and list(tmp_path.glob(".*")) == []
