"""From the stored crop to what the network sees; the same for training and inference."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ctc_core._torch import torch
from ctc_core.encoder.crops import check_crops
from ctc_core.types import CROP_PX


def to_input(crops: NDArray[np.uint8], input_px: int) -> torch.Tensor:
    """(n, 3, 48, 48) uint8 -> (n, 3, input_px, input_px) float32 in [-1, 1]: bilinear, / 255, * 2 - 1.

    Fixed range, never per image. Bilinear with pixel centres at half integers and edges repeated, in float without
    rounding (as `torch.nn.functional.interpolate`); at 48 px it changes nothing.

    Raises:
        ModelError: not crops of this shape and type.
    """
    check_crops(crops)
    pixels = to_unit(crops)
    if input_px != CROP_PX and len(pixels):
        pixels = torch.nn.functional.interpolate(
            pixels, size=(input_px, input_px), mode="bilinear", align_corners=False
        )
    return to_range(pixels)


def to_unit(crops: NDArray[np.uint8]) -> torch.Tensor:
    """uint8 -> float32 in [0, 1]."""
    return torch.from_numpy(np.ascontiguousarray(crops)).to(torch.float32) / 255


def to_range(pixels: torch.Tensor) -> torch.Tensor:
    """[0, 1] -> [-1, 1]."""
    return pixels * 2 - 1
