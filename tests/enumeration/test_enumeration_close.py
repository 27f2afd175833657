"""Confirmed candidates that may show one cell."""

import pandas as pd

from ctc_core.enumeration import close_pairs
from ctc_core.types import PIXEL_UM


def table(*rows: tuple[str, float, float, str | None]) -> pd.DataFrame:
    """Name, y and x on the cartridge in um, label."""
    made = pd.DataFrame(rows, columns=["candidate_id", "y", "x", "label"])
    y, x = made.y / PIXEL_UM, made.x / PIXEL_UM
    return made.assign(frame=3, y=y, x=x, cartridge_y=y, cartridge_x=x)


def test_confirmed_neighbours_are_named() -> None:
    found = close_pairs(
        table(
            ("a", 100.0, 100.0, "ctc"),
            ("b", 106.1, 108.1, "ctc"),  # more than 10 um from a
            ("event:7", 103.0, 104.0, "ctc"),
            ("c", 203.0, 104.0, "ctc"),
            ("d", 100.5, 100.0, "non-ctc"),
            ("e", 100.0, 100.5, None),
        )
    )
    assert [(pair.first, pair.second, round(pair.distance_um, 6), pair.place) for pair in found] == [
        ("a", "event:7", 5.0, (3, 156, 156)),
        ("b", "event:7", 5.140039, (3, 166, 169)),
    ]


def test_nothing_is_close_where_nothing_is_confirmed() -> None:
    assert close_pairs(table(("a", 0.0, 0.0, None), ("b", 1.0, 0.0, "unsure"))) == []
