"""Results of experiments as files: JSON for machines, and the tables that people read.

`python -m ctc_core experiment ...` writes one file for each command and keeps a copy in the data folder for the page.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ctc_core.errors import UserError
from ctc_core.features import read_features
from ctc_core.relabel.evidence import BACKGROUND
from ctc_core.relabel.experiments.cells import rarest_kind, test_group
from ctc_core.relabel.experiments.compare import compare, weakest_cluster
from ctc_core.relabel.experiments.work import Done

SCHEMA = 1
ABOUT = "about.json"
"""Of a features folder that a command has made: what its cells are."""
ALL = "All cells"
FIRST = ("ours", "cluster-specific", "random")
"""Strategies that figures show first, where they were run."""
Result = dict[str, Any]
"""schema, experiment (sim1, sim2, real, strategies), data (what the cells are), seeds, plan, strategies, n_ctc (of the
test cells by cluster), command, records, and for `strategies` comparison (`compare`)."""
NEEDED = {"schema", "experiment", "data", "seeds", "plan", "strategies", "n_ctc", "command", "records"}

CURVE_COLUMNS = ("strategy", "cluster", "name", "loop", "labels", "f1", "sd", "runs", "n_test", "n_ctc")


def describe(
    experiment: str, folder: Path, done: Sequence[Done], *, label: str | None, command: str, compared: bool
) -> Result:
    """The result of finished runs, as files have it. label: what the cells are; None: what the folder says."""
    features = read_features(folder)
    test = test_group(features)
    records = [record for one in done for record in one.records]
    n_ctc = {int(c): int(test.labels[test.clusters == c].sum()) for c in sorted(set(test.clusters.tolist()))}
    result = {
        "schema": SCHEMA,
        "experiment": experiment,
        "data": label or _data(folder),
        "seeds": list(dict.fromkeys(one.job.seed for one in done)),
        "plan": asdict(done[0].job.plan),
        "strategies": list(dict.fromkeys(one.job.strategy for one in done)),
        "n_ctc": {str(cluster): n for cluster, n in n_ctc.items()},
        "rarest_kind": rarest_kind(features),
        "command": command,
        "records": records,
    }
    return result | ({"comparison": compare(done, weakest_cluster(records, n_ctc))} if compared else {})


def _data(folder: Path) -> str:
    path = folder / ABOUT
    return str(json.loads(path.read_text())["data"]) if path.is_file() else folder.name


# ---- files ----------------------------------------------------------------------------------------------------------


def store_result(folder: Path, result: Result) -> Path:
    """Keep a result for the page; one of the same experiment, data and main cluster takes its place."""
    folder.mkdir(parents=True, exist_ok=True)
    main = result["plan"].get("main_cluster")
    words = [result["experiment"], result["data"], *([] if main is None else [f"cluster {main}"])]
    path = folder / f"{re.sub(r'[^a-z0-9]+', '-', ' '.join(words).lower()).strip('-')[:80]}.json"
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(result, allow_nan=False) + "\n")
    partial.replace(path)
    return path


def stored_results(folder: Path) -> list[Path]:
    """Files of `store_result`, by name. Other files there are not results."""
    return [path for path in sorted(folder.glob("*.json")) if _is_result(path)]


def _is_result(path: Path) -> bool:
    with path.open("rb") as file:
        return b'"schema"' in file.read(200)


def read_result(path: Path) -> Result:
    """A stored result.

    Raises:
        UserError: not a result, or one of another version.
    """
    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        message = f"{path.name}: not readable ({error}). Run its experiment again."
        raise UserError(message) from error
    if not isinstance(value, dict) or value.get("schema") != SCHEMA or not value.keys() >= NEEDED:
        message = f"{path.name}: not a result of this version. Run its experiment again."
        raise UserError(message)
    return value


# ---- tables ---------------------------------------------------------------------------------------------------------


def cluster_title(cluster: int | None) -> str:
    """As tables and figures call it."""
    if cluster is None:
        return ALL
    return "Background" if cluster == BACKGROUND else f"Cluster {cluster}"


def curves_table(result: Result) -> pd.DataFrame:
    """`CURVE_COLUMNS`: mean F1 and its standard deviation over runs by strategy, cluster (NaN: all) and loop."""
    records = pd.DataFrame(result["records"])
    groups = records.groupby(["strategy", "cluster", "loop"], dropna=False, sort=False)
    table = groups.agg(
        labels=("n_train", "mean"), f1=("f1", "mean"), sd=("f1", "std"), runs=("f1", "size"), n_test=("n_test", "first")
    ).reset_index()
    n_ctc = {int(cluster): n for cluster, n in result["n_ctc"].items()}
    cluster = [None if np.isnan(c) else int(c) for c in table.cluster.astype(float)]
    table["name"] = [cluster_title(c) for c in cluster]
    table["n_ctc"] = [sum(n_ctc.values()) if c is None else n_ctc.get(c, 0) for c in cluster]
    return table.assign(sd=table.sd.fillna(0.0))[list(CURVE_COLUMNS)]


def before_after(result: Result) -> pd.DataFrame:
    """The paper's Table 1: F1 (mean ± standard deviation over runs) at the start and after the last loop.

    One row for each cluster and time, all cells first; one column for each strategy.
    """
    curves = curves_table(result)
    last = int(curves.loop.max())
    rows = curves[curves.loop.isin([0, last])].assign(
        words=lambda t: t.f1.map("{:.3f}".format) + " ± " + t.sd.map("{:.3f}".format),
        when=lambda t: np.where(t.loop == 0, "Init", f"loop {last}"),
    )
    rows["row"] = rows.name.replace(ALL, "Total") + " – " + rows.when
    order = list(dict.fromkeys(rows.sort_values(["cluster", "loop"], na_position="first").row))
    wide = rows.pivot_table(index="row", columns="strategy", values="words", aggfunc="first")
    return wide.loc[order, list(result["strategies"])].rename_axis(None, axis=1).rename_axis("F1").reset_index()


COMPARED = (
    ("f1", "Total F1"),
    ("weakest_f1", "F1, weakest cluster"),
    ("rarest_recall", "Recall, rarest kind"),
    ("area", "Area, total"),
    ("weakest_area", "Area, weakest"),
)


def comparison_table(result: Result) -> pd.DataFrame:
    """One row for each strategy, by area in the weakest cluster: figures, paired differences, labels, time."""
    rows = sorted(result["comparison"]["strategies"], key=lambda row: -row["weakest_area"])
    return pd.DataFrame([_compared(row) for row in rows])


def _compared(row: Mapping[str, Any]) -> dict[str, str]:
    found = {"Strategy": row["strategy"]}
    found |= {title: f"{row[key]:.3f}" for key, title in COMPARED if key in row}
    against = row.get("against_random")
    found["Total F1 against random"] = difference_words(against["f1"]) if against else "–"
    paper = row.get("against_cluster-specific")
    found["Weakest F1 against the paper's"] = difference_words(paper["weakest_f1"]) if paper else "–"
    found["Labels to reach the paper's"] = _labels_words(row)
    seconds = row["seconds_per_query"]
    found["Seconds a query"] = "–" if seconds is None else f"{seconds:.2f}"
    return found


def difference_words(found: Mapping[str, float | None]) -> str:
    """A paired difference with its 95 % interval."""
    mean, low, high = (found[key] for key in ("difference", "low", "high"))
    return f"{mean:+.3f}" if low is None else f"{mean:+.3f} ({low:+.3f} to {high:+.3f})"


def _labels_words(row: Mapping[str, Any]) -> str:
    if row.get("labels_to_match") is None:
        return "never"
    low, high = row["within"]
    until = "never" if high is None else f"{high:.0%}"
    return f"{row['labels_to_match']} ({row['share_to_match']:.0%}; {low:.0%} to {until})"


def markdown(result: Result) -> str:
    """The whole result for a person: what was run, the paper's table, and the comparison."""
    seeds = ", ".join(str(seed) for seed in result["seeds"])
    plan = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in result["plan"].items())
    parts = [
        f"# {result['experiment']}: {result['data']}",
        f"`{result['command']}`",
        f"{len(result['seeds'])} runs (seeds {seeds}); {plan}. F1 on test cells, mean ± standard deviation over runs.",
        markdown_table(before_after(result)),
    ]
    if "comparison" in result:
        parts += [comparison_words(result), markdown_table(comparison_table(result))]
    return "\n\n".join(parts) + "\n"


def comparison_words(result: Result) -> str:
    """What the columns of `comparison_table` mean."""
    weakest = result["comparison"]["weakest_cluster"]
    kind = result.get("rarest_kind")
    rarest = f" Rarest kind: CTCs called '{kind}'." if kind else ""
    return (
        f"After the last loop, mean over {len(result['seeds'])} seeds. Weakest: {cluster_title(weakest).lower()}, "
        f"of the lowest F1 at the start.{rarest} Area: mean F1 over all labels. Differences: seed by seed, with 95 % "
        "intervals. Labels: asked for until the mean curve reaches what cluster-specific has at the end, in the "
        "weakest cluster (share of those that it asked for; 95 % of bootstrapped sets of seeds)."
    )


def markdown_table(table: pd.DataFrame) -> str:
    """A table of words."""
    rows: list[Sequence[object]] = [list(table.columns), ["---"] * len(table.columns), *table.to_numpy().tolist()]
    return "\n".join("| " + " | ".join(str(cell) for cell in row) + " |" for row in rows)
