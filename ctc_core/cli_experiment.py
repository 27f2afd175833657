"""`experiment sim1 | sim2 | real | strategies | folder`: the published relabelling experiments on a features folder."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ctc_core.cli_map import experiment_app
from ctc_core.console import Session, progress, show
from ctc_core.types import Progress

if TYPE_CHECKING:
    from ctc_core.relabel.experiments.work import Done, Plan

__all__ = ["experiment_app"]

Folder = Annotated[Path, typer.Option("--features", help="Features folder in the published layout.")]
Names = Annotated[
    list[str],
    typer.Option("--strategy", help="cluster-specific (the paper's), random, or another strategy; again for more."),
]
Seeds = Annotated[str, typer.Option("--seeds", help="'published': its five seeds; N: 0 to N - 1.")]
Out = Annotated[Path, typer.Option("--out", help="JSON file to write; tables and figure go beside it.")]
Loops = Annotated[int, typer.Option("--loops", min=1, help="Relabelling loops after the start.")]
Start = Annotated[int, typer.Option("--start", min=2, help="Labelled cells at the start.")]
Step = Annotated[int, typer.Option("--step", min=1, help="Cells labelled in each loop.")]
Label = Annotated[str | None, typer.Option("--label", help="What the cells are; default: what the folder says.")]
Workers = Annotated[int, typer.Option("--workers", min=0, help="Processes; 0: one for each core.")]

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""


@experiment_app.command("sim1")
def sim1(
    features: Folder,
    strategy: Names,
    out: Out,
    seeds: Seeds = "published",
    start: Start = 100,
    step: Step = 100,
    loops: Loops = 4,
    label: Label = None,
    workers: Workers = 0,
) -> None:
    """Limited global data: few labelled cells at random, more in each loop."""
    from ctc_core.relabel.experiments.simulated import Sim1

    _run("sim1", features, out, strategy, seeds, Sim1(start, step, loops), label, workers)


@experiment_app.command("sim2")
def sim2(
    features: Folder,
    strategy: Names,
    out: Out,
    main_cluster: Annotated[int, typer.Option(help="The cluster that lacks labels.")],
    seeds: Seeds = "published",
    cap_like_published: Annotated[
        bool, typer.Option("--cap-like-published", help="Cut the main cluster's pool to the size of the random one.")
    ] = False,
    loops: Loops = 4,
    label: Label = None,
    workers: Workers = 0,
) -> None:
    """Limited local data: one cluster lacks labels."""
    from ctc_core.relabel.experiments.simulated import Sim2

    plan = Sim2(main_cluster, cap_like_published, loops)
    _run("sim2", features, out, strategy, seeds, plan, label, workers)


@experiment_app.command("real")
def real(
    features: Folder,
    strategy: Names,
    out: Out,
    seeds: Seeds = "published",
    step: Annotated[int, typer.Option(min=1, help="Cells the expert reads in a loop.")] = 300,
    loops: Loops = 4,
    label: Label = None,
    workers: Workers = 0,
) -> None:
    """Real-world: an expert reads cells of the weakest cluster. The answers are the column `expert` of the folder."""
    from ctc_core.relabel.experiments.real import Real

    _run("real", features, out, strategy, seeds, Real(step, loops), label, workers)


@experiment_app.command("strategies")
def strategies(
    features: Folder,
    out: Out,
    strategy: Annotated[list[str] | None, typer.Option(help="Again for each; default: all.")] = None,
    seeds: Seeds = "10",
    start: Start = 100,
    step: Step = 100,
    loops: Loops = 4,
    label: Label = None,
    workers: Workers = 0,
) -> None:
    """Strategies side by side from the same starts, as in sim1: paired differences with 95 % intervals."""
    from ctc_core.relabel.experiments.compare import BASELINES
    from ctc_core.relabel.experiments.simulated import Sim1
    from ctc_core.relabel.registry import STRATEGIES

    others = [name for name in STRATEGIES if name != "inverse-f1"]  # cluster-specific is the same
    names = [*BASELINES, *(strategy or others)]
    _run("strategies", features, out, names, seeds, Sim1(start, step, loops), label, workers)


@experiment_app.command("folder")
def folder(
    out: Annotated[Path, typer.Argument(help="Features folder to write.")],
    flow: Annotated[Path | None, typer.Option(help="From flow cells, .npz: mitotic or not.")] = None,
    made_up: Annotated[bool, typer.Option("--made-up", help="From points instead of cells; needs no encoder.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of simulated patients or points.")] = 0,
    patients: Annotated[int, typer.Option(min=1, help="Simulated patients that train; as many others test.")] = 10,
    train: Annotated[int, typer.Option(min=50, help="Labelled training cells, simulated or made up.")] = 2638,
    test: Annotated[int, typer.Option(min=50, help="Labelled test cells.")] = 2773,
    unlabelled: Annotated[int, typer.Option(min=50, help="Unlabelled cells.")] = 1500,
    to_choose: Annotated[
        bool, typer.Option("--to-choose", help="Patients kept for choosing between methods, not for reporting.")
    ] = False,
    encoder: Annotated[str | None, typer.Option(help="Name or path of another encoder.")] = None,
) -> None:
    """Write a features folder to experiment on: simulated patients (default), flow cells, or points."""
    from ctc_core.features import write_features
    from ctc_core.relabel.experiments import folders
    from ctc_core.relabel.experiments.results import ABOUT

    about: dict[str, Any] = {"data": folders.MADE_UP, "seed": seed}
    if made_up:
        made = folders.made_folder(train, test, unlabelled, seed)
    else:
        from ctc_core.encoder import Embedder

        settings, report = Session.settings, progress("folder")
        embedder = Embedder.load(encoder or settings.encoder, threads=settings.threads, data_dir=settings.data_dir)
        plan = folders.SimulatedPlan(patients, train, test, unlabelled, seed, to_choose)
        if flow:
            made = folders.flow_folder(embedder.embed, flow, encoder_id=embedder.id, progress=report)
            about = {"data": folders.FLOW, "encoder_id": embedder.id}
        else:
            made = folders.simulated_folder(embedder.embed, plan, encoder_id=embedder.id, progress=report)
            about = {"data": folders.SIMULATED, "encoder_id": embedder.id, **asdict(plan)}
    write_features(out, made)
    (out / ABOUT).write_text(json.dumps(about) + "\n")
    sizes = {name: len(getattr(made, name)) for name in ("train", "test", "unlabelled")}
    show({**about, "cells": sizes, "clusters": sorted(set(made.test.table.cluster.tolist())), "out": str(out)})


@experiment_app.command("speed")
def speed(
    turns: Annotated[int, typer.Option(min=1, help="Times that both ways are taken, in turn.")] = 3,
    workers: Workers = 0,
) -> None:
    """How much faster sim1 is than plain probability=True fits one by one, figures being the same? Made-up points."""
    from ctc_core.relabel.experiments.speed import measure

    show(measure(workers=workers, turns=turns, progress=_bar("speed")))


# ---- all experiments ------------------------------------------------------------------------------------------------


def _run(
    experiment: str,
    features: Path,
    out: Path,
    names: list[str],
    seeds: str,
    plan: Plan,
    label: str | None,
    workers: int,
) -> None:
    from ctc_core.relabel.experiments.draws import run_seeds
    from ctc_core.relabel.experiments.figure import write_figure
    from ctc_core.relabel.experiments.results import describe, markdown, store_result
    from ctc_core.relabel.experiments.simulated import known_name
    from ctc_core.relabel.experiments.work import Job

    names = [known_name(name) for name in dict.fromkeys(names)]
    jobs = [Job(name, seed, plan) for name in names for seed in run_seeds(seeds)]
    kept = Session.settings.data_dir / "experiments"
    done = _finished(features, jobs, kept / "runs", workers, _bar(experiment))
    result = describe(experiment, features, done, label=label, command=_command(), compared=experiment == "strategies")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(result, allow_nan=False) + "\n")
    out.with_suffix(".md").write_text(markdown(result))
    files = [out, out.with_suffix(".md"), *write_figure(result, out), store_result(kept, result)]
    told = result["comparison"] if "comparison" in result else {"total": _by_loop(result["records"])}
    known = {"data": result["data"], "runs": len(done), "out": str(out), "files": [str(path) for path in files]}
    show({**known, **told} if Session.as_json else {**known, "result": markdown(result).splitlines()})


def _finished(features: Path, jobs: list[Any], kept: Path, workers: int, report: Progress) -> list[Done]:
    """All runs; Ctrl-C ends the command with a sentence on how to go on."""
    from ctc_core.relabel.experiments.work import run_jobs

    try:
        return run_jobs(features, jobs, kept=kept, workers=workers or len(os.sched_getaffinity(0)), progress=report)
    except KeyboardInterrupt:
        typer.echo(f"\nStopped. Finished runs are kept in {kept}; the same command goes on from there.", err=True)
        raise typer.Exit(INTERRUPTED) from None


def _bar(label: str) -> Progress:
    """A bar on one line where a person looks on, lines elsewhere."""
    lines = progress(label)
    if not sys.stderr.isatty():
        return lines

    def report(done: int, total: int, note: str) -> None:
        filled = round(30 * done / max(total, 1))
        sys.stderr.write(f"\r{label} [{'#' * filled}{'.' * (30 - filled)}] {done}/{total} {note[:40]:<40}")
        sys.stderr.write("\n" if done == total else "")
        sys.stderr.flush()

    return report


def _command() -> str:
    """As it was typed, without the places of files."""
    words = [Path(word).name if word.startswith(("/", "~")) else word for word in sys.argv[1:]]
    return " ".join(["python -m ctc_core", *words])


def _by_loop(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """F1 of all test cells by strategy and loop, mean over runs."""
    groups: dict[tuple[str, int], list[float]] = {}
    for record in records:
        if record["cluster"] is None:
            groups.setdefault((record["strategy"], record["loop"]), []).append(record["f1"])
    return [
        {"strategy": name, "loop": loop, "f1": round(sum(f1) / len(f1), 4), "runs": len(f1)}
        for (name, loop), f1 in groups.items()
    ]
