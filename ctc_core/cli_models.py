"""Commands that train and measure the networks; each model card names the one that gives its figures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ctc_core.console import Session, progress, show

segmenter_app = typer.Typer(no_args_is_help=True, help="Train and measure the segmentation network.")
encoder_app = typer.Typer(no_args_is_help=True, help="Train and measure the encoder.")


@segmenter_app.command("train")
def segmenter_train(
    nuclei: Annotated[Path, typer.Argument(help="Labelled nuclei, .npz with image_<k> and mask_<k>.")],
    out: Annotated[Path, typer.Argument(help="Model folder to write.")],
    seed: Annotated[int, typer.Option(min=0)] = 0,
    steps: Annotated[int, typer.Option(min=1)] = 4000,
    start: Annotated[str | None, typer.Option(help="Name or path of a segmenter to go on from.")] = None,
) -> None:
    """Train StarDist on real nuclei and simulated frames; goes on from its checkpoint."""
    from ctc_core.segment.train import Recipe, train

    recipe, threads = Recipe(seed=seed, steps=steps, start=start), Session.settings.threads
    show({"model": str(train(nuclei, out, recipe=recipe, threads=threads, progress=progress("train")))})


@segmenter_app.command("evaluate")
def segmenter_evaluate(
    name: Annotated[str | None, typer.Argument(help="Name or path of another segmenter.")] = None,
    nuclei: Annotated[Path | None, typer.Option(help="Labelled nuclei, .npz; its held-back part is used.")] = None,
    frames: Annotated[int, typer.Option(min=1, help="Simulated frames, each of another patient.")] = 30,
    seed: Annotated[int, typer.Option(min=0)] = 0,
) -> None:
    """AP, F1 and share of cells found, with n and 95 % interval."""
    from ctc_core.enumeration import none_for_missing
    from ctc_core.segment import Segmenter
    from ctc_core.segment.evaluate import evaluate

    settings = Session.settings
    segmenter = Segmenter.load(name or settings.segmenter, threads=settings.threads)
    table = evaluate(segmenter, nuclei, seed=seed, frames=frames, progress=progress("evaluate"))
    figures = none_for_missing(table.round(4), "low", "high").to_dict("records")
    show({"segmenter_id": segmenter.id, "figures": figures})


@encoder_app.command("train")
def encoder_train(
    out: Annotated[Path, typer.Argument(help="Model folder to write.")],
    iterations: Annotated[int, typer.Option(min=1)],
    input_px: Annotated[int, typer.Option(help="Edge of the encoder's input.")] = 48,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    resume: Annotated[bool, typer.Option(help="Go on from the checkpoint in OUT.")] = False,
    hours: Annotated[float | None, typer.Option(help="Stop after this long and export what is there.")] = None,
    warm_start: Annotated[int, typer.Option(min=0, help="Steps before DINO that learn to describe a crop.")] = 0,
    batch: Annotated[int, typer.Option(help="32, 64 or 128.")] = 64,
) -> None:
    """Train XCiT with DINO on simulated crops."""
    from ctc_core.encoder.train import train

    folder = train(
        out,
        iterations=iterations,
        input_px=input_px,
        seed=seed,
        resume=resume,
        deadline_hours=hours,
        batch=batch,
        warm_start=warm_start,
        threads=Session.settings.threads,
        progress=progress("train"),
    )
    show({"model": str(folder)})


@encoder_app.command("evaluate")
def encoder_evaluate(
    name: Annotated[str | None, typer.Argument(help="Name or path of another encoder.")] = None,
    seeds: Annotated[int, typer.Option(min=2)] = 10,
    patients: Annotated[int, typer.Option(min=2, help="Simulated patients that give labels; as many are tested.")] = 16,
) -> None:
    """F1 of CTC against anything else on unseen simulated patients, beside random weights and classical features."""
    from ctc_core.encoder.evaluate import evaluate

    settings = Session.settings
    name = name or settings.encoder
    show(evaluate(name, seeds=seeds, n_patients=patients, threads=settings.threads, progress=progress("evaluate")))
