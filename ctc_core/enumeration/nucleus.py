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


_Y, _X = np.mgrid[:CROP_PX, :CROP_PX] - (CROP_PX - 1) / 2
_CENTRE = np.hypot(_Y, _X) <= CENTRE_PX
_RIM = np.hypot(_Y, _X) > CROP_PX / 2 - 4
_IN_ONE_CROP = np.array([np.zeros((3, 3)), [[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.zeros((3, 3))])
"""Neighbours of a pixel in a stack of crops: those in its own crop."""


def nucleus_ratio(crops: NDArray[Any]) -> pd.DataFrame:
    """Of (n, 3, 48, 48) crops, DAPI/CK/CD45, stretched or restored: nucleus_um2, cell_um2, ratio (0..1).

    The cell is cytoplasm and nucleus together; one without a nucleus, or without cytoplasm, has NaN.
    """
    nucleus, cytoplasm = _bodies(crops[:, 0]), _bodies(crops[:, 1])
    areas = pd.DataFrame({"nucleus_um2": _area(nucleus), "cell_um2": _area(nucleus | cytoplasm)})
    areas["ratio"] = areas.nucleus_um2 / areas.cell_um2
    areas.loc[~(nucleus & cytoplasm).any(axis=(1, 2))] = np.nan
    return areas


def _area(bodies: NDArray[np.bool_]) -> NDArray[np.float64]:
    area: NDArray[np.float64] = bodies.sum(axis=(1, 2)) * PIXEL_UM**2
    return area


def _bodies(pages: NDArray[Any]) -> NDArray[np.bool_]:
    """In each page of (n, 48, 48) the pixels above half maximum that hang together with those at the crop's middle;
    none without contrast.
    """
    from scipy import ndimage

    smooth = ndimage.gaussian_filter(pages.astype(float), (0.0, 1.0, 1.0))
    rim = smooth[:, _RIM]
    background = np.median(rim, axis=1)
    noise = 1.4826 * np.median(np.abs(rim - background[:, None]), axis=1)
    signal = np.quantile(smooth[:, _CENTRE], 0.95, axis=1)
    labels, _ = ndimage.label(smooth > ((signal + background) / 2)[:, None, None], structure=_IN_ONE_CROP)
    bodies = (labels == _most_central(labels)[:, None, None]) & (labels > 0)
    fit = (signal - background >= np.maximum(LEAST_CONTRAST * noise, 1e-9)) & (bodies.sum(axis=(1, 2)) >= LEAST_AREA_PX)
    found: NDArray[np.bool_] = bodies & fit[:, None, None]
    return found


def _most_central(labels: NDArray[np.int32]) -> NDArray[np.int32]:
    """For each page the label that holds most of its middle; 0 where none does. Labels of different pages differ."""
    central = labels[:, _CENTRE]
    pixels = np.bincount(central.ravel(), minlength=1)
    pixels[0] = 0
    most: NDArray[np.int32] = central[np.arange(len(central)), pixels[central].argmax(axis=1)]
    return most
