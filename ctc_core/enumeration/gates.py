"""Gates on measured sizes and grey values: a second opinion beside the classifier, never a decision.

Presets are those of ACCEPT (Zeune et al., github.com/LeonieZ/ACCEPT): breast and prostate CTCs after Ligthart et al.,
cell-line cells, leukocytes. Grey values are restored ones, 0..4095, the background subtracted where it matters (means
and maxima, not standard deviations). ACCEPT measures each channel within its own mask, this desk within the CK outline:
a nucleus larger than the outline, or CD45 around it, is measured differently. What the desk does not measure is left
out of the verdict and named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ctc_core.errors import SettingsError
from ctc_core.types import CROP_CHANNELS, PIXEL_UM

SUBTRACTED = ("mean", "max")


@dataclass(frozen=True)
class Condition:
    """One quantity strictly above `low` and below `high`; a size may reach its limits, as in ACCEPT."""

    quantity: str
    """A column of `quantities`, e.g. ck_sd, dapi_max, size_px."""
    low: float = -inf
    high: float = inf
    inclusive: bool = False

    def __str__(self) -> str:
        above = f"{self.low:g} < " if self.low > -inf else ""
        return f"{above}{self.quantity}{f' < {self.high:g}' if self.high < inf else ''}"

    def holds(self, values: NDArray[np.float64]) -> NDArray[np.bool_]:
        """(n,) of (n,) values; a missing one does not hold."""
        if self.inclusive:
            return np.asarray((values >= self.low) & (values <= self.high))
        return np.asarray((values > self.low) & (values < self.high))


@dataclass(frozen=True)
class Gate:
    """Conditions that all have to hold. Edit one with `dataclasses.replace`."""

    name: str
    title: str
    source: str
    conditions: tuple[Condition, ...]
    not_measured: tuple[str, ...] = ()
    """Conditions of the source that this desk cannot judge."""


def _size(low: float, high: float) -> Condition:
    return Condition("size_px", low, high, inclusive=True)


_LIGTHART = "ACCEPT, after Ligthart et al."
PRESETS: Mapping[str, Gate] = {
    gate.name: gate
    for gate in (
        Gate(
            "breast-ctc",
            "CTC, breast",
            _LIGTHART,
            (Condition("ck_sd", 50), _size(75, 2000), Condition("dapi_max", 170), Condition("cd45_max", high=60)),
        ),
        Gate(
            "prostate-ctc",
            "CTC, prostate",
            _LIGTHART,
            (Condition("ck_sd", 50), _size(75, 500), Condition("dapi_max", 170), Condition("cd45_max", high=60)),
        ),
        Gate(
            "cell-line",
            "Cell-line cell",
            "ACCEPT",
            (Condition("ck_max", 400), _size(75, 10000), Condition("dapi_max", 170), Condition("cd45_max", high=200)),
        ),
        Gate(
            "leukocyte",
            "Leukocyte",
            "ACCEPT",
            (Condition("ck_sd", high=50), Condition("dapi_max", 170), Condition("cd45_max", 100)),
            not_measured=("size of the nucleus 50 to 1000 px", "perimeter of the nucleus (P2A < 1.5)"),
        ),
    )
}


def quantities(cells: pd.DataFrame) -> pd.DataFrame:
    """What gates look at, one row per cell of the store's table: diameter_um, area_um2, size_px, eccentricity, and
    <channel>_mean, _max (background subtracted), _sd of dapi, ck, cd45 and, where it is there, marker.
    """
    found = cells[["diameter_um", "area_um2", "eccentricity"]].assign(size_px=cells.area_um2 / PIXEL_UM**2)
    channels = [str(channel) for channel in (*CROP_CHANNELS, "marker") if f"{channel}_mean" in cells]
    for channel in channels:
        background = cells[f"{channel}_background"].astype(float)
        for statistic in SUBTRACTED:
            found[f"{channel}_{statistic}"] = cells[f"{channel}_{statistic}"].astype(float) - background
        found[f"{channel}_sd"] = cells[f"{channel}_sd"].astype(float)
    return found


@dataclass(frozen=True, eq=False)
class Opinion:
    """What a gate says of n cells."""

    gate: Gate
    passed: NDArray[np.bool_]
    """(n,) every condition holds."""
    failed: tuple[tuple[str, ...], ...]
    """Conditions that do not hold, for each cell."""


def evaluate(gate: Gate, measured: pd.DataFrame) -> Opinion:
    """A gate on `quantities`. A quantity that a cell lacks does not hold.

    Raises:
        SettingsError: the gate asks for a quantity that nobody measures.
    """
    if unknown := [one.quantity for one in gate.conditions if one.quantity not in measured]:
        message = f"{gate.name}: {unknown[0]} is not measured. Choose one of {', '.join(map(str, measured))}."
        raise SettingsError(message)
    holds = [condition.holds(measured[condition.quantity].to_numpy(float)) for condition in gate.conditions]
    table = np.stack(holds, axis=1) if holds else np.ones((len(measured), 0), bool)
    names = [str(condition) for condition in gate.conditions]
    failed = tuple(tuple(name for name, one in zip(names, row, strict=True) if not one) for row in table.tolist())
    return Opinion(gate, np.asarray(table.all(axis=1)), failed)


def opinions(measured: pd.DataFrame, gates: Sequence[Gate] = tuple(PRESETS.values())) -> pd.DataFrame:
    """(n, gates) whether each cell passes each gate, columns by the gates' names, index as `measured`."""
    return pd.DataFrame({gate.name: evaluate(gate, measured).passed for gate in gates}, index=measured.index)
