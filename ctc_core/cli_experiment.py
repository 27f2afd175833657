"""`experiment sim1 | sim2 | real`: the published relabelling experiments on a features folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ctc_core.cli_map import experiment_app
from ctc_core.console import progress, show

if TYPE_CHECKING:
    from ctc_core.features import FeaturesFolder

__all__ = ["experiment_app"]

Folder = Annotated[Path, typer.Option("--features", help="Features folder in the published layout.")]
Name = Annotated[str, typer.Option("--strategy", help="cluster-specific (the paper's), random, or another strategy.")]
Seeds = Annotated[str, typer.Option("--seeds", help="'published': its five seeds; N: 0 to N - 1.")]
Out = Annotated[Path, typer.Option("--out", help="JSON file to write.")]
Loops = Annotated[int, typer.Option("--loops", min=1, help="Relabelling loops after the start.")]


@experiment_app.command("sim1")
def sim1(
    features: Folder,
    strategy: Name,
    out: Out,
    seeds: Seeds = "published",
    start: Annotated[int, typer.Option(min=2, help="Labelled cells at the start.")] = 100,
    step: Annotated[int, typer.Option(min=1, help="Cells labelled in each loop.")] = 100,
    loops: Loops = 4,
) -> None:
    """Limited global data: few labelled cells at random, more in each loop."""
    from ctc_core.relabel.experiments.simulated import Sim1
    from ctc_core.relabel.experiments.simulated import sim1 as run

    plan = Sim1(start, step, loops)
    _run(features, out, seeds, "sim1", lambda folder, seed: run(folder, strategy, seed, plan))


@experiment_app.command("sim2")
def sim2(
    features: Folder,
    strategy: Name,
    out: Out,
    main_cluster: Annotated[int, typer.Option(help="The cluster that lacks labels.")],
    seeds: Seeds = "published",
    cap_like_published: Annotated[
        bool, typer.Option("--cap-like-published", help="Cut the main cluster's pool to the size of the random one.")
    ] = False,
    loops: Loops = 4,
) -> None:
    """Limited local data: one cluster lacks labels."""
    from ctc_core.relabel.experiments.simulated import Sim2
    from ctc_core.relabel.experiments.simulated import sim2 as run

    plan = Sim2(main_cluster, cap_like_published, loops)
    _run(features, out, seeds, "sim2", lambda folder, seed: run(folder, strategy, seed, plan))


@experiment_app.command("real")
def real(
    features: Folder,
    strategy: Name,
    out: Out,
    seeds: Seeds = "published",
    step: Annotated[int, typer.Option(min=1, help="Cells the expert reads in a loop.")] = 300,
    loops: Loops = 4,
) -> None:
    """Real-world: an expert reads cells of the weakest cluster. The answers are the column `expert` of the folder."""
    from ctc_core.relabel.experiments.real import Real
    from ctc_core.relabel.experiments.real import real as run

    plan = Real(step, loops)
    _run(features, out, seeds, "real", lambda folder, seed: run(folder, strategy, seed, plan))


@experiment_app.command("strategies")
def strategies(
    features: Folder,
    out: Out,
    strategy: Annotated[list[str] | None, typer.Option(help="Again for each; default: all.")] = None,
    seeds: Seeds = "10",
    start: Annotated[int, typer.Option(min=2, help="Labelled cells at the start.")] = 100,
    step: Annotated[int, typer.Option(min=1, help="Cells labelled in each loop.")] = 100,
    loops: Loops = 4,
) -> None:
    """Strategies side by side from the same starts, as in sim1: paired differences with 95 % intervals."""
    import time

    from ctc_core.features import read_features
    from ctc_core.relabel.experiments.compare import BASELINES, compare
    from ctc_core.relabel.experiments.draws import run_seeds
    from ctc_core.relabel.experiments.simulated import Sim1
    from ctc_core.relabel.experiments.simulated import sim1 as run
    from ctc_core.relabel.registry import STRATEGIES

    others = sorted(set(STRATEGIES) - {"inverse-f1"})  # cluster-specific is the same
    names = list(dict.fromkeys([*BASELINES, *(strategy or others)]))
    numbers, folder, plan, report = (
        run_seeds(seeds),
        read_features(features),
        Sim1(start, step, loops),
        progress("runs"),
    )
    records, seconds = dict[str, list[dict[str, Any]]](), dict[str, float]()
    for done, name in enumerate(names, 1):
        began = time.monotonic()
        records[name] = [record for seed in numbers for record in run(folder, name, seed, plan)]
        seconds[name] = round((time.monotonic() - began) / len(numbers), 2)
        report(done, len(names), name)
    result = {"seeds": numbers, "start": start, "step": step, "loops": loops, **compare(records)}
    result["seconds_per_run"] = seconds
    _write(out, {**result, "records": [record for rows in records.values() for record in rows]})
    show({**result, "out": str(out)})


def _run(
    path: Path, out: Path, seeds: str, label: str, run: Callable[[FeaturesFolder, int], list[dict[str, Any]]]
) -> None:
    from ctc_core.features import read_features
    from ctc_core.relabel.experiments.draws import run_seeds

    numbers = run_seeds(seeds)
    folder, report, records = read_features(path), progress(label), list[dict[str, Any]]()
    for done, seed in enumerate(numbers, 1):
        records += run(folder, seed)
        report(done, len(numbers), f"run with seed {seed}")
    _write(out, {"records": records})
    show({"out": str(out), "runs": len(numbers), "total": _by_loop(records)})


def _write(out: Path, value: dict[str, Any]) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(value, allow_nan=False) + "\n")


def _by_loop(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """F1 of all test cells in each loop, mean over runs."""
    whole = [record for record in records if record["cluster"] is None]
    rows = []
    for loop in sorted({record["loop"] for record in whole}):
        f1 = [record["f1"] for record in whole if record["loop"] == loop]
        rows.append({"loop": loop, "f1": round(sum(f1) / len(f1), 4), "runs": len(f1)})
    return rows
