"""What the store hands out besides tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class ModelRecord:
    """A model that the store knows; its files are in `folder`."""

    model_id: str
    kind: str
    folder: Path
    parameters: Mapping[str, Any]
    active: bool
    created: datetime
    """UTC, without a zone."""


@dataclass(frozen=True)
class TrainingPool:
    """Labelled cells with their vectors, row by row."""

    cell_ids: tuple[str, ...]
    vectors: NDArray[np.float32]
    """(n, 128)"""
    labels: NDArray[np.int64]
    """(n,) 1 = CTC, 0 = anything else"""
    patients: NDArray[np.str_]
    """(n,) pseudonyms"""
