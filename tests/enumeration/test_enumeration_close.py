"""Confirmed candidates that may show one cell."""

import pandas as pd

from ctc_core.enumeration import close_pairs
from ctc_core.types import PIXEL_UM


def table(*rows: tuple[str, float, float, str | None]) -> pd.DataFrame:
    """Name, y and x on the cartridge in um, label."""
    made = pd.DataFrame(rows, columns=["candidate_id", "cartridge_y", "cartridge_x", "label"])
    return made.assign(cartridge_y=made.cartridge_y / PIXEL_UM, cartridge_x=made.cartridge_x / PIXEL_UM)


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
    assert [(pair.first, pair.second, round(pair.distance_um, 6)) for pair in found] == [
        ("a", "event:7", 5.0),
        ("b", "event:7", 5.140039),
    ]


def test_nothing_is_close_where_nothing_is_confirmed() -> None:
    assert close_pairs(table(("a", 0.0, 0.0, None), ("b", 1.0, 0.0, "unsure"))) == []
