"""Which decision would change the count most, and which cells below the threshold are worth a look."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ctc_core.enumeration.counts import STANDARD_ML, Samples, after_decision, reaching, reader_logits
from ctc_core.enumeration.readers import ReaderErrors

Array = NDArray[np.float64]


def worth(
    table: pd.DataFrame, samples: Samples, errors: ReaderErrors, *, cut_off: int, volume_ml: float = STANDARD_ML
) -> Array:
    """(n,) by how much P(mean >= cut-off) is expected to move, 0..1, when each unread image is decided; 0 for others.

    The change after either answer, weighed by how likely the answer is: large where the image is uncertain and the
    count is near the cut-off. What an answer says about other images is left out.
    """
    one_more, one_less = _steps(samples, cut_off, volume_ml)
    q = samples.chance[None]
    sensitivity, false_positive = (rate[None] for rate in errors.rates(reader_logits(table)))
    moves = (1 - q) * one_more + q * one_less
    yes = sensitivity * q + false_positive * (1 - q)
    after_yes, after_no = (
        after_decision(q, np.full(q.shape[1], answer), sensitivity, false_positive) for answer in (True, False)
    )
    change = (yes * np.abs(after_yes - q) + (1 - yes) * np.abs(after_no - q)) * moves
    return np.asarray(np.where(table.label.isna(), change[0], 0.0))


def _steps(samples: Samples, cut_off: int, volume_ml: float) -> tuple[float, float]:
    """By how much the probability moves with one CTC more, and with one less."""
    total = samples.total
    here = reaching(total, cut_off, volume_ml)
    more, less = (reaching(np.maximum(total + step, 0), cut_off, volume_ml) for step in (1, -1))
    return float((more - here).mean()), float((here - less).mean())


def less_certain(
    cells: pd.DataFrame,
    areas: Mapping[int, str],
    expected_missed: Mapping[int, float],
    *,
    threshold: float,
    at_most: int = 100,
) -> pd.DataFrame:
    """Cells below the threshold from areas that cannot be trusted, the likeliest CTC first.

    Args:
        cells: cell_id, probability, cluster, unlike (unlike anything labelled), of cells that are not shown yet.
        areas: strong, weak or unknown for each cluster; a cluster that is not named is unknown.
        expected_missed: CTCs expected below the threshold of this draw in each cluster.

    Returns:
        cell_id, probability, cluster, area, unlike, chance. `chance`: the cluster's expected misses, shared out among
        its cells below the threshold by their odds; of a cell unlike anything labelled it says least.
    """
    low = cells[cells.probability < threshold]
    p = low.probability.clip(1e-6, 1 - 1e-6)
    odds = p / (1 - p)
    share = odds / odds.groupby(low.cluster).transform("sum")
    chance = (share * low.cluster.map(expected_missed).fillna(0.0)).clip(0, 1)
    found = low.assign(area=low.cluster.map(areas).fillna("unknown"), chance=chance)
    found = found[(found.area != "strong") | found.unlike]
    found = found.sort_values(["chance", "probability", "cell_id"], ascending=[False, False, True]).head(at_most)
    return found[["cell_id", "probability", "cluster", "area", "unlike", "chance"]].reset_index(drop=True)
