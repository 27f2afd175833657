"""Measurements against scikit-image's own and against numbers that follow from how the frame was made."""

import numpy as np
import pandas as pd
import pytest
from skimage.draw import polygon2mask
from skimage.measure import label, regionprops

from ctc_core.segment import CELL_COLUMNS, Outlines, measure
from ctc_core.segment.measure import rasterise
from ctc_core.segment.outlines import areas_and_centroids, empty_outlines
from ctc_core.types import Channel, Frame

CHANNELS = (Channel.DAPI, Channel.MARKER, Channel.CK, Channel.CD45)


def ellipse(y: float, x: float, long: float, short: float, turn: float = 0.0) -> np.ndarray:
    angle = np.linspace(0, 2 * np.pi, 32, endpoint=False)
    along, across = long * np.cos(angle), short * np.sin(angle)
    rows, cols = y + along * np.sin(turn) + across * np.cos(turn), x + along * np.cos(turn) - across * np.sin(turn)
    return np.stack([rows, cols], axis=1)


def outlines_of(*polygons: np.ndarray) -> Outlines:
    stacked = np.stack(polygons).astype(np.float32)
    return Outlines(areas_and_centroids(stacked)[1], stacked, np.linspace(0.9, 0.6, len(stacked), dtype=np.float32))


def frame_of(pages: np.ndarray, channels: tuple[Channel, ...] = CHANNELS, limits: tuple = ((0, 255),) * 4) -> Frame:
    return Frame(7, channels, pages, limits)


@pytest.fixture
def cells() -> Outlines:
    return outlines_of(ellipse(40, 60, 9, 9), ellipse(20.5, 100.2, 14, 6, 0.6), ellipse(3, 20, 8, 8).clip(0, None))


@pytest.fixture
def frame() -> Frame:
    return frame_of(np.random.default_rng(3).integers(0, 255, (4, 80, 130)).astype(np.uint8))


def test_columns_and_identity(cells, frame):
    table = measure(frame, cells)
    assert tuple(table.columns) == (*CELL_COLUMNS, "marker_mean", "marker_max", "marker_sd", "marker_background")
    assert table["frame"].tolist() == [7, 7, 7]
    assert table["at_border"].tolist() == [False, False, True]
    assert np.allclose(table[["y", "x"]], cells.centroids)
    assert np.allclose(np.array(table["polygon"].tolist()), cells.polygons)
    assert np.allclose(table["probability"], [0.9, 0.75, 0.6])


def test_shape_and_intensity_agree_with_regionprops(cells, frame):
    table = measure(frame, cells)
    masks = [polygon2mask((80, 130), outline) for outline in cells.polygons]
    outside = ~np.any(masks, axis=0)
    for row, mask in zip(table.itertuples(), masks, strict=True):
        ck = frame.stretched[2].astype(float)
        (region,) = regionprops(label(mask), intensity_image=ck)
        assert row.area_um2 == pytest.approx(region.area * 0.64**2)
        assert row.diameter_um == pytest.approx(region.equivalent_diameter_area * 0.64)
        assert row.eccentricity == pytest.approx(region.eccentricity, abs=1e-6)
        assert row.ck_mean == pytest.approx(region.intensity_mean, rel=1e-6)
        assert row.ck_max == region.intensity_max
        assert row.ck_sd == pytest.approx(ck[mask].std(), rel=1e-6)
        assert row.ck_background == np.median(ck[outside])


def test_grey_values_are_restored_from_the_stretch(cells):
    pages = np.full((4, 80, 130), 51, np.uint8)
    table = measure(frame_of(pages, limits=((0, 255), (0, 510), (100, 1120), (0, 4095))), cells)
    assert table["dapi_mean"].tolist() == pytest.approx([51] * 3)
    assert table["marker_max"].tolist() == pytest.approx([102] * 3)
    assert table["ck_mean"].tolist() == pytest.approx([304] * 3)
    assert table["cd45_background"].tolist() == pytest.approx([819] * 3)
    assert table["ck_sd"].tolist() == pytest.approx([0] * 3, abs=1e-3)


def test_a_missing_page_is_not_a_number(cells, frame):
    short = Frame(1, (Channel.DAPI, Channel.CK), frame.stretched[[0, 2]], ((0, 255), (0, 255)))
    table = measure(short, cells)
    assert tuple(table.columns) == CELL_COLUMNS
    assert table[["cd45_mean", "cd45_background"]].isna().all().all()
    assert table["ck_mean"].notna().all()


def test_a_frame_without_cells_gives_an_empty_table_of_the_same_columns_and_types(cells, frame):
    full, empty = measure(frame, cells), measure(frame, empty_outlines())
    assert len(empty) == 0
    pd.testing.assert_series_equal(empty.dtypes, full.dtypes)


def test_a_polygon_between_pixel_centres_still_has_a_pixel():
    sliver = np.full((32, 2), 5.4)
    sliver[:16, 1] = 5.6
    regions = rasterise(np.stack([sliver, ellipse(20, 20, 5, 5)]).astype(np.float32), (40, 40))
    assert regions.areas[0] == 1 and (regions.rows[0], regions.cols[0]) == (5, 6)
    assert regions.areas[1] == polygon2mask((40, 40), ellipse(20, 20, 5, 5)).sum()
