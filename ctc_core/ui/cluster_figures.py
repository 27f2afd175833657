"""F1 of each cluster as a chart and as a table."""

from __future__ import annotations

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

from ctc_core.map_view import MapView, by_f1, cluster_name, figures, why_no_figure
from ctc_core.reliability import Area

AREA_NAMES = {Area.STRONG: "strong", Area.WEAK: "weak", Area.UNKNOWN: "not known"}
HOW_COUNTED = (
    "Counted on labelled cells of test patients, which the classifier never learnt from. F1 is 1 where it finds every "
    "CTC and calls nothing else one. The weakest cluster, and what is strong or weak, was chosen on other patients."
)
GRAY = "#76828e"


def f1_rows(view: MapView) -> pd.DataFrame:
    """One row per cluster, lowest F1 first, those without one last; F1 is NaN for these, and `why` says why not."""
    return pd.DataFrame([
        {
            "cluster": cluster_name(row.cluster) + (", weakest" if row.cluster == view.weakest else ""),
            "n": row.test.counts.n,
            "ctcs": row.test.counts.n_ctc,
            "f1": row.f1.estimate if row.f1 else np.nan,
            "low": row.f1.low if row.f1 else np.nan,
            "high": row.f1.high if row.f1 else np.nan,
            "figures": figures(row),
            "why": why_no_figure(row),
            "area": AREA_NAMES[row.area],
            "cells": row.cells,
            "share": np.nan if row.share is None else row.share,
        }
        for row in by_f1(view.rows)
    ])  # fmt: skip


def f1_table(view: MapView) -> pd.DataFrame:
    """`f1_rows` in words, with the columns a person reads."""
    rows = f1_rows(view)
    known = rows.f1.notna()
    table = pd.DataFrame({
        "Cluster": rows.cluster,
        "Labelled test cells": rows.n.map("{:,}".format),
        "CTCs among them": rows.ctcs.map("{:,}".format),
        "F1": rows.f1.map("{:.2f}".format).where(known, rows.why),
        "95 % interval": (rows.low.map("{:.2f}".format) + " to " + rows.high.map("{:.2f}".format)).where(known, "–"),
        "Classifier here": rows.area,
        "Cells on the map": rows.cells.map("{:,}".format),
    })  # fmt: skip
    if rows.share.notna().any():
        table["This patient's cells"] = (100 * rows.share).map("{:.1f} %".format).where(rows.share.notna(), "–")
    return table


def f1_chart(view: MapView) -> alt.LayerChart | alt.FacetChart:
    """F1 with its interval per cluster, lowest first; in place of a figure the reason why there is none."""
    rows = f1_rows(view)
    rows["missing"] = rows.figures.where(rows.f1.isna(), "")
    rows["weakest"] = rows.cluster.str.endswith("weakest")
    base = alt.Chart(rows).encode(
        alt.Y("cluster:N", sort=list(rows.cluster), title=None, axis=alt.Axis(labelLimit=180)),
        tooltip=[alt.Tooltip("cluster:N", title="Cluster"), alt.Tooltip("figures:N", title="F1")],
    )
    scale = alt.Scale(domain=[0, 1])
    x = alt.X("f1:Q", scale=scale, title="F1 on test patients, with 95 % interval")
    interval = base.mark_rule(strokeWidth=2, color=GRAY).encode(alt.X("low:Q", scale=scale), alt.X2("high:Q"))
    shape = alt.Shape("weakest:N", scale=alt.Scale(domain=[False, True], range=["circle", "diamond"]), legend=None)
    dot = base.mark_point(filled=True, size=110, opacity=1, color=GRAY).encode(x, shape)
    words = base.mark_text(align="left", dx=4, color=GRAY).encode(alt.X(datum=0, scale=scale), text="missing:N")
    return alt.layer(interval, dot, words).properties(height=30 * len(rows) + 60)


@st.fragment
def show_f1(view: MapView, *, key: str) -> None:
    """Chart and table side by side, on demand: the browser takes longer to load Vega than to draw the map."""
    section = st.expander("How well the classifier does in each cluster", key=key, on_change="rerun")
    if not section.open:
        return
    with section:
        st.caption(HOW_COUNTED)
        left, right = st.columns([1, 2], gap="medium")
        left.altair_chart(f1_chart(view), alt="F1 with 95 % interval of each cluster, as in the table beside it")
        right.table(f1_table(view), border="horizontal", hide_index=True)
