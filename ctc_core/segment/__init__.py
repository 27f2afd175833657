"""Cells of a frame: outlines by StarDist, measurements, crops, and each physical cell once. Cheap to import: no
TensorFlow.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ctc_core.segment.crops import box_centres, crop, page
from ctc_core.segment.duplicates import drop_duplicates
from ctc_core.segment.measure import CELL_COLUMNS, measure
from ctc_core.segment.outlines import Outlines
from ctc_core.segment.stardist import Segmenter
from ctc_core.types import Channel, Frame

__all__ = ["CELL_COLUMNS", "FindsCells", "Outlines", "Segmenter", "crop", "drop_duplicates", "measure", "segment_frame"]


class FindsCells(Protocol):
    """What the path from frame to cells needs of a segmenter."""

    @property
    def id(self) -> str:
        """Name and hash."""

    def outlines(self, ck: NDArray[Any]) -> Outlines:
        """Outlines of one (h, w) page."""


def segment_frame(frame: Frame, segmenter: FindsCells) -> tuple[pd.DataFrame, NDArray[np.uint8]]:
    """Cells of one frame (see `measure`) and their crops (n, 3, 48, 48) uint8, row for row.

    Raises:
        FrameError: the frame has no CK, DAPI or CD45 page.
    """
    outlines = segmenter.outlines(page(frame, Channel.CK))
    return measure(frame, outlines), crop(frame, box_centres(outlines.polygons))
