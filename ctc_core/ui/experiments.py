"""The tab "Experiments": F1 of each cluster over loops, the paper's table, strategies compared, from stored results."""

from __future__ import annotations

from pathlib import Path

import altair as alt
import pandas as pd
import streamlit as st

from ctc_core.relabel.experiments.results import (
    ALL,
    FIRST,
    Result,
    before_after,
    comparison_table,
    comparison_words,
    curves_table,
    markdown,
    read_result,
    stored_results,
)
from ctc_core.ui.desk import open_desk
from ctc_core.ui.messages import empty_state
from ctc_core.ui.relabel_rounds import csv

COMMANDS = """python -m ctc_core experiment folder FOLDER --made-up
python -m ctc_core experiment strategies --features FOLDER --out strategies.json
python -m ctc_core experiment sim1 --features FOLDER --strategy cluster-specific --strategy random --out sim1.json"""
NAMES = {
    "sim1": "Limited global data",
    "sim2": "Limited local data",
    "real": "Real-world",
    "strategies": "Strategies compared",
}
MOST_LINES = 4
"""Strategies shown at first: as many as a panel can hold."""
BY_CLUSTER, BY_STRATEGY = "A panel for each cluster", "A panel for each strategy"


def show_experiments() -> None:
    """A result of choice: figure, the paper's table, comparison, downloads; without any, which command makes one."""
    paths = stored_results(open_desk().settings.data_dir / "experiments")
    if not paths:
        empty_state("No experiment has been run yet", "Run one of these on the command line; its result appears here.")
        st.code(COMMANDS, language="bash")
        return
    path = st.selectbox("Experiment", paths, format_func=_title, key="experiment", width=480)
    result = _read(path, path.stat().st_mtime)
    st.caption(_what_was_run(result))
    _show_figure(result)
    st.subheader("F1 at the start and after the last loop")
    st.dataframe(before_after(result), hide_index=True)
    if "comparison" in result:
        st.subheader("Strategies compared")
        st.caption(comparison_words(result))
        st.dataframe(comparison_table(result), hide_index=True)
    with st.container(horizontal=True):
        st.download_button(
            "F1 as CSV", csv(curves_table(result)), f"{path.stem}.csv", "text/csv", icon=":material/download:"
        )
        st.download_button(
            "Tables as Markdown", markdown(result), f"{path.stem}.md", "text/markdown", icon=":material/download:"
        )


@st.cache_data(show_spinner=False, max_entries=8)
def _read(path: Path, modified: float) -> Result:
    """modified: so that a result that was run again is read again."""
    return read_result(path)


def _title(path: Path) -> str:
    result = _read(path, path.stat().st_mtime)
    main = result["plan"].get("main_cluster")
    which = "" if main is None else f", main cluster {main}"
    return f"{NAMES.get(result['experiment'], result['experiment'])}{which}: {result['data']}"


def _what_was_run(result: Result) -> str:
    plan = result["plan"]
    sizes = (
        f"{plan['start']} labelled cells at the start, {plan['step']} more in each loop, " if "start" in plan else ""
    )
    return (
        f"{len(result['seeds'])} runs of each strategy, {sizes}{plan['loops']} loops. Labelled test cells only; mean "
        f"and standard deviation over runs. Made by: {result['command']}"
    )


# ---- figure ---------------------------------------------------------------------------------------------------------


def _show_figure(result: Result) -> None:
    names = list(result["strategies"])
    known = [name for name in FIRST if name in names]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.multiselect(
            "Strategies", names, default=known or names[:MOST_LINES], key="experiment_strategies", width=480
        )
        panels = st.segmented_control(
            "Panels",
            [BY_CLUSTER, BY_STRATEGY],
            default=BY_CLUSTER,
            required=True,
            key="experiment_panels",
            label_visibility="collapsed",
        )
    table = curves_table(result)
    rows = table[table.strategy.isin(chosen)]
    if rows.empty:
        st.info("Choose a strategy to see its curves.", icon=":material/info:")
        return
    words = "F1 on test cells over labelled cells, with one standard deviation over runs"
    st.altair_chart(figure(rows, by_cluster=panels == BY_CLUSTER), alt=words)


def figure(rows: pd.DataFrame, *, by_cluster: bool) -> alt.FacetChart:
    """Mean F1 over labels with a band of one standard deviation, of `curves_table`.

    by_cluster: a panel for each cluster, lines are strategies; else as in the paper, the other way round. Lines differ
        in colour and in dashes; colours are those of the theme.
    """
    panel, line = ("name", "strategy") if by_cluster else ("strategy", "name")
    rows = rows.assign(low=(rows.f1 - rows.sd).clip(0, 1), high=(rows.f1 + rows.sd).clip(0, 1))
    order = (
        list(dict.fromkeys([ALL, *rows.sort_values("cluster").name]))
        if by_cluster
        else list(dict.fromkeys(rows[panel]))
    )
    known = list(dict.fromkeys(rows[line]))
    names = [name for name in FIRST if name in known] + [name for name in known if name not in FIRST]
    legend = alt.Legend(
        orient="bottom", columns=4, symbolType="stroke", symbolSize=900, symbolStrokeWidth=2.5, symbolOpacity=1
    )
    ticks = alt.Axis(values=sorted({int(labels) for labels in rows.labels}), labelFlush=False)
    lines = alt.Color(f"{line}:N", title=None, sort=names, legend=legend)
    base = alt.Chart().encode(
        alt.X("labels:Q", title="Labelled cells", scale=alt.Scale(zero=False, nice=False, padding=6), axis=ticks),
        lines,
        tooltip=[
            alt.Tooltip("strategy:N", title="Strategy"),
            alt.Tooltip("name:N", title="Cluster"),
            alt.Tooltip("labels:Q", title="Labelled cells"),
            alt.Tooltip("f1:Q", title="F1", format=".3f"),
            alt.Tooltip("sd:Q", title="Standard deviation", format=".3f"),
            alt.Tooltip("n_test:Q", title="Test cells"),
            alt.Tooltip("n_ctc:Q", title="CTCs among them"),
        ],
    )
    scale = alt.Scale(domain=[0, 1.04], nice=False)  # room for points at 1, or their panel's title moves
    shares = alt.Axis(values=[0, 0.2, 0.4, 0.6, 0.8, 1], format=".1f", labelFlush=False)
    band = base.mark_area(opacity=0.15).encode(alt.Y("low:Q", scale=scale, title="F1", axis=shares), alt.Y2("high:Q"))
    curve = base.mark_line(point=alt.OverlayMarkDef(size=36)).encode(
        alt.Y("f1:Q", scale=scale, axis=shares), alt.StrokeDash(f"{line}:N", sort=names, legend=None)
    )
    panels = alt.layer(band, curve, data=rows).properties(width=215, height=170)
    own_axes = alt.Resolve(axis=alt.AxisResolveMap(x="independent"))  # else a short last row leaves one without a panel
    facets: alt.FacetChart = panels.facet(alt.Facet(f"{panel}:N", sort=order, title=None), columns=4, resolve=own_axes)
    return facets
