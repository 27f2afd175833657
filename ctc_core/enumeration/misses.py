"""CTCs that nobody is shown: below the threshold and not among CellSearch's events.

The number below the threshold is Poisson with a Gamma distributed mean, from the draw's expected misses where the map
has them. CellSearch then tells more: an event on a cell below the threshold is read, and of the CTCs there it shows
about the share w of the classifier's own CTCs that it shows. With n01 such CTCs found,

    mean ~ Gamma(shape + n01, rate + w),   w ~ Beta(a + n11, b + n10),   unseen ~ Poisson((1 - w) mean)

n11: CTCs among images shown by both, n10: by the classifier only. Without expected misses this is capture-recapture of
two observers (Bayesian form of Lincoln and Petersen's). It takes CTCs missed by one observer to be as visible to the
other as the rest; where dim CTCs escape both, too few are expected.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ctc_core.intervals import Interval

SHOWN = (6.0, 1.0)
"""Beta distribution of the share of CTCs that CellSearch shows, before reading: mean .86, worth 7 CTCs (assumed)."""
SHAPES = np.geomspace(0.05, 200, 60)


@dataclass(frozen=True)
class Misses:
    """Gamma distribution of the mean number of CTCs below the threshold."""

    shape: float
    rate: float


UNKNOWN = Misses(0.5, 0.0)
"""Jeffreys' prior: only what CellSearch shows tells."""


def misses(expected: Interval) -> Misses:
    """The distribution with this mean whose Poisson number reaches the upper 97.5 % limit, as narrow as that allows."""
    from scipy.stats import nbinom

    mean = max(expected.estimate, 0.01)
    reach = nbinom.ppf(0.975, SHAPES, SHAPES / (SHAPES + mean))
    wide = np.flatnonzero(reach >= expected.high)
    shape = float(SHAPES[wide[-1]] if len(wide) else SHAPES[int(np.argmax(reach))])
    return Misses(shape, shape / mean)


def unseen(
    prior: Misses,
    both: NDArray[np.int64],
    model_only: NDArray[np.int64],
    cellsearch_only: NDArray[np.int64],
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """(s,) samples of the number of CTCs that neither shows, for (s,) samples of the numbers that are shown."""
    share = rng.beta(SHOWN[0] + both, SHOWN[1] + model_only)
    mean = rng.gamma(prior.shape + cellsearch_only, 1 / (prior.rate + share))
    return rng.poisson((1 - share) * mean)
