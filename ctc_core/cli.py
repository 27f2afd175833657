"""Command line. Results go to stdout, one JSON value last with `--json`; progress and messages go to stderr.

Exit code 0; 2 for a mistake the user can mend (a sentence, no traceback); 1 for our own fault.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from ctc_core.errors import CTCError, StoreBusy, UserError
from ctc_core.settings import Settings
from ctc_core.types import Role

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
segmenter_app = typer.Typer(no_args_is_help=True, help="Train and measure the segmentation network.")
encoder_app = typer.Typer(no_args_is_help=True, help="Train and measure the encoder.")
app.add_typer(segmenter_app, name="segmenter")
app.add_typer(encoder_app, name="encoder")

IMPORT_TIMEOUT = 600.0
"""Seconds that `ingest` waits for a running desk to import a finished bundle."""


class _Session:
    """What the global options set."""

    settings = Settings()
    as_json = False


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command; global options may stand anywhere in the line."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        app(args=_global_first(given), standalone_mode=True)
    except UserError as error:
        _fail(str(error), 2)
    except CTCError as error:
        _fail(str(error), 1)


def _global_first(given: list[str]) -> list[str]:
    """Move `--data DIR` and `--json` to the front, where typer expects what belongs to all commands."""
    front, rest = [], []
    words = iter(given)
    for word in words:
        if word == "--json" or word.startswith("--data="):
            front.append(word)
        elif word == "--data":
            front += [word, next(words, "")]
        else:
            rest.append(word)
    return front + rest


def _fail(message: str, code: int) -> None:
    typer.echo(message, err=True)
    raise SystemExit(code)


@app.callback()
def _global(
    data: Annotated[Path | None, typer.Option(help="Data folder (default: CTC_DATA_DIR or ./data).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON value last on stdout.")] = False,
) -> None:
    """CTC review desk: from a CellSearch cartridge to reviewed candidates."""
    _Session.settings = Settings(data_dir=data.resolve()) if data else Settings()
    _Session.as_json = as_json


def _print(value: Any) -> None:
    if _Session.as_json:
        typer.echo(json.dumps(value, default=str))
        return
    for line in _lines(value):
        typer.echo(line)


def _lines(value: Any, indent: str = "") -> list[str]:
    """A result for the eye: one line for each entry."""
    if isinstance(value, dict):
        return [line for key, item in value.items() for line in _entry(str(key), item, indent)]
    if isinstance(value, list):
        return [indent + (_row(item) if isinstance(item, dict) else str(item)) for item in value]
    return [indent + str(value)]


def _entry(key: str, item: Any, indent: str) -> list[str]:
    if isinstance(item, dict | list) and item:
        return [f"{indent}{key}:", *_lines(item, indent + "  ")]
    return [f"{indent}{key}: {item if item not in ({}, []) else 'none'}"]


def _row(item: dict[str, Any]) -> str:
    return "  ".join(f"{key}={value}" for key, value in item.items())


def _progress(label: str) -> Callable[[int, int, str], None]:
    def show(done: int, total: int, note: str) -> None:
        typer.echo(f"{label}: {f'{done}/{total} ' if total else ''}{note}", err=True)

    return show


# ---- demo, simulate, inspect -----------------------------------------------------------------------------------------


@app.command()
def demo(seed: Annotated[int, typer.Option(help="Seed of the simulated patients.")] = 7) -> None:
    """Build the demo cohort: simulate, ingest, label, fit, score."""
    from ctc_core.demo import Demo, build

    store = _Session.settings.data_dir / "store.duckdb"
    if store.exists():
        message = f"{store}: there is a store already. Give another folder with --data, or remove this one."
        raise UserError(message)
    started = time.monotonic()
    result = build(Demo(_Session.settings, seed), _progress("demo"))
    _print({**result, "seconds": round(time.monotonic() - started, 1)})


@app.command()
def simulate(
    out: Annotated[Path, typer.Argument(help="Archives go to OUT/<id>/, truth to OUT/truth/<id>.parquet.")],
    cartridges: Annotated[int, typer.Option(min=1)] = 1,
    frames: Annotated[int, typer.Option(min=1, max=210)] = 175,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    variant: Annotated[str | None, typer.Option(help="Layout variant of the archive.")] = None,
) -> None:
    """Write simulated cartridges with known truth."""
    from ctc_core.simulate import simulate as run

    paths = run(out, cartridges=cartridges, frames=frames, seed=seed, variant=variant, progress=_progress("simulate"))
    _print({"cartridges": [str(path) for path in paths], "truth": str(out / "truth")})


@app.command()
def inspect(path: Annotated[Path, typer.Argument(help="An archive's folder.")]) -> None:
    """Print the structure of an archive: no pixels, no patient fields."""
    from ctc_core.cartridge import describe

    _print(describe(path))


# ---- ingest and the networks -----------------------------------------------------------------------------------------


@app.command()
def ingest(
    paths: Annotated[list[Path], typer.Argument(help="Archive folders, or zips of one.")],
    patient: Annotated[str, typer.Option(help="Pseudonym of the patient.")],
    role: Annotated[Role, typer.Option(help="What the patient's cells may be used for.")],
) -> None:
    """Read archives into the store. Where the desk runs, it imports what was computed here."""
    from ctc_core.jobs import Jobs
    from ctc_core.workflows import Networks

    _check_submissions(paths, patient, role)
    jobs, networks = Jobs(_Session.settings.data_dir), Networks(_Session.settings)
    results = [_ingest_one(jobs, networks, path, patient, role) for path in paths]
    _print(results[0] if len(results) == 1 else {"results": results})
    if any(result["status"] == "refused" for result in results):
        raise typer.Exit(2)


def _check_submissions(paths: list[Path], patient: str, role: Role) -> None:
    """Ask the store before computing; where the desk owns it, it is asked at the end."""
    from ctc_core.workflows import check_submission

    try:
        with _store() as store:
            for path in paths:
                check_submission(store, path, patient, role)
    except StoreBusy as busy:
        typer.echo(str(busy), err=True)


def _ingest_one(jobs: Any, networks: Any, path: Path, patient: str, role: Role) -> dict[str, Any]:
    from ctc_core.workflows import run_ingest

    job_id = jobs.create(path, patient, role, _Session.settings.reader)
    run_ingest(jobs, job_id, networks, _progress(path.name))
    state = jobs.state(job_id)
    if state.state == "finished":
        _hand_over(jobs, job_id)
        state = jobs.state(job_id)
    if state.state == "imported":
        return dict(state.result)
    typer.echo(state.message, err=True)
    if state.state != "refused":
        raise CTCError(state.message)
    return {"status": "refused", "cartridge_id": path.name, "reason": state.message}


def _hand_over(jobs: Any, job_id: str) -> None:
    """Import the bundle here, or wait until the desk, which owns the store, has done so."""
    from ctc_core.store import Store
    from ctc_core.workflows import receive

    try:
        with Store.open(_Session.settings.data_dir) as store:
            receive(store, jobs, job_id)
    except StoreBusy as busy:
        typer.echo(f"{busy} Waiting for it to import the cartridge.", err=True)
        deadline = time.monotonic() + IMPORT_TIMEOUT
        while jobs.state(job_id).state == "finished" and time.monotonic() < deadline:
            time.sleep(0.5)
        if jobs.state(job_id).state == "finished":
            raise


@app.command()
def segment(
    path: Annotated[Path, typer.Argument(help="An archive's folder.")],
    out: Annotated[Path, typer.Option(help="Parquet file to write.")],
) -> None:
    """Find the cells of an archive without a store."""
    from ctc_core.pipeline import segment_archive
    from ctc_core.workflows import Networks

    cells = segment_archive(path, Networks(_Session.settings).segmenter, _progress(path.name))
    columns = ["frame", "y", "x", "diameter_um", "area_um2", "polygon", "probability"]
    cells[columns].to_parquet(out)
    _print({"cells": len(cells), "out": str(out)})


@app.command()
def embed(
    crops: Annotated[Path, typer.Argument(help="(n, 3, 48, 48) uint8 .npy file, DAPI/CK/CD45.")],
    out: Annotated[Path, typer.Option(help="(n, 128) float32 .npy file to write.")],
    encoder: Annotated[str | None, typer.Option(help="Name or path of another encoder.")] = None,
) -> None:
    """Embed crops."""
    import numpy as np

    from ctc_core.pipeline import load_crops
    from ctc_core.workflows import Networks

    settings = _Session.settings.model_copy(update={"encoder": encoder or _Session.settings.encoder})
    embedder = Networks(settings).embedder
    vectors = embedder.embed(load_crops(crops))
    np.save(out, vectors, allow_pickle=False)
    _print({"vectors": len(vectors), "encoder_id": embedder.id, "out": str(out)})


@segmenter_app.command("train")
def segmenter_train(
    nuclei: Annotated[Path, typer.Argument(help="Labelled nuclei, .npz with image_<k> and mask_<k>.")],
    out: Annotated[Path, typer.Argument(help="Model folder to write.")],
    seed: Annotated[int, typer.Option(min=0)] = 0,
    steps: Annotated[int, typer.Option(min=1)] = 4000,
) -> None:
    """Train StarDist on real nuclei and simulated frames; goes on from its checkpoint."""
    from ctc_core.segment.train import Recipe, train

    recipe, threads = Recipe(seed=seed, steps=steps), _Session.settings.threads
    _print({"model": str(train(nuclei, out, recipe=recipe, threads=threads, progress=_progress("train")))})


@segmenter_app.command("evaluate")
def segmenter_evaluate(
    name: Annotated[str | None, typer.Argument(help="Name or path of another segmenter.")] = None,
    nuclei: Annotated[Path | None, typer.Option(help="Labelled nuclei, .npz; its held-back part is used.")] = None,
    frames: Annotated[int, typer.Option(min=1, help="Simulated frames, each of another patient.")] = 30,
    seed: Annotated[int, typer.Option(min=0)] = 0,
) -> None:
    """AP, F1 and share of cells found, with n and 95 % interval."""
    from ctc_core.segment import Segmenter
    from ctc_core.segment.evaluate import evaluate

    settings = _Session.settings
    segmenter = Segmenter.load(name or settings.segmenter, threads=settings.threads)
    table = evaluate(segmenter, nuclei, seed=seed, frames=frames, progress=_progress("evaluate"))
    _print({"segmenter_id": segmenter.id, "figures": table.round(4).to_dict("records")})


# ---- classifier and review -------------------------------------------------------------------------------------------


def _store() -> Any:
    from ctc_core.store import Store

    return Store.open(_Session.settings.data_dir)


@app.command()
def fit() -> None:
    """Fit the classifier on all labels of training patients, activate it, score every cartridge."""
    from ctc_core.models import model_folder, model_id
    from ctc_core.workflows import fit as run

    settings = _Session.settings
    encoder_id = model_id(model_folder(settings.encoder))
    with _store() as store:
        session = f"cli-{int(time.time())}"
        _print(run(store, settings.data_dir / "models", encoder_id, reader=settings.reader, session=session))


@app.command()
def score(cartridges: Annotated[list[str] | None, typer.Argument(help="Default: all.")] = None) -> None:
    """P(CTC) of all cells by the active classifier."""
    from ctc_core.workflows import score as run

    with _store() as store:
        _print({"cells": run(store, cartridges or list(store.cartridges().cartridge_id))})


@app.command()
def candidates(
    cartridge: Annotated[str, typer.Argument(help="Cartridge id.")],
    threshold: Annotated[float | None, typer.Option(help="P(CTC) from which a cell is a candidate.")] = None,
) -> None:
    """List the classifier's candidates, with the CellSearch event each was matched to and what was decided."""
    from ctc_core.enumeration import candidate_rows
    from ctc_core.workflows import candidates as run

    with _store() as store:
        if store.active_model("classifier") is None:
            typer.echo("No classifier is active, so nothing is a candidate. Run: python -m ctc_core fit.", err=True)
        _print(candidate_rows(run(store, cartridge, threshold or _Session.settings.threshold)))


# ---- care ------------------------------------------------------------------------------------------------------------


@app.command()
def verify() -> None:
    """Check journal, store, bundles and crops against each other."""
    from ctc_core.store import verify as run

    with _store() as store:
        report = run(store)
    _print({"ok": report.ok, **asdict(report)})
    if not report.ok:
        raise typer.Exit(1)


@app.command()
def doctor() -> None:
    """What this installation is: versions, settings, models, store, disk."""
    from ctc_core.doctor import examine

    report = examine(_Session.settings)
    _print(report)
    if report["problems"]:
        raise typer.Exit(2)


@app.command()
def worker(parent: Annotated[int | None, typer.Option(hidden=True)] = None) -> None:
    """Compute the queued jobs of this data folder until stopped. The desk starts one by itself."""
    from ctc_core.worker import log_to, main

    log_to(_Session.settings.data_dir / "logs")
    if not main(_Session.settings, parent=parent):
        typer.echo(f"Another worker serves {_Session.settings.data_dir}.", err=True)
