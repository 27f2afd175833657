"""Nucleus and cell of a crop: their areas and the nucleus-to-cell ratio.

Only for orientation. One global threshold per crop and channel, halfway between background and signal, is the same on
stretched and on restored values, but a crop cannot tell a neighbour that touches the cell, half maximum cuts a dim rim
of cytoplasm off (the ratio is then too large), saturated pixels and defocus move it, and a crop without a contrast of
nucleus or cytoplasm has none (NaN).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ctc_core.types import CROP_PX, PIXEL_UM

CENTRE_PX = 12.0
"""Nucleus and cell are looked for within this distance of the crop's middle."""
LEAST_CONTRAST = 4.0
"""Signal over background, in standard deviations of the background, below which there is nothing to measure."""
LEAST_AREA_PX = 16
"""Fewer pixels are noise: a disc of 3 um."""


def nucleus_ratio(crops: NDArray[Any]) -> pd.DataFrame:
    """Of (n, 3, 48, 48) crops, DAPI/CK/CD45, stretched or restored: nucleus_um2, cell_um2, ratio (0..1).

    The cell is cytoplasm and nucleus together; one without a nucleus, or without cytoplasm, has NaN.
    """
    return pd.DataFrame([_measure(crop.astype(float)) for crop in crops], columns=["nucleus_um2", "cell_um2", "ratio"])


def _measure(crop: NDArray[np.float64]) -> tuple[float, float, float]:
    nucleus, cytoplasm = _body(crop[0]), _body(crop[1])
    if nucleus is None or cytoplasm is None or not (nucleus & cytoplasm).any():
        return np.nan, np.nan, np.nan
    inside, cell = int(nucleus.sum()), int((nucleus | cytoplasm).sum())
    return inside * PIXEL_UM**2, cell * PIXEL_UM**2, inside / cell


def _body(page: NDArray[np.float64]) -> NDArray[np.bool_] | None:
    """Pixels above half maximum that hang together with those at the crop's middle; None without contrast."""
    from scipy import ndimage

    smooth = ndimage.gaussian_filter(page, 1.0)
    y, x = np.mgrid[:CROP_PX, :CROP_PX] - (CROP_PX - 1) / 2
    distance = np.hypot(y, x)
    centre, rim = distance <= CENTRE_PX, smooth[distance > CROP_PX / 2 - 4]
    background = float(np.median(rim))
    noise = 1.4826 * float(np.median(np.abs(rim - background)))
    signal = float(np.quantile(smooth[centre], 0.95))
    if signal - background < max(LEAST_CONTRAST * noise, 1e-9):
        return None
    bodies, _ = ndimage.label(smooth > (signal + background) / 2)
    found = np.bincount(bodies[centre & (bodies > 0)])
    body = bodies == int(found.argmax()) if found.size else np.zeros_like(centre)
    return body if body.sum() >= LEAST_AREA_PX else None
