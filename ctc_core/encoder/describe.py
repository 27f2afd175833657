"""Descriptors written by hand, as a first task for the network: say what a crop's rings, sizes and channels are like.

DINO starts slowly: with few crops, a fresh network first agrees with itself on mean levels, which tell patients apart
rather than cells. A network that can already describe the cell in the middle starts from a better place.
No label is used.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ctc_core.encoder.descriptors import N_DESCRIPTORS, descriptors
from ctc_core.encoder.measures import N_MEASURES, measures

N_DESCRIPTION = N_DESCRIPTORS + N_MEASURES


def description(clean: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(n, 3, 48, 48) uint8 clean photographs -> (n, 193) float32: `descriptors`, then `measures`."""
    return np.concatenate([descriptors(clean), measures(clean)], axis=1)
