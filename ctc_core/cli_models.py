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
    rate: Annotated[float, typer.Option(min=0, help="Learning rate; it falls to 0 along a cosine.")] = 8e-4,
    hold: Annotated[int, typer.Option(min=0, help="Steps before it begins to fall.")] = 0,
    frames: Annotated[int, typer.Option(min=0, help="Simulated training frames; 0: real nuclei only.")] = 80,
) -> None:
    """Train StarDist on real nuclei and simulated frames; goes on from its checkpoint."""
    from ctc_core.segment.train import Recipe, train

    recipe = Recipe(seed=seed, steps=steps, start=start, learning_rate=rate, hold=hold, frames=frames)
    threads = Session.settings.threads
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
    from ctc_core.segment import Segmenter, tables
    from ctc_core.segment.evaluate import evaluate

    settings = Session.settings
    segmenter = Segmenter.load(name or settings.segmenter, threads=settings.threads)
    table = evaluate(segmenter, nuclei, seed=seed, frames=frames, progress=progress("evaluate"))
    figures = none_for_missing(table.round(4), "value", "low", "high").to_dict("records")
    result = {"segmenter_id": segmenter.id, "figures": figures}
    show(result if Session.as_json else [segmenter.id, *tables.lines(table)])


@segmenter_app.command("quantise")
def segmenter_quantise(
    name: Annotated[str | None, typer.Argument(help="Name or path of another segmenter.")] = None,
    nuclei: Annotated[
        Path | None, typer.Option(help="Labelled nuclei, .npz, to calibrate on and compare, too.")
    ] = None,
    frames: Annotated[int, typer.Option(min=1, help="Simulated frames on which it is compared with Keras.")] = 12,
    seed: Annotated[int, typer.Option(min=0, help="Of the split of the nuclei.")] = 0,
) -> None:
    """Make the form in 8-bit integers, once, and measure it; the desk uses it by itself if it agrees and is faster."""
    from ctc_core.quantise_segmenter import quantise_segmenter

    settings, report = Session.settings, progress("quantise")
    chosen, threads = name or settings.segmenter, settings.threads
    show(quantise_segmenter(chosen, nuclei, frames=frames, seed=seed, threads=threads, progress=report))


@encoder_app.command("train")
def encoder_train(
    out: Annotated[Path, typer.Argument(help="Model folder to write.")],
    iterations: Annotated[int, typer.Option(min=1)],
    start: Annotated[str | None, typer.Option(help="Name or path of an encoder to go on from.")] = None,
    input_px: Annotated[int, typer.Option(help="Edge of the encoder's input.")] = 48,
    seed: Annotated[int, typer.Option(min=0, help="Of weights, patients and views.")] = 0,
    resume: Annotated[bool, typer.Option(help="Go on from the checkpoint in OUT.")] = False,
    hours: Annotated[float | None, typer.Option(help="Stop after this long and export what is there.")] = None,
    warm_start: Annotated[int, typer.Option(min=0, help="First steps, that only learn to describe.")] = 0,
    describe: Annotated[float, typer.Option(min=0, help="Weight of describing beside DINO's loss.")] = 1.0,
    batch: Annotated[int, typer.Option(help="Objects a step, two photographs each: 16, 32, 64 or 128.")] = 64,
    global_px: Annotated[int, typer.Option(help="Edge of a global view.")] = 40,
    local_px: Annotated[int, typer.Option(help="Edge of a local view.")] = 24,
    local_views: Annotated[int, typer.Option("--locals", min=0, help="Local views of each photograph.")] = 1,
    learning_rate: Annotated[float, typer.Option(min=0, help="Highest, of DINO.")] = 1e-3,
    warm_rate: Annotated[float, typer.Option(min=0, help="Highest, of the first steps.")] = 1e-3,
    warmup: Annotated[int, typer.Option(min=0, help="Steps in which a learning rate rises.")] = 100,
    freeze_last: Annotated[int, typer.Option(min=0, help="Steps of DINO that leave its last layer as it is.")] = 50,
) -> None:
    """Train XCiT with DINO on pairs of simulated photographs."""
    from ctc_core.encoder.train import train

    folder = train(
        out,
        iterations=iterations,
        start=start,
        input_px=input_px,
        seed=seed,
        resume=resume,
        deadline_hours=hours,
        warm_start=warm_start,
        describe=describe,
        batch=batch,
        global_px=global_px,
        local_px=local_px,
        locals=local_views,
        learning_rate=learning_rate,
        warm_rate=warm_rate,
        warmup=warmup,
        freeze_last=freeze_last,
        threads=Session.settings.threads,
        progress=progress("train"),
    )
    show({"model": str(folder)})


@encoder_app.command("join")
def encoder_join(
    name: Annotated[str, typer.Argument(help="Name or path of an encoder of `encoder train`.")],
    out: Annotated[Path, typer.Argument(help="Model folder to write.")],
    objects: Annotated[int, typer.Option(min=2048, help="Simulated objects, each in two photographs.")] = 12288,
    seed: Annotated[int, typer.Option(min=0, help="Of patients and photographs; not one of the training.")] = 8,
) -> None:
    """Join the network's class token and descriptors written by hand into one vector; no label is used."""
    from ctc_core.encoder.join_training import join_encoder

    folder = join_encoder(
        _encoder(name),
        out,
        objects=objects,
        seed=seed,
        threads=Session.settings.threads,
        runtime=Session.settings.runtime,
        progress=progress("join"),
    )
    show({"model": str(folder)})


@encoder_app.command("import")
def encoder_import(
    file: Annotated[Path, typer.Argument(help="The published ctc_dino.pt: a PyTorch state dict, names of timm 0.5.4.")],
    out: Annotated[Path | None, typer.Argument(help="Model folder to write; default DATA/models/ctc-dino.")] = None,
) -> None:
    """Make the published encoder a model of ours. Nothing in the file is executed."""
    from ctc_core.encoder.published import import_encoder

    result = import_encoder(file, out or Session.settings.data_dir / "models" / "ctc-dino")
    typer.echo(f"To use it, set CTC_ENCODER={result['model']}", err=True)
    typer.echo(f"To make it faster: python -m ctc_core encoder quantise {result['model']}", err=True)
    show(result)


@encoder_app.command("quantise")
def encoder_quantise(
    name: Annotated[str | None, typer.Argument(help="Name or path of another encoder.")] = None,
    crops: Annotated[int, typer.Option(min=64, help="Simulated crops on which it is compared with torch.")] = 2560,
    input_px: Annotated[int | None, typer.Option(help="Another edge of the input than its own.")] = None,
) -> None:
    """Make the form in 8-bit integers, once, and measure it; the desk uses it by itself if it agrees and is faster."""
    from ctc_core.quantise import quantise_encoder

    folder, threads = Path(_encoder(name)), Session.settings.threads
    show(quantise_encoder(folder, tested=crops, input_px=input_px, threads=threads, progress=progress("quantise")))


@encoder_app.command("evaluate")
def encoder_evaluate(
    name: Annotated[str | None, typer.Argument(help="Name or path of another encoder.")] = None,
    seeds: Annotated[int, typer.Option(min=2)] = 10,
    patients: Annotated[int, typer.Option(min=2, help="Simulated patients that give labels; as many are tested.")] = 10,
    flow: Annotated[Path | None, typer.Option(help="Real flow cells, .npz, instead: mitotic or not.")] = None,
    adapted: Annotated[str | None, typer.Option(help="With --flow: an encoder of `encoder adapt` beside it.")] = None,
) -> None:
    """F1 of CTC against anything else on unseen simulated patients, beside random weights and classical features."""
    from ctc_core.encoder import tables
    from ctc_core.encoder.evaluate import evaluate
    from ctc_core.encoder.evaluate_flow import evaluate_flow

    encoder, report, threads = _encoder(name), progress("evaluate"), Session.settings.threads
    if flow:
        other = _encoder(adapted) if adapted else None
        result = evaluate_flow(encoder, flow, adapted=other, seeds=seeds, threads=threads, progress=report)
        show(result if Session.as_json else tables.flow(result))
    else:
        runtime = Session.settings.runtime
        result = evaluate(encoder, seeds=seeds, n_patients=patients, threads=threads, runtime=runtime, progress=report)
        show(result if Session.as_json else tables.simulated(result))


def _encoder(name: str | None) -> str:
    """Folder of the encoder of this name, or of the one in the settings."""
    from ctc_core.models import model_folder

    return str(model_folder(name or Session.settings.encoder, Session.settings.data_dir))


@encoder_app.command("adapt")
def encoder_adapt(
    name: Annotated[str, typer.Argument(help="Name or path of the encoder to start from.")],
    flow: Annotated[Path, typer.Argument(help="Flow cells, .npz; half of the tiles are used, no labels.")],
    out: Annotated[Path, typer.Argument(help="Model folder to write.")],
    steps: Annotated[int, typer.Option(min=0, help="Of DINO; 0: only batch norms and join are fitted.")] = 0,
    seed: Annotated[int, typer.Option(min=0)] = 0,
) -> None:
    """Fit an encoder to unlabelled tiles of another instrument: a short DINO if wanted, batch norms, a new join."""
    from ctc_core.encoder.adapt import adapt

    threads = Session.settings.threads
    folder = adapt(_encoder(name), flow, out, steps=steps, seed=seed, threads=threads, progress=progress("adapt"))
    show({"model": str(folder)})


@encoder_app.command("sizes")
def encoder_sizes(
    name: Annotated[str | None, typer.Argument(help="Name or path of the encoder whose weights to start from.")] = None,
    px: Annotated[list[int] | None, typer.Option(help="Edge of the input; may be given several times.")] = None,
    crops: Annotated[int, typer.Option(min=0, help="Labelled crops to learn from at each size.")] = 1024,
    seeds: Annotated[int, typer.Option(min=2)] = 6,
) -> None:
    """Cells per second and F1 on simulated validation patients for each input size."""
    from ctc_core.encoder import tables
    from ctc_core.encoder.compare_sizes import SIZES, compare_sizes

    encoder, report, threads = _encoder(name), progress("sizes"), Session.settings.threads
    result = compare_sizes(encoder, sizes=px or SIZES, crops=crops, seeds=seeds, threads=threads, progress=report)
    show(result if Session.as_json else tables.sizes(result))
