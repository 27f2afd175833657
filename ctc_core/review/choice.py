"""Which candidates are shown, and in which order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import pandas as pd

NOBODY = "Nobody yet"
DISAGREE = "Readers who disagree"
_CONFLICT = " disagree"


class Sort(StrEnum):
    """Order of the gallery."""

    LIKELIEST = "likeliest"
    """The likeliest CTC first, as decisions so far tell: the order in which reading can be stopped soonest."""
    PROBABILITY = "probability"
    """P(CTC) of the classifier; events without a cell last."""
    WORTH = "worth"
    """By how much a decision is expected to change P(count >= cut-off)."""
    PLACE = "place"
    """As the cells lie on the cartridge, which tells nothing of what anybody thinks of them."""


@dataclass(frozen=True)
class Choice:
    """What a reader asked for; the default is everything."""

    group: str = "all"
    """all, or a value of the column group."""
    places: tuple[str, ...] = ()
    """Clusters by name; empty: all."""
    sizes: tuple[float, float] | None = None
    """Diameters in um, limits included; events without a cell have none and are left out."""
    reader: str | None = None
    """A reader's name, `NOBODY` or `DISAGREE`; None: all."""
    gate: bool | None = None
    """Whether the gate is passed; None: all."""


def choose(table: pd.DataFrame, about: pd.DataFrame, choice: Choice) -> pd.DataFrame:
    """The rows of a table of candidates that were asked for, in their order.

    Args:
        table: candidate_id, group, diameter_um, reader.
        about: candidate_id, place, passes of cells (`review.details`); what is not in there passes no filter on it.
        choice: what was asked for.
    """
    if choice == Choice():
        return table
    known = about.set_index("candidate_id")
    shown = pd.Series(True, index=table.index)
    if choice.group != "all":
        shown &= table.group == choice.group
    if choice.places:
        shown &= table.candidate_id.map(known.place).isin(choice.places)
    if choice.sizes is not None:
        shown &= table.diameter_um.between(*choice.sizes)
    if choice.reader is not None:
        shown &= table.reader.map(lambda who: _read_by(who, choice.reader or "")).astype(bool)
    if choice.gate is not None:
        shown &= table.candidate_id.map(known.passes) == choice.gate
    return table[shown].reset_index(drop=True)


def _read_by(who: object, asked: str) -> bool:
    """Whether a cell was read by somebody. who: "ann, bob", "ann, bob disagree", or None."""
    if not isinstance(who, str) or asked == NOBODY:
        return not isinstance(who, str) and asked == NOBODY
    if asked == DISAGREE:
        return who.endswith(_CONFLICT)
    return asked in who.removesuffix(_CONFLICT).split(", ")


def readers_of(table: pd.DataFrame) -> list[str]:
    """Everybody who read a cell of the table, by name."""
    known = [who.removesuffix(_CONFLICT).split(", ") for who in table.reader if who is not None]
    return sorted({name for names in known for name in names})


def order_of(
    table: pd.DataFrame, sort: Sort, *, next_ids: Sequence[str] = (), worth: Mapping[str, float] | None = None
) -> list[str]:
    """candidate_id of all rows in the order asked for; what is equal keeps the order of the table.

    next_ids, worth: reading order and worth of unread images (`counting.CountReport`); those read already come last.
    """
    if sort is Sort.LIKELIEST:
        rank = {id_: i for i, id_ in enumerate(next_ids)}
        key = table.candidate_id.map(lambda id_: rank.get(id_, len(rank)))
    elif sort is Sort.WORTH:
        key = -table.candidate_id.map(lambda id_: (worth or {}).get(id_, 0.0))
    elif sort is Sort.PROBABILITY:
        key = -table.probability.astype(float).fillna(-1.0)
    else:
        key = table.frame * 1e9 + table.y * 1e4 + table.x
    return list(table.candidate_id[key.sort_values(kind="stable").index])


def arranged(table: pd.DataFrame, order: Sequence[str]) -> pd.DataFrame:
    """The rows in an order made before; what is not in it comes last."""
    rank = {id_: i for i, id_ in enumerate(order)}
    key = table.candidate_id.map(lambda id_: rank.get(id_, len(rank)))
    return table.loc[key.sort_values(kind="stable").index].reset_index(drop=True)
