"""The paper's figure 3 as SVG and PNG: F1 of each cluster over loops, a line with its band for each strategy."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from ctc_core.relabel.experiments.results import ALL, FIRST, Result, curves_table

COLOURS = ("#d55e00", "#0072b2", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#76828e")
"""Okabe and Ito's, which colour-blind readers tell apart; lines also differ in their dashes."""
DASHES = ("-", "--", "-.", ":")
COLUMNS = 4


def style(strategies: list[str]) -> dict[str, tuple[str, str]]:
    """Colour and dashes of each strategy, always the same of `FIRST`, which are drawn over the others; 28 differ."""
    names = [name for name in FIRST if name in strategies] + [name for name in strategies if name not in FIRST]
    offset = {name: k for k, name in enumerate([*FIRST, *(name for name in names if name not in FIRST)])}
    n = len(COLOURS)
    return {name: (COLOURS[k % n], DASHES[(k % n + k // n) % len(DASHES)]) for name, k in offset.items() if k < 28}


def write_figure(result: Result, path: Path) -> list[Path]:
    """Write `path` with the suffixes .svg and .png; band: one standard deviation over runs. Loads matplotlib."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    table = curves_table(result)
    panels = list(dict.fromkeys([ALL, *table.sort_values("cluster").name]))
    rows = -(-len(panels) // COLUMNS)
    figure = Figure(figsize=(3.1 * min(len(panels), COLUMNS), 2.6 * rows + 0.9), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, min(len(panels), COLUMNS), squeeze=False, sharey=True).ravel()
    styles = style(list(result["strategies"]))
    for ax, panel in zip(axes, panels, strict=False):
        _panel(ax, table[table.name == panel], styles)
    for ax in axes[len(panels) :]:
        ax.set_visible(False)
    handles, names = axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=4, frameon=False, fontsize=8)
    figure.suptitle(f"{result['experiment']}: {result['data']}", fontsize=10)
    paths = [path.with_suffix(suffix) for suffix in (".svg", ".png")]
    for target in paths:
        figure.savefig(target, dpi=150, metadata={"Date": None} if target.suffix == ".svg" else None)
    return paths


def _panel(ax, rows: pd.DataFrame, styles: dict[str, tuple[str, str]]) -> None:  # type: ignore[no-untyped-def]
    first = rows.iloc[0]
    ax.set_title(f"{first['name']} (n = {first.n_test}, {first.n_ctc} CTCs)", fontsize=8)
    banded = set(FIRST) & set(styles) or set(styles)
    for name in reversed(styles):
        line = rows[rows.strategy == name].sort_values("loop")
        if line.empty:
            continue
        colour, dash = styles[name]
        if name in banded:
            low, high = (line.f1 - line.sd).clip(0, 1), (line.f1 + line.sd).clip(0, 1)
            ax.fill_between(line.labels, low, high, color=colour, alpha=0.18, linewidth=0)
        width = 2.0 if name in banded else 0.9
        ax.plot(line.labels, line.f1, dash, color=colour, linewidth=width, label=name, marker="o", markersize=2.5)
    ax.set_ylim(0, 1.02)
    ax.set_xlabel("labelled cells", fontsize=7)
    ax.set_ylabel("F1", fontsize=7)
    ax.tick_params(labelsize=7)
    ax.grid(alpha=0.25, linewidth=0.5)
