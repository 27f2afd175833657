"""Controls of the review page: which candidates, in which order, and the gate that gives a second opinion."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import pandas as pd
import streamlit as st

from ctc_core.enumeration.gates import PRESETS, Condition, Gate
from ctc_core.review.choice import DISAGREE, NOBODY, Choice, Sort, readers_of
from ctc_core.review.opinion import QUANTITY_NAMES, edited

GROUP_NAMES = {
    "all": "All",
    "agreed": "Agreed",
    "model": "Model only",
    "cellsearch": "CellSearch only",
    "less": "Less certain",
}
SORT_NAMES = {
    Sort.LIKELIEST: "Likeliest CTC first",
    Sort.PROBABILITY: "P(CTC)",
    Sort.WORTH: "Worth to the count",
    Sort.PLACE: "Place on the cartridge",
}
SORTING = (
    "Likeliest first: as decisions so far tell, so that reading can be stopped soonest. Worth: by how much a decision "
    "is expected to move P(at least the cut-off). The order is kept while you read."
)
_GROUP, _SORT = "cells", "order"
"""Names in the page's address."""
GATE_NAMES = {None: "All cells", True: "Passing the gate", False: "Failing the gate"}


@dataclass(frozen=True)
class Controls:
    """What was chosen."""

    choice: Choice
    sort: Sort


def show_gate() -> Gate:
    """A preset of ACCEPT, and its limits to edit."""
    name = st.selectbox(
        "Gate, a second opinion",
        list(PRESETS),
        format_func=lambda name: PRESETS[name].title,
        key="candidates_gate",
        bind="query-params",
        persist_state="session",
        help="ACCEPT's limits on measured values. Says what it thinks beside each cell and decides nothing.",
    )
    gate = PRESETS[name or next(iter(PRESETS))]
    limits = {one.quantity: _limits(gate, one) for one in gate.conditions}
    if gate.not_measured:
        st.caption(f"Not judged, because the desk does not measure it: {'; '.join(gate.not_measured)}.")
    return edited(gate, limits)


def _limits(gate: Gate, condition: Condition) -> tuple[float, float]:
    """(low, high) as typed in; a limit that the gate does not have stays away."""
    name = QUANTITY_NAMES.get(condition.quantity, condition.quantity)
    name = name[:1].upper() + name[1:]
    key = f"candidates_gate_{gate.name}_{condition.quantity}"
    low, high = condition.low, condition.high
    with st.container(horizontal=True, gap="small"):
        if low > -inf:
            low = st.number_input(
                f"{name}, above", 0.0, 20000.0, float(low), 5.0, "%g", key=f"{key}_low", persist_state="session"
            )
        if high < inf:
            high = st.number_input(
                f"{name}, below", 0.0, 20000.0, float(high), 5.0, "%g", key=f"{key}_high", persist_state="session"
            )
    return low, high


def show_controls(table: pd.DataFrame, about: pd.DataFrame, less_certain: int, *, blind: bool) -> Controls:
    """One line: groups with their numbers, the order, filters. `less_certain`: cells that may be offered."""
    counts = {name: int((table.group == name).sum()) for name in GROUP_NAMES}
    counts |= {"all": len(table), "less": less_certain}
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        group = st.segmented_control(
            "Which cells",
            GROUP_NAMES,
            default=_in_address(_GROUP, list(GROUP_NAMES)),
            required=True,
            format_func=lambda name: f"{GROUP_NAMES[name]} {counts[name]}",
            key="candidates_group",
            label_visibility="collapsed",
        )
        names = [sort for sort in Sort if not (blind and sort is not Sort.PLACE)]
        sort = st.selectbox(
            "Order",
            names,
            format_func=SORT_NAMES.__getitem__,
            index=names.index(Sort(_in_address(_SORT, [str(name) for name in names]))),
            key="candidates_sort",
            label_visibility="collapsed",
            help=SORTING,
            width=200,
        )
        with st.popover("Filter", icon=":material/filter_alt:"):
            choice = _filters(table, about, group or "all")
    _keep_in_address(_GROUP, group or "all", "all")
    _keep_in_address(_SORT, str(sort), str(names[0]))
    return Controls(choice, sort or names[0])


def _in_address(name: str, options: list[str]) -> str:
    """What the page's address asks for; the first option where it asks for nothing, or nothing there is."""
    asked = str(st.query_params.get(name, ""))
    return asked if asked in options else options[0]


def _keep_in_address(name: str, value: str, usual: str) -> None:
    """By its own name and not by what the button says, in which numbers change."""
    if value == usual:
        st.query_params.pop(name, None)
    elif st.query_params.get(name) != value:
        st.query_params[name] = value


def _filters(table: pd.DataFrame, about: pd.DataFrame, group: str) -> Choice:
    places = sorted({place for place in about.place if isinstance(place, str)})
    chosen = st.multiselect("Cluster on the map", places, key="candidates_places", bind="query-params")
    sizes = _sizes(table.diameter_um.dropna())
    readers = [None, NOBODY, DISAGREE, *readers_of(table)]
    reader = st.selectbox(
        "Read by",
        readers,
        format_func=lambda name: name or "All cells",
        key="candidates_reader",
        bind="query-params",
    )
    gate = st.selectbox("Gate", list(GATE_NAMES), format_func=GATE_NAMES.__getitem__, key="candidates_gated")
    return Choice(group, tuple(chosen), sizes, reader, gate)


def _sizes(diameters: pd.Series) -> tuple[float, float] | None:
    """Limits of the diameter; None as long as all cells are within."""
    if diameters.empty:
        return None
    low, high = float(diameters.min() // 1), float(diameters.max() // 1 + 1)
    chosen = st.slider("Diameter, µm", low, high, (low, high), 0.5, key="candidates_sizes")
    return None if chosen == (low, high) else chosen


def active(choice: Choice) -> str:
    """The filters that are on, as a sentence; empty where none is."""
    parts = [f"cluster {', '.join(choice.places)}"] if choice.places else []
    parts += [f"{choice.sizes[0]:g} to {choice.sizes[1]:g} µm"] if choice.sizes else []
    parts += [f"read by {choice.reader}"] if choice.reader else []
    parts += [GATE_NAMES[choice.gate].lower()] if choice.gate is not None else []
    return f"Filtered: {'; '.join(parts)}." if parts else ""
