"""What every encoder takes, checked without loading one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ctc_core.errors import ModelError, UserError
from ctc_core.types import CROP_PX


def check_crops(crops: NDArray[np.uint8]) -> None:
    """Nothing, or ModelError: not (n, 3, 48, 48) uint8."""
    if crops.dtype != np.uint8 or crops.ndim != 4 or crops.shape[1:] != (3, CROP_PX, CROP_PX):
        message = f"crops are {crops.dtype} {crops.shape}, not uint8 (n, 3, 48, 48). Cut them with segment.crop."
        raise ModelError(message)


def load_crops(path: Path) -> NDArray[np.uint8]:
    """Read an (n, 3, 48, 48) uint8 .npy file as a memory map.

    Raises:
        UserError: not such a file.
    """
    try:
        crops: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        message = f"{path}: cannot be read as a .npy file ({error}). Give an (n, 3, 48, 48) uint8 array."
        raise UserError(message) from error
    if crops.dtype != np.uint8 or crops.ndim != 4 or crops.shape[1:] != (3, CROP_PX, CROP_PX):
        message = f"{path}: holds {crops.dtype} {crops.shape}; crops are (n, 3, 48, 48) uint8, DAPI/CK/CD45."
        raise UserError(message)
    return crops
