"""How fast everything is, beside a plain baseline in the same run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from ctc_core.console import Session, progress, show

bench_app = typer.Typer()


QUICK = "Small sizes, one run: whether everything still runs, and gives the same."


@bench_app.command()
def bench(
    archive: Annotated[Path | None, typer.Option(help="Archive whose frames are used; else simulated ones.")] = None,
    frames: Annotated[int, typer.Option(min=1, help="Frames of each run.")] = 8,
    repeats: Annotated[int, typer.Option(min=1, help="Runs of each way, in turn.")] = 5,
    quick: Annotated[bool, typer.Option("--quick", help=QUICK)] = False,
    loop: Annotated[bool, typer.Option("--loop", help="Classifier, map, clusters, import instead.")] = False,
    learning: Annotated[bool, typer.Option("--learning", help="Training of the encoder instead.")] = False,
    store: Annotated[
        bool, typer.Option("--store", help="The pages' questions to the store of --data instead.")
    ] = False,
    make: Annotated[int, typer.Option(min=0, help="Make that store first, with so many cells (paper: 1,300,000).")] = 0,
    simulation: Annotated[bool, typer.Option("--simulation", help="Simulations of relabelling instead.")] = False,
    cluster: Annotated[
        bool, typer.Option("--cluster", help="Hours of a cohort on several machines, from what this one needs.")
    ] = False,
    disk: Annotated[float, typer.Option(min=1, help="MB/s of the disk that --cluster shares.")] = 100.0,
    cells: Annotated[int, typer.Option(min=100, help="Cells that --loop scores and places.")] = 50_000,
    out: Annotated[Path | None, typer.Option(help="JSON file to write.")] = None,
) -> None:
    """How fast the path from archive to scored candidates is, and whether cells are the same; parts with an option."""
    from ctc_core.bench import markdown

    repeats, report = 1 if quick else repeats, progress("bench")
    if store:
        result = _store(make, repeats)
    elif loop:
        from ctc_core.bench.loop import measure

        result = measure(cells=1000 if quick else cells, repeats=repeats, progress=report)
    elif simulation:
        from ctc_core.bench.simulation import measure as simulate

        result = simulate(seeds=2 if quick else 20, repeats=repeats, progress=report)
    elif cluster:
        from ctc_core.bench.cluster import measure as plan

        n = 2 if quick else frames
        result = plan(Session.settings, archive, frames=n, repeats=repeats, disk_mb_s=disk, progress=report)
    elif learning:
        from ctc_core.bench.learning import measure as learn

        result = learn(batch=2 if quick else 8, repeats=repeats, threads=Session.settings.threads)
    else:
        from ctc_core.bench.cartridge import compare

        full: dict[str, Any] = {"frames": frames, "grow": (2, 4)}
        sizes = {"frames": 1, "grow": (), "labelled": 400} if quick else full
        result = compare(Session.settings, archive, **sizes, repeats=repeats, progress=report)
    lines = markdown.timings if "rows" in result else markdown.cluster if "plan" in result else markdown.cartridge
    _report(result, lines(result), out)


def _store(make: int, repeats: int) -> dict[str, Any]:
    from ctc_core.bench import desk

    if make:
        desk.make_store(Session.settings.data_dir, make, progress("bench"))
    return desk.measure(Session.settings.data_dir, repeats, progress("bench"))


def _report(result: dict[str, Any], lines: list[str], out: Path | None) -> None:
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(result, indent=1, allow_nan=False) + "\n")
    if Session.as_json:
        show(result)
        return
    for line in lines:
        typer.echo(line)
