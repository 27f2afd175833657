"""Gates and the nucleus-to-cell ratio, against literals and drawn discs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from ctc_core.enumeration.gates import PRESETS, Condition, evaluate, opinions, quantities
from ctc_core.enumeration.nucleus import nucleus_ratio
from ctc_core.errors import SettingsError


def cells(**changes: float) -> pd.DataFrame:
    """One cell that is a CTC by all of ACCEPT's CTC gates: 100 px, bright nucleus, no CD45."""
    row = {"diameter_um": 7.2, "area_um2": 100 * 0.64**2, "eccentricity": 0.3}
    for channel, mean, most, sd in (("dapi", 300, 600, 80), ("ck", 700, 1200, 200), ("cd45", 60, 130, 15)):
        row |= {f"{channel}_mean": mean, f"{channel}_max": most, f"{channel}_sd": sd, f"{channel}_background": 80.0}
    return pd.DataFrame([row | changes])


def test_the_background_is_subtracted_from_means_and_maxima() -> None:
    found = quantities(cells()).iloc[0]
    assert dict(found) == pytest.approx(
        {
            "diameter_um": 7.2, "area_um2": 40.96, "eccentricity": 0.3, "size_px": 100.0,
            "dapi_mean": 220, "dapi_max": 520, "dapi_sd": 80, "ck_mean": 620, "ck_max": 1120, "ck_sd": 200,
            "cd45_mean": -20, "cd45_max": 50, "cd45_sd": 15,
        }
    )  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "passing"),
    [
        ({}, {"breast-ctc", "prostate-ctc", "cell-line"}),
        ({"area_um2": 501 * 0.64**2}, {"breast-ctc", "cell-line"}),
        ({"area_um2": 74 * 0.64**2}, set()),
        ({"cd45_max": 140.0}, {"cell-line"}),
        ({"ck_sd": 50.0, "ck_max": 480.0}, set()),
        ({"ck_sd": 49.0, "cd45_max": 181.0, "ck_max": 100.0}, {"leukocyte"}),
        ({"dapi_max": 250.0}, set()),
        ({"cd45_max": np.nan}, set()),
    ],
)
def test_presets(changes: dict[str, float], passing: set[str]) -> None:
    found = opinions(quantities(cells(**changes)))
    assert {name for name in found if found[name][0]} == passing


def test_what_fails_is_named_and_gates_can_be_edited() -> None:
    measured = quantities(cells(cd45_max=150.0))
    assert evaluate(PRESETS["breast-ctc"], measured).failed == (("cd45_max < 60",),)
    wider = tuple(replace(c, high=100.0) if c.quantity == "cd45_max" else c for c in PRESETS["breast-ctc"].conditions)
    assert evaluate(replace(PRESETS["breast-ctc"], conditions=wider), measured).passed.tolist() == [True]
    assert str(Condition("size_px", 75, 2000)) == "75 < size_px < 2000"


def test_no_cells() -> None:
    assert opinions(quantities(cells().iloc[:0])).shape == (0, 4)


def crop(nucleus: float, cell: float, scale: float = 1.0, neighbour: tuple[int, int] | None = None) -> np.ndarray:
    """(3, 48, 48): a disc of radius `nucleus` px in one of radius `cell` px, blurred by a pixel."""
    from scipy.ndimage import gaussian_filter

    y, x = np.mgrid[:48, :48] - 23.5
    pages = np.stack([np.hypot(y, x) < nucleus, np.hypot(y, x) < cell, np.zeros((48, 48), bool)]).astype(float)
    if neighbour:
        pages[:2] += np.hypot(y - neighbour[0], x - neighbour[1]) < 4
    noise = np.random.default_rng(0).normal(0, 2, pages.shape)
    return (np.stack([gaussian_filter(page, 1.0) for page in pages]) * 150 + 30 + noise) * scale


@pytest.mark.parametrize(("nucleus", "cell"), [(5.0, 10.0), (6.0, 8.0), (7.0, 14.0)])
def test_ratio_of_discs(nucleus: float, cell: float) -> None:
    found = nucleus_ratio(crop(nucleus, cell)[None]).iloc[0]
    assert found.ratio == pytest.approx((nucleus / cell) ** 2, abs=0.05)
    assert found.cell_um2 == pytest.approx(np.pi * cell**2 * 0.64**2, rel=0.08)


def test_ratio_does_not_depend_on_the_stretch_nor_on_a_neighbour_apart() -> None:
    crops = np.stack([crop(6, 10), crop(6, 10, scale=13.7), crop(6, 10, neighbour=(0, 19))])
    assert nucleus_ratio(crops).ratio.tolist() == pytest.approx([nucleus_ratio(crops[:1]).ratio[0]] * 3, abs=0.01)


def test_no_ratio_without_a_nucleus_or_without_cytoplasm() -> None:
    crops = np.stack([crop(0, 10), crop(6, 0)])
    assert nucleus_ratio(crops).ratio.isna().tolist() == [True, True]
    assert nucleus_ratio(np.zeros((0, 3, 48, 48))).empty


def test_a_quantity_that_nobody_measures() -> None:
    gate = replace(PRESETS["cell-line"], conditions=(Condition("her2_mean", 10),))
    with pytest.raises(SettingsError, match="cell-line: her2_mean is not measured"):
        evaluate(gate, quantities(cells()))
