"""Experiments on the map: the published cluster analysis, and whether warnings come true."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from ctc_core.console import Session, progress, show

experiment_app = typer.Typer(
    no_args_is_help=True, help="Experiments whose figures can be compared with published ones."
)


@experiment_app.command("clusters")
def clusters(
    features: Annotated[Path, typer.Option(help="Features folder in the published layout.")],
    out: Annotated[Path, typer.Option(help="JSON file to write.")],
) -> None:
    """Cluster ids of test and unlabelled cells, and figures of the classifier in each cluster."""
    from ctc_core.features import read_features
    from ctc_core.reliability.published import analyse

    result = analyse(read_features(features))
    _write(out, result)
    lists = ("clusters", "train_clusters")
    show({**{key: value for key, value in result.items() if key not in lists}, "out": str(out)})


@experiment_app.command("reliability")
def reliability(
    out: Annotated[Path, typer.Option(help="JSON file to write.")],
    patients: Annotated[int, typer.Option(min=1, help="Simulated draws to predict.")] = 100,
    labelled: Annotated[int, typer.Option(min=5, help="Patients with labels, to train and as many to test.")] = 20,
    cells: Annotated[int, typer.Option(min=20, help="Cells of each draw.")] = 300,
    labels: Annotated[int, typer.Option(min=20, help="Labelled cells of each patient with labels.")] = 64,
    hold_out: Annotated[str, typer.Option(help="Kind of object that nobody labelled.")] = "smear",
    every_kind: Annotated[bool, typer.Option("--every-kind", help="Also tell of each kind if it is noticed.")] = False,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    encoder: Annotated[str | None, typer.Option(help="Name or path of another encoder.")] = None,
) -> None:
    """Predicted against realised errors on simulated patients, and whether an unknown kind of cell is noticed.

    The data folder keeps the patients: broken off, it goes on where it stopped.
    """
    from functools import partial

    from ctc_core.encoder import Embedder
    from ctc_core.encoder.data import EVALUATION_PATIENTS, simulator_version
    from ctc_core.reliability.calibration import Plan, calibrate
    from ctc_core.reliability.planted import notice
    from ctc_core.reliability.simulated import KINDS, simulated_patients

    settings = Session.settings
    embedder = Embedder.load(encoder or settings.encoder, threads=settings.threads)
    folder = settings.data_dir / "experiments" / f"{embedder.id}-{simulator_version()}"
    planting = partial(
        simulated_patients, embedder.embed, cells_labelled=labels, cells_drawn=cells, seed=seed, folder=folder
    )
    everyone = 3 * labelled + patients
    plan = Plan(
        train=labelled,
        test=labelled,
        unlabelled=labelled,
        draws=patients,
        first=EVALUATION_PATIENTS.start + seed * everyone,
        seed=seed,
    )
    report = calibrate(planting(hold_out=hold_out), plan, encoder_id=embedder.id, progress=progress("reliability"))
    if every_kind:
        report["kinds"] = {kind: notice(planting(hold_out=kind), plan, encoder_id=embedder.id) for kind in KINDS}
    about = {"encoder_id": embedder.id, "data": "simulated, unseen patients", "hold_out": hold_out, "seed": seed}
    result = {**about, **report}
    _write(out, result)
    show({**result, "out": str(out)})


def _write(path: Path, result: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1, allow_nan=False) + "\n")
