"""Figures of a segmenter as lines for the eye."""

from __future__ import annotations

import pandas as pd

SHARES = ("found@0.5", "found@0.7", "reviewed")
SCORES = ("AP@0.5", "AP@0.7", "AP@0.9", "F1@0.5")


def lines(figures: pd.DataFrame) -> list[str]:
    """Two tables of a result of `evaluate`: AP and F1 by data, shares by kind; each value with its 95 % interval."""
    whole, by_kind = (figures[figures["figure"].isin(names)] for names in (SCORES, SHARES))
    return [
        *_table(whole, ["data", "images", "objects"], SCORES),
        "",
        *_table(by_kind, ["data", "kind", "objects"], SHARES),
        "",
        "found: an outline of its own at that IoU. reviewed: the centre of an outline lies in it. Interval 95 %.",
        *_hidden(figures),
    ]


def _hidden(figures: pd.DataFrame) -> list[str]:
    rows = figures[figures["figure"] == "hidden"].to_dict("records")
    text = "Of {} CTCs ({}) {} lie under brighter objects: no outline to see, in no other figure."
    return [text.format(n, row["data"], round(n * row["value"])) for row in rows if (n := row["objects"])]


def _table(rows: pd.DataFrame, keys: list[str], figures: tuple[str, ...]) -> list[str]:
    cells = [[*keys, *figures]]
    for key, group in rows.groupby(keys, sort=False):
        values = {figure: _value(*row) for figure, *row in group[["figure", "value", "low", "high"]].to_numpy()}
        cells.append([*map(str, key), *(values.get(figure, "") for figure in figures)])
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    return ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in cells]


def _value(value: float, low: float, high: float) -> str:
    if pd.isna(value):
        return "-"
    return f"{value:.3f}" if pd.isna(low) else f"{value:.3f} ({low:.3f}-{high:.3f})"
