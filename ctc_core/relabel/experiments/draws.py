"""Random draws exactly as published, so that runs can be compared cell by cell.

Python's own generator is set to the run's seed before every draw.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from ctc_core.errors import SettingsError

RUNS = 5
"""Published number of runs."""


def run_seeds(seeds: str) -> list[int]:
    """`published`: the five seeds of the published runs; a number N: 0 to N - 1.

    Raises:
        SettingsError: neither.
    """
    if seeds == "published":
        return random.Random(42).sample(range(1, 200), RUNS)
    if not seeds.isdecimal() or int(seeds) < 1:
        message = f"--seeds {seeds}: give 'published' or how many runs, at least 1."
        raise SettingsError(message)
    return list(range(int(seeds)))


def draw(rows: Sequence[int], n: int, seed: int) -> list[int]:
    """`n` of `rows` in random order, all of them where there are fewer."""
    return random.Random(seed).sample(list(rows), min(n, len(rows)))


def split(rows: Sequence[int], share: float, seed: int) -> tuple[list[int], list[int]]:
    """A draw of `share` of `rows`, and the others in the order in which CPython iterates over a set of them."""
    shuffled = list(rows)
    random.Random(seed).shuffle(shuffled)
    drawn = draw(shuffled, round(len(shuffled) * share), seed)
    return drawn, list(set(shuffled) - set(drawn))
