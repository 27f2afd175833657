"""Every round of every run: the table, F1 over rounds as a figure, and what readers agree on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

from ctc_core.map_view import cluster_name
from ctc_core.rounds import replay
from ctc_core.spreadsheet import safe
from ctc_core.store import Round, Store
from ctc_core.ui.relabel_outcome import f1_words
from ctc_core.ui.relabel_start import first_of, strategy_title

STATES = {"open": "being read", "finished": "finished", "abandoned": "left"}
ALL = "All cells"
COLUMNS = ("run", "round", "cluster", "n", "n_ctc", "f1", "low", "high")
BEFORE_FIRST = "Before"


def rounds_table(store: Store, rounds: Sequence[Round]) -> pd.DataFrame:
    """One row per round, newest first, in words."""
    return pd.DataFrame([_round_row(store, found) for found in reversed(rounds)])


def _round_row(store: Store, found: Round) -> dict[str, object]:
    outcome = store.outcome(found.round_id)
    before, after = ((outcome.get(name) or {}).get("total") for name in ("before", "after"))
    return {
        "Begun (UTC)": found.opened,
        "Reader": found.reader,
        "Series": series_name(store, found),
        "Round": found.number,
        "Cells chosen by": strategy_title(found.strategy),
        "Where": "all clusters" if found.cluster is None else cluster_name(found.cluster),
        "Labels": f"{found.labelled} of {found.items}",
        "Minutes": found.minutes_used,
        "State": STATES[found.state],
        "F1 before": f1_words(before) if before else "–",
        "F1 after": f1_words(after) if after else "–",
        "Classifier before": found.model_before,
        "Classifier after": found.model_after,
    }


def series_name(store: Store, found: Round) -> str:
    """A run as people call it: by its first day, its reader and its number."""
    first = first_of(store, found)
    return f"{first.opened:%Y-%m-%d} {first.reader}, {first.run_id[:4]}"


def figures_over_rounds(store: Store, rounds: Sequence[Round]) -> pd.DataFrame:
    """`COLUMNS`: F1 with its interval of every cluster before a series and after each of its finished rounds.

    `round` 0 is before the first; F1 is NaN where labels are too few.
    """
    rows: list[dict[str, object]] = []
    begun: set[str] = set()
    for found in rounds:
        outcome = store.outcome(found.round_id)
        if outcome.get("before") and found.run_id not in begun:
            rows += _figures(outcome["before"], series_name(store, found), 0)
        if outcome.get("after"):
            begun.add(found.run_id)
            rows += _figures(outcome["after"], series_name(store, found), found.number)
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _figures(measured: Mapping[str, Any], run: str, number: int) -> list[dict[str, object]]:
    every = [measured["total"]] if measured.get("total") else []
    return [
        {
            "run": run,
            "round": number,
            "cluster": ALL if row["cluster"] is None else cluster_name(row["cluster"]),
            "n": row["n"],
            "n_ctc": row["n_ctc"],
            **{
                name: row[name] if row["enough"] and row[name] is not None else np.nan for name in ("f1", "low", "high")
            },
        }
        for row in [*every, *measured["clusters"]]
    ]


def figure(rows: pd.DataFrame) -> alt.FacetChart:
    """One panel per cluster: F1 after each round of one series, with its 95 % interval as a band."""
    order = [ALL, *sorted(set(rows.cluster) - {ALL})]
    x = alt.X("round:Q", title="Round", axis=alt.Axis(tickMinStep=1, format="d"))
    base = alt.Chart().encode(
        x,
        tooltip=[
            alt.Tooltip("cluster:N", title="Cluster"),
            alt.Tooltip("round:Q", title="Round"),
            alt.Tooltip("f1:Q", title="F1", format=".2f"),
            alt.Tooltip("n:Q", title="Test cells"),
        ],
    )
    scale = alt.Scale(domain=[0, 1])
    band = base.mark_area(opacity=0.18).encode(alt.Y("low:Q", scale=scale, title="F1"), alt.Y2("high:Q"))
    line = base.mark_line(point=alt.OverlayMarkDef(size=40)).encode(alt.Y("f1:Q", scale=scale))
    panels = alt.layer(band, line, data=rows).properties(width=175, height=150)
    return panels.facet(alt.Facet("cluster:N", sort=order, title=None), columns=4)


def csv(rows: pd.DataFrame) -> bytes:
    """For spreadsheets."""
    return bytes(rows.map(safe).to_csv(index=False).encode())


def show_rounds(store: Store) -> None:
    """Table, figure and downloads."""
    rounds = store.rounds()
    table = rounds_table(store, rounds)
    st.dataframe(
        table,
        hide_index=True,
        column_config={
            "Begun (UTC)": st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm"),
            "Minutes": st.column_config.NumberColumn(
                format="%.1f", help="From the first to the last decision of the round."
            ),
        },
    )
    rows = figures_over_rounds(store, rounds)
    with st.container(horizontal=True):
        st.download_button("Rounds as CSV", csv(table), "rounds.csv", "text/csv", icon=":material/download:")
        if not rows.empty:
            st.download_button("F1 as CSV", csv(rows), "f1-over-rounds.csv", "text/csv", icon=":material/download:")
    if rows.empty:
        st.caption("F1 over rounds is drawn here once a round is finished and cells of test patients are labelled.")
        return
    st.subheader("F1 over rounds")
    run = st.selectbox("Series", list(dict.fromkeys(rows.run))[::-1], key="rounds_series", width=320)
    st.caption(
        "Round 0 is the classifier before the series. Labelled cells of test patients, 95 % intervals; clusters with "
        "fewer than 20 labelled test cells have no line."
    )
    st.altair_chart(figure(rows[rows.run == run]), alt=f"F1 of each cluster after each round of the series {run}")


def show_replay(store: Store) -> None:
    """Make the classifier of a past round again from the journal, to see that it is the same."""
    finished = [found for found in store.rounds() if found.model_after]
    if not finished:
        return
    st.subheader("Replay")
    st.caption("Fits the classifier of a past round again from the labels as they were, and compares its weights.")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.selectbox(
            "Round",
            finished[::-1],
            format_func=lambda found: f"{series_name(store, found)}, round {found.number}",
            key="rounds_replay",
            width=320,
        )
        if not st.button("Replay", icon=":material/replay:"):
            return
    with st.spinner("Fitting"):
        made = replay(store, chosen.round_id)
    if made.same:
        st.success(f"The same classifier: {made.model_id}, weights {made.weights_sha256[:16]}", icon=":material/check:")
    else:
        st.error(
            f"Another classifier came out: {made.model_id} instead of {chosen.model_after}. Verify the journal.",
            icon=":material/error:",
        )
