"""Results as Markdown tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ctc_core.bench.made import FRAMES

NAMES = {
    "plain": "plain baseline", "ours": "desk", "ours-224": "desk, encoder at 224 px",
    "plain-map": "plain baseline", "map": "desk",
}  # fmt: skip


def cartridge(result: Mapping[str, Any]) -> list[str]:
    """Of `cartridge.compare`."""
    parts = (
        _about(result),
        _ways(result["ways"]),
        ["Seconds in each stage, summed over lanes (share):", "", *_stages(result["ways"])],
        [_placing(result), "", *_stages(result["placing"])],
        _growth(result["growth"]),
        _limit(result),
    )
    return [line for part in parts for line in (*part, "")] + _same(result["same_cells"], result["same_vectors"])


def _about(result: Mapping[str, Any]) -> list[str]:
    about = result["machine"]
    return [
        f"{about['cpu']}, {about['cores']} cores, load {about['load']}; {about['runtime']} in {about['precision']}.",
        f"Most GFLOP/s seen: {about['gflops_product']} (matrix product), {about['gflops_convolution']} (convolution).",
        f"{result['data']}: {result['frames']} frames, {result['cells']} cells; medians of {result['repeats']} turns.",
        "From the archive to scored candidates in the store, as the page of candidates asks for them.",
    ]


def _ways(ways: Mapping[str, Any]) -> list[str]:
    head = ("", "s", "CPU s", "cells/s", "s for 175 frames", "peak MB", "times faster", "times less CPU")
    rows = []
    for name, way in ways.items():
        numbers = (f"{way['seconds']:.2f}", f"{way['cpu']:.2f}", f"{way['cells_per_second']:.0f}")
        more = (f"{way['full_cartridge_seconds']:.0f}", f"{way['peak_mb']:.0f}")
        rows.append((NAMES[name], *numbers, *more, _spread(way["times_faster"]), _spread(way["times_less_cpu"])))
    return table(head, rows)


def _stages(ways: Mapping[str, Any]) -> list[str]:
    longest_first = sorted(ways.values(), key=lambda way: -len(way["stages"]))
    stages = list(dict.fromkeys(stage for way in longest_first for stage in way["stages"]))
    head = [title for name in ways for title in (f"{NAMES[name]}: s", "cells/s", "MB")]
    rows = [(stage, *(cell for way in ways.values() for cell in _stage(way, stage))) for stage in stages]
    return table(("stage", *head), rows)


def _placing(result: Mapping[str, Any]) -> str:
    way = result["placing"]["map"]
    return (
        f"Map of {result['labelled']:,} made-up labelled cells, {way['cells']:.0f} others placed on it, in processes "
        f"of their own; times faster {_spread(way['times_faster'])}:"
    )


def _limit(result: Mapping[str, Any]) -> list[str]:
    """What the networks' arithmetic alone takes at the most that was seen of this machine."""
    peak = max(result["machine"]["gflops_product"], result["machine"]["gflops_convolution"])
    head = ("", "GFLOP a frame", "GFLOP a cell", "TFLOP a cartridge", f"s at {peak:.0f} GFLOP/s", "s it took")
    cells, rows = result["cells"] / result["frames"], []
    for name, way in result["ways"].items():
        frame, cell = way["gflop"]["frame"], way["gflop"]["cell"]
        total = FRAMES * (frame + cells * cell)
        numbers = (f"{frame:.1f}", f"{cell:.2f}", f"{total / 1000:.1f}", f"{total / peak:.0f}")
        rows.append((NAMES[name], *numbers, f"{way['full_cartridge_seconds']:.0f}"))
    return ["The limit: arithmetic of the networks for a cartridge of 175 such frames.", "", *table(head, rows)]


def _growth(growth: Sequence[Mapping[str, Any]]) -> list[str]:
    rows = []
    for row in growth:
        pace = f"{1000 * row['seconds_per_frame']:.0f}"
        rows.append((row["frames"], row["cells"], f"{row['seconds']:.2f}", pace, f"{row['peak_mb']:.0f}"))
    return table(("frames", "cells", "s", "ms a frame", "peak MB"), rows)


def _same(cells: Mapping[str, float], vectors: Mapping[str, float]) -> list[str]:
    return [
        f"Beside Keras in 32 bits ({cells['cells']} cells): F1 of the same cells {cells['f1']:.4f},",
        f"{cells['within_1_px']:.1%} of boxes within 1 px, 99 % within {cells['p99_px']:.4f} px.",
        f"Beside torch in 32 bits ({vectors['crops']} simulated crops): centred cosine {vectors['cosine_mean']:.6f},",
        f"least {vectors['cosine_min']:.6f}; F1 {vectors['f1']:.4f}, exactly {vectors['f1_exact']:.4f}; P(CTC) differs",
        f"by {vectors['p_mean']:.1e}, at most {vectors['p_max']:.1e}; {vectors['calls_changed']} calls changed.",
    ]


def timings(result: Mapping[str, Any]) -> list[str]:
    """Of `loop.measure`, `desk.measure` and `learning.measure`: rows of name, size, seconds, baseline, ratio."""
    head = ("what", "size", "ms", "plain ms", "times faster", "")
    return [*table(head, [_timing(row) for row in result["rows"]]), "", result["about"]]


def _timing(row: Mapping[str, Any]) -> tuple[Any, ...]:
    plain = f"{1000 * row['baseline']:.1f}" if "baseline" in row else "-"
    ratio = _spread(row["ratio"]) if "ratio" in row else "-"
    return row["name"], row["size"], f"{1000 * row['seconds']:.1f}", plain, ratio, row.get("note", "")


def cluster(result: Mapping[str, Any]) -> list[str]:
    """Of `cluster.measure`."""
    costs, disk = result["costs"], result["disk_mb_s"]
    rows = [
        (row["cartridges"], row["workers"], f"{row['hours']:.1f}", f"{row['hours_side_by_side']:.1f}")
        for row in result["plan"]
    ]
    return [
        f"{result['data']}, {result['measured_frames']} frames, medians of {result['repeats']} turns (least-most):",
        f"a frame takes {_spread(result['frame_seconds'], 3)} s of this machine.",
        f"A cartridge of {costs['frames']} frames and {result['cells']:,} cells: one machine computes",
        f"{costs['frames'] * costs['frame_seconds']:.0f} s, the owner is busy for {_spread(result['owner_seconds'])}.",
        f"Shared disk: {costs['gigabytes']:.2f} GB a cartridge at {disk:g} MB/s.",
        "",
        *table(("cartridges", "workers", "hours, one command", "hours, commands side by side"), rows),
    ]


def table(head: Sequence[Any], rows: Sequence[Sequence[Any]]) -> list[str]:
    """Lines of one table, columns aligned."""
    cells = [[str(value) for value in row] for row in (head, *rows)]
    widths = [max(len(row[k]) for row in cells) for k in range(len(head))]
    lines = [
        "| " + " | ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) + " |" for row in cells
    ]
    return [lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]]


def _spread(value: Mapping[str, float], digits: int = 1) -> str:
    return f"{value['median']:.{digits}f} ({value['min']:.{digits}f}-{value['max']:.{digits}f})"


def _stage(way: Mapping[str, Any], name: str) -> tuple[str, str, str]:
    """Seconds with share, cells a second, memory at its end."""
    if name not in way["stages"]:
        return "-", "-", "-"
    seconds, total = way["stages"][name], sum(way["stages"].values())
    pace = f"{way['cells'] / seconds:,.0f}" if seconds else "-"
    return f"{seconds:.2f} ({seconds / total:.0%})", pace, f"{way['stage_peak_mb'][name]:.0f}"
