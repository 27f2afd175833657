"""Command line. Results go to stdout, one JSON value last with `--json`; progress and messages go to stderr.

Exit code 0; 2 for a mistake the user can mend (a sentence, no traceback); 1 for our own fault.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from ctc_core.cli_accounts import accounts_app
from ctc_core.cli_backup import backup_app
from ctc_core.cli_bench import bench_app
from ctc_core.cli_classifier import classifier_app
from ctc_core.cli_count import count_app
from ctc_core.cli_experiment import experiment_app
from ctc_core.cli_export import export_app
from ctc_core.cli_ingest import ingest_app
from ctc_core.cli_labels import labels_app
from ctc_core.cli_models import encoder_app, segmenter_app
from ctc_core.cli_registry import models
from ctc_core.cli_release import release_app
from ctc_core.cli_reliability import reliability_app
from ctc_core.cli_rounds import rounds_app
from ctc_core.cli_simulate import simulate_app
from ctc_core.console import Session, fail, global_first, progress, show
from ctc_core.errors import CTCError, UserError
from ctc_core.settings import Settings

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.add_typer(segmenter_app, name="segmenter")
app.add_typer(encoder_app, name="encoder")
app.add_typer(experiment_app, name="experiment")
app.add_typer(labels_app, name="labels")
app.add_typer(accounts_app, name="role")
app.add_typer(simulate_app)
app.add_typer(ingest_app)
app.add_typer(reliability_app)
app.add_typer(rounds_app)
app.add_typer(classifier_app)
app.add_typer(export_app)
app.add_typer(count_app)
app.add_typer(release_app)
app.add_typer(backup_app)
app.add_typer(bench_app)
app.command()(models)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command; global options may stand anywhere in the line."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        app(args=global_first(given), standalone_mode=True)
    except UserError as error:
        fail(str(error), 2)
    except CTCError as error:
        fail(str(error), 1)


@app.callback()
def _global(
    data: Annotated[Path | None, typer.Option(help="Data folder (default: CTC_DATA_DIR or ./data).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON value last on stdout.")] = False,
) -> None:
    """CTC review desk: from a CellSearch cartridge to reviewed candidates."""
    Session.settings = Settings(data_dir=data.resolve()) if data else Settings()
    Session.as_json = as_json


# ---- demo, simulate, inspect -----------------------------------------------------------------------------------------


@app.command()
def demo(seed: Annotated[int, typer.Option(help="Seed of the simulated patients.")] = 7) -> None:
    """Build the demo cohort: simulate, ingest, label, fit, score, map, relabel."""
    from ctc_core.demo import Demo, build

    store = Session.settings.data_dir / "store.duckdb"
    if store.exists():
        message = f"{store}: there is a store already. Give another folder with --data, or remove this one."
        raise UserError(message)
    started = time.monotonic()
    result = build(Demo(Session.settings, seed), progress("demo"))
    show({**result, "seconds": round(time.monotonic() - started, 1)})


@app.command()
def simulate(
    out: Annotated[Path, typer.Argument(help="Archives go to OUT/<id>/, truth to OUT/truth/<id>.parquet.")],
    cartridges: Annotated[int, typer.Option(min=1)] = 1,
    frames: Annotated[int, typer.Option(min=1, max=210)] = 175,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    variant: Annotated[str | None, typer.Option(help="Layout variant of the archive.")] = None,
    group: Annotated[str, typer.Option(help="metastatic, low (0-10 CTCs) or healthy (none).")] = "metastatic",
) -> None:
    """Write simulated cartridges with known truth."""
    from ctc_core.simulate import Group
    from ctc_core.simulate import simulate as run

    paths = run(
        out,
        cartridges=cartridges,
        frames=frames,
        seed=seed,
        variant=variant,
        group=cast(Group, group),
        progress=progress("simulate"),
    )
    show({"cartridges": [str(path) for path in paths], "truth": str(out / "truth")})


@app.command()
def inspect(path: Annotated[Path, typer.Argument(help="An archive's folder.")]) -> None:
    """Print the structure of an archive: no pixels, no patient fields."""
    from ctc_core.cartridge.guarded import guarded_description

    show(guarded_description(path))


# ---- the networks alone ----------------------------------------------------------------------------------------------


@app.command()
def segment(
    path: Annotated[Path, typer.Argument(help="An archive's folder.")],
    out: Annotated[Path, typer.Option(help="Parquet file to write.")],
) -> None:
    """Find the cells of an archive without a store."""
    from ctc_core.networks import Networks
    from ctc_core.pipeline import segment_archive

    cells = segment_archive(path, Networks(Session.settings).segmenter, progress(path.name))
    columns = ["frame", "y", "x", "diameter_um", "area_um2", "polygon", "probability"]
    cells[columns].to_parquet(out)
    show({"cells": len(cells), "out": str(out)})


@app.command()
def embed(
    crops: Annotated[Path, typer.Argument(help="(n, 3, 48, 48) uint8 .npy file, DAPI/CK/CD45.")],
    out: Annotated[Path, typer.Option(help="(n, 128) float32 .npy file to write.")],
    encoder: Annotated[str | None, typer.Option(help="Name or path of another encoder.")] = None,
) -> None:
    """Embed crops."""
    import numpy as np

    from ctc_core.encoder.crops import load_crops
    from ctc_core.networks import Networks

    settings = Session.settings.model_copy(update={"encoder": encoder or Session.settings.encoder})
    embedder = Networks(settings).embedder
    vectors = embedder.embed(load_crops(crops))
    np.save(out, vectors, allow_pickle=False)
    show({"vectors": len(vectors), "encoder_id": embedder.id, "out": str(out)})


# ---- care ------------------------------------------------------------------------------------------------------------


def _store() -> Any:
    from ctc_core.store import Store

    return Store.open(Session.settings.data_dir)


@app.command()
def verify(
    kept: Annotated[
        list[str] | None, typer.Option("--hash", help="Hash kept elsewhere, as on a report: must be in the journal.")
    ] = None,
) -> None:
    """Check journal, store, bundles, crops, classifiers and scores against each other, and the journal with backups."""
    from ctc_core.backups import heads
    from ctc_core.verification import verify as run

    report = run(Session.settings.data_dir, [*(kept or []), *heads(Session.settings)])
    show({"ok": report.ok, **asdict(report)})
    if not report.ok:
        raise typer.Exit(1)


@app.command()
def doctor() -> None:
    """What this installation is: versions, settings, models, store, disk."""
    from ctc_core.doctor import examine

    report = examine(Session.settings)
    show(report)
    if report["problems"]:
        raise typer.Exit(2)


@app.command()
def worker(parent: Annotated[int | None, typer.Option(hidden=True)] = None) -> None:
    """Compute the queued jobs of this data folder until stopped. The desk starts one by itself."""
    from ctc_core.worker import log_to, main

    log_to(Session.settings.data_dir / "logs")
    if not main(Session.settings, parent=parent):
        typer.echo(f"Another worker serves {Session.settings.data_dir}.", err=True)
