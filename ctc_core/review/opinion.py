"""A gate's opinion of each candidate in words, and gates with limits of a lab's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import inf

import pandas as pd

from ctc_core.enumeration.gates import Condition, Gate, evaluate
from ctc_core.types import CROP_CHANNELS

_STATISTICS = {"mean": "mean", "max": "maximum", "sd": "SD"}
QUANTITY_NAMES = {
    "size_px": "size in pixels",
    **{f"{c}_{name}": f"{c.upper()} {words}" for c in CROP_CHANNELS for name, words in _STATISTICS.items()},
}
"""Quantities of gates as people call them."""


def edited(gate: Gate, limits: Mapping[str, tuple[float, float]]) -> Gate:
    """The gate with other (low, high) limits for some quantities; its title says so where one differs."""
    conditions = tuple(
        replace(one, low=limits[one.quantity][0], high=limits[one.quantity][1]) if one.quantity in limits else one
        for one in gate.conditions
    )
    if conditions == gate.conditions:
        return gate
    return replace(gate, title=f"{gate.title}, own limits", conditions=conditions)


def gate_opinions(gate: Gate, found: pd.DataFrame) -> pd.DataFrame:
    """passes (bool) and failing (one sentence, empty where it passes) of each row of `gates.quantities`.

    Raises:
        SettingsError: the gate asks for a quantity that nobody measures.
    """
    passed = evaluate(gate, found).passed
    words: list[list[str]] = [[] for _ in range(len(found))]
    for one in gate.conditions:
        values = found[one.quantity].to_numpy(float)
        for row in (~one.holds(values)).nonzero()[0].tolist():
            words[row].append(_failing(one, float(values[row])))
    return pd.DataFrame({"passes": passed, "failing": ["; ".join(some) for some in words]}, index=found.index)


def _failing(condition: Condition, value: float) -> str:
    name = QUANTITY_NAMES.get(condition.quantity, condition.quantity)
    return f"{name} {value:.0f}, needs {limits(condition)}" if value == value else f"{name} is not known"


def limits(condition: Condition) -> str:
    """What a condition asks for."""
    if condition.low > -inf and condition.high < inf:
        return f"{condition.low:g} to {condition.high:g}"
    return f"more than {condition.low:g}" if condition.low > -inf else f"less than {condition.high:g}"
