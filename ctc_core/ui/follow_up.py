"""Several draws of one patient over time, as a small chart."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import pandas as pd
import streamlit as st

from ctc_core.counting import CountOptions, FollowUp, follow_up
from ctc_core.report import words
from ctc_core.store import Store
from ctc_core.ui.cluster_figures import GRAY
from ctc_core.ui.messages import explained

HEIGHT = 220
COUNTED = "confirmed CTCs, by volume"
MEAN = "mean with 95 % interval"
CUT_OFF = "cut-off"


def show_follow_up(store: Store, pseudonym: str, threshold: float, options: CountOptions) -> None:
    """Chart and table of all draws of a patient; nothing where there is only one."""
    cartridges = store.cartridges()
    if int((cartridges.pseudonym == pseudonym).sum()) < 2:
        return
    with st.expander("Follow-up", icon=":material/timeline:", expanded=True), explained():
        draws = _load(store.state(), pseudonym, threshold, options.cut_off, options.volume_ml, store)
        table = follow_up_table(draws)
        left, right = st.columns(2, gap="medium")
        left.altair_chart(chart(table, options.cut_off), width="stretch", height=HEIGHT, alt=described(table))
        right.table(_for_the_eye(table, options.cut_off), border="horizontal", hide_index=True)
        st.caption(
            "In the order in which the draws were imported: an archive's draw date is patient data and not kept."
        )


@st.cache_resource(max_entries=4, show_spinner="Counting all draws of this patient")
def _load(
    place: str, pseudonym: str, threshold: float, cut_off: int, volume_ml: float, _store: Store
) -> tuple[FollowUp, ...]:
    return follow_up(_store, pseudonym, threshold, CountOptions(cut_off=cut_off, volume_ml=volume_ml))


def follow_up_table(draws: Sequence[FollowUp]) -> pd.DataFrame:
    """One row for each draw, oldest first: draw (1, 2 ...), cartridge, imported, counted, mean, low, high (CTCs per
    7.5 ml), p (at least the cut-off), cellsearch, read and shown (images).
    """
    rows = [
        {
            "draw": i,
            "cartridge": one.cartridge_id,
            "imported": one.imported,
            "counted": one.count.per_7_5_ml,
            "mean": one.count.concentration.estimate,
            "low": one.count.concentration.low,
            "high": one.count.concentration.high,
            "p": one.count.p_patient,
            "cellsearch": one.count.cellsearch_assigned,
            "read": one.read,
            "shown": one.shown,
        }
        for i, one in enumerate(draws, start=1)
    ]
    return pd.DataFrame(rows)


def chart(table: pd.DataFrame, cut_off: int) -> alt.LayerChart:
    """Mean per 7.5 ml with its interval, confirmed CTCs and the cut-off. Told apart by shape, not by colour alone."""
    table = table.assign(name=[f"{row.draw}: {row.cartridge}" for row in table.itertuples()])
    x = alt.X("name:N", title=None, sort=list(table.name), axis=alt.Axis(labelAngle=0, labelLimit=160))
    y = alt.Y("mean:Q", title="CTCs in 7.5 ml", scale=alt.Scale(zero=True))
    shapes = alt.Shape("what:N", title=None, scale=alt.Scale(domain=[MEAN, COUNTED], range=["circle", "diamond"]))
    figures = [alt.Tooltip(name, format=".1f") for name in ("counted", "mean", "low", "high", "cellsearch")]
    tooltip = [alt.Tooltip("cartridge"), *figures]
    base = alt.Chart(table).encode(x=x, tooltip=tooltip)
    line = base.mark_line(opacity=0.5).encode(y=y)
    bars = base.mark_rule(size=2, color=GRAY).encode(y=alt.Y("low:Q"), y2="high:Q")
    means = base.transform_calculate(what=f"'{MEAN}'").mark_point(filled=True, size=80).encode(y=y, shape=shapes)
    counts = base.transform_calculate(what=f"'{COUNTED}'").mark_point(size=110).encode(y="counted:Q", shape=shapes)
    limit = alt.Chart(pd.DataFrame({"cut_off": [cut_off], "name": [CUT_OFF]}))
    rule = limit.mark_rule(strokeDash=[6, 4], color=GRAY).encode(y="cut_off:Q")
    text = limit.mark_text(align="left", dy=-7, x=4, color=GRAY).encode(
        y="cut_off:Q", text=alt.value(f"{CUT_OFF} {cut_off}")
    )
    layers: alt.LayerChart = alt.layer(line, bars, means, counts, rule, text).configure_legend(orient="top")
    return layers


def described(table: pd.DataFrame) -> str:
    """The chart in words."""
    draws = [f"draw {row.draw}: {row.counted:.1f} confirmed, mean {row.mean:.1f}" for row in table.itertuples()]
    return f"CTCs in 7.5 ml over {len(table)} draws; {'; '.join(draws)}"


def _for_the_eye(table: pd.DataFrame, cut_off: int) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "Draw": [f"{row.draw}: {row.cartridge}" for row in table.itertuples()],
            "Confirmed in 7.5 ml": [f"{counted:.1f}" for counted in table.counted],
            f"P(at least {cut_off})": [words.percent(p) for p in table.p],
            "CellSearch": table.cellsearch.astype(str),
            "Read": [f"{row.read} of {row.shown}" for row in table.itertuples()],
        }
    )
