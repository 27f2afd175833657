"""Confirmed candidates that may show one cell."""

import pandas as pd

from ctc_core.enumeration import close_pairs
from ctc_core.types import PIXEL_UM


def table(*rows: tuple[str, int, float, float, str | None]) -> pd.DataFrame:
    """Name, frame, y and x in um, label."""
    made = pd.DataFrame(rows, columns=["candidate_id", "frame", "y", "x", "label"])
    return made.assign(y=made.y / PIXEL_UM, x=made.x / PIXEL_UM)


def test_confirmed_neighbours_of_one_frame_are_named() -> None:
    found = close_pairs(
        table(
            ("a", 1, 100.0, 100.0, "ctc"),
            ("b", 1, 106.1, 108.1, "ctc"),  # more than 10 um from a
            ("event:7", 1, 103.0, 104.0, "ctc"),
            ("c", 2, 103.0, 104.0, "ctc"),
            ("d", 1, 100.5, 100.0, "non-ctc"),
            ("e", 1, 100.0, 100.5, None),
        )
    )
    assert [(pair.first, pair.second, round(pair.distance_um, 6)) for pair in found] == [
        ("a", "event:7", 5.0),
        ("b", "event:7", 5.140039),
    ]


def test_nothing_is_close_where_nothing_is_confirmed() -> None:
    assert close_pairs(table(("a", 1, 0.0, 0.0, None), ("b", 1, 1.0, 0.0, "unsure"))) == []
