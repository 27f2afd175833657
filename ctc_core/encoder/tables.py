"""Results of the evaluations as lines for the eye."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Rows = Mapping[str, Mapping[str, Any]]

_OVER = "{} seeds: mean (95 % interval)."


def table(head: str, rows: Rows) -> list[str]:
    """A line for the columns, one for each row of {row: {column: interval, number or text}}."""
    columns = list(dict.fromkeys(column for row in rows.values() for column in row))
    cells = [[head, *columns]] + [[name, *(_cell(row.get(column)) for column in columns)] for name, row in rows.items()]
    widths = [max(len(row[i]) for row in cells) for i in range(len(columns) + 1)]
    return ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in cells]


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, Mapping):
        return f"{value['mean']:.3f} ({value['low']:.3f} to {value['high']:.3f})"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def simulated(result: Mapping[str, Any]) -> list[str]:
    """Of `evaluate.evaluate`."""
    cells, patients, share = result["cells"], result["patients"], result["ctc_share"]
    head = [
        f"{result['encoder_id']}: {result['data']}. {_OVER.format(result['seeds'])}",
        f"{cells['labelled']} cells of {patients['labelled']} patients give labels, {share['labelled']:.0%} CTCs;",
        f"{cells['tested']} cells of {patients['tested']} others tested, {share['tested']:.0%} CTCs. F1 depends on it.",
    ]
    differences = {f"ours - {rival}": row for rival, row in result["difference"].items()}
    return [
        *head,
        *_section("F1 by number of labels", result["f1"]),
        *_section("difference, seed by seed", differences),
        *_section("F1, a quarter CTCs", result["f1_rarer"]),
        *_section("judged right by kind, all labels", _kinds(result["right_by_kind"], _share)),
        *_section("F1 by kind, all labels", _kinds(result["right_by_kind"], lambda row: row.get("f1"), mixed=True)),
    ]


def _section(head: str, rows: Rows) -> list[str]:
    return ["", *table(head, rows)]


def _share(row: Mapping[str, Any]) -> Any:
    return {"mean": row["share"], **row} if "low" in row else row["share"]


def _kinds(by_method: Rows, cell: Any, *, mixed: bool = False) -> dict[str, dict[str, Any]]:
    """{kind: {cells, method: cell of the table}}; `mixed`: only kinds that hold both classes."""
    kinds: Mapping[str, Any] = next(iter(by_method.values()))
    return {
        kind: {"cells": row["n"], **{method: cell(rows[kind]) for method, rows in by_method.items()}}
        for kind, row in kinds.items()
        if not mixed or "f1" in row
    }


FLOW_HEADS = {
    "f1": "F1 of mitotic cells by number of labels",
    "average_precision": "average precision",
    "f1_mixed": "F1 within experiments that hold both classes",
    "average_precision_mixed": "average precision within those",
}


def flow(result: Mapping[str, Any]) -> list[str]:
    """Of `evaluate_flow.evaluate_flow`."""
    cells, mitotic = result["cells"], result["mitotic"]
    name = " and ".join(filter(None, (result["encoder_id"], result["adapted_id"])))
    lines = [
        f"{name}: {result['data']}. {_OVER.format(result['seeds'])}",
        f"{cells['labelled']} cells ({mitotic['labelled']} mitotic) give labels,",
        f"{cells['tested']} others ({mitotic['tested']} mitotic) tested, each by one seed.",
    ]
    for metric, head in FLOW_HEADS.items():
        scores = result[metric]
        lines += _section(head, scores["score"])
        for ours, rivals in scores["difference"].items():
            lines += table(f"  {ours} -", {f"  {rival}": row for rival, row in rivals.items()})
    return lines


def sizes(result: Mapping[str, Any]) -> list[str]:
    """Of `compare_sizes.compare_sizes`."""
    rows = {
        f"{px} px": {
            "cells/s": result["cells_per_second"][px],
            "times the largest": result["times_the_largest"][px],
            "CPU s of learning": result["seconds_of_training"][px],
            "F1": scores["all"],
            "smallest size - this": result["difference"].get(px, {}).get("all"),
        }
        for px, scores in result["f1"].items()
    }
    return [
        f"{result['encoder_id']}: {result['data']}. {_OVER.format(result['seeds'])}",
        f"Learned from {result['crops']} labelled crops at each size. Threads: {result['threads']}.",
        *_section("input", rows),
    ]
