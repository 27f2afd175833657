"""Makes the forms in 8-bit integers that `ctc_core.int8` reads, with NNCF, and measures whether they agree.

A tool for whoever ships or imports an encoder: NNCF is not needed to run the desk.
"""

from __future__ import annotations

import contextlib
import io
import logging
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ctc_core import int8
from ctc_core._openvino import openvino
from ctc_core.encoder import Embedder
from ctc_core.encoder.graph import PERCEPTRONS
from ctc_core.encoder.openvino import build, recipe
from ctc_core.encoder.sizes import PATCH_PX, check_input_px
from ctc_core.errors import UserError
from ctc_core.models import load_config, write_config
from ctc_core.settings import Runtime
from ctc_core.types import Progress

F1_APART = 0.002
"""Most that the classifier's total F1 may differ."""

FASTER = 1.05
"""Least gain by the clock, where the form is made, for which it is used."""

CALIBRATION_PATIENTS = 9_000_000
"""Seed of the first simulated patient whose crops choose the ranges; of nobody's training or test."""

PER_PATIENT, BATCH = 32, 8

TIMED_TOKENS = 9216
"""Of the crops that are timed: 256 at 48 px, 11 at 224."""


def quantise_encoder(
    folder: Path, *, tested: int, input_px: int | None = None, threads: int = 0, progress: Progress
) -> dict[str, Any]:
    """Make the form of an encoder's folder, or find the one that was made; what was measured, and whether it is used.

    Args:
        tested: simulated crops of other patients on which it is compared with torch in 32 bits.
        input_px: another edge of its input than the encoder's own.

    Raises:
        ModelError: no encoder, or a file was changed.
        UserError: NNCF is not installed, or the folder cannot be written.
    """
    embedder = _embedder(folder, Runtime.FLOAT, input_px, threads)
    (name,) = load_config(folder)["sha256"]
    how = recipe(embedder.input_px)
    form = int8.find(folder / name, how)
    if form is None:
        progress(0, 2, "calibrating on simulated crops")
        graph = build(folder, embedder.input_px, convolutions=True)
        samples = _crops(how["crops"], how["seed"])
        made = in_integers(graph, [samples[k : k + BATCH] for k in range(0, len(samples), BATCH)], PERCEPTRONS)
        form = keep(made, int8.form_folder(folder / name, how), {"kind": int8.FOLDER, "name": embedder.id, **how})
    if "figures" not in int8.about(form):
        progress(1, 2, f"comparing on {tested} simulated crops")
        exact = _embedder(folder, Runtime.EXACT, input_px, threads)
        integers = _embedder(folder, Runtime.OPENVINO, input_px, threads, form)
        figures = measure(exact, embedder, integers, tested)
        form = finish(form, figures, agrees=agrees(figures))
    progress(2, 2, "done")
    config = int8.about(form)
    return {"encoder": embedder.id, "form": form.precision, **config["figures"], "used": form.agrees}


def _embedder(
    folder: Path, runtime: Runtime, input_px: int | None, threads: int, form: int8.Form | None = None
) -> Embedder:
    embedder = Embedder(folder, threads=threads, runtime=runtime, form=form)
    embedder.input_px = check_input_px(input_px or embedder.input_px)
    return embedder


def measure(exact: Embedder, floating: Embedder, integers: Embedder, tested: int) -> dict[str, float]:
    """`compare_encoders` of integers beside torch, and how many times faster than floating point they are here."""
    from ctc_core.bench.agreement import compare_encoders

    figures = compare_encoders(exact, integers, tested)
    some = _crops(max(TIMED_TOKENS // (integers.input_px // PATCH_PX) ** 2, 1), 1)
    return {**figures, "times_faster": times_faster(floating, integers, some)}


def agrees(figures: dict[str, float]) -> bool:
    """Whether a form is used: the classifier's F1 within the limit, and a gain by the clock."""
    return abs(figures["f1"] - figures["f1_exact"]) <= F1_APART and figures["times_faster"] >= FASTER


def times_faster(slow: Embedder, fast: Embedder, crops: NDArray[np.uint8], turns: int = 5) -> float:
    """Median ratio of the processor's seconds for `crops`, in turns; work beside it shall not decide."""
    ratios = []
    for _ in range(turns + 1):  # the first compiles
        taken = [_seconds(one, crops) for one in (slow, fast)]
        ratios.append(taken[0] / taken[1])
    return float(np.median(ratios[1:]))


def _seconds(embedder: Embedder, crops: NDArray[np.uint8]) -> float:
    began = time.process_time()
    embedder.class_tokens(crops)
    return time.process_time() - began


def in_integers(graph: Any, batches: Sequence[NDArray[Any]], layers: Sequence[str]) -> Any:
    """`graph` with these layers in 8-bit integers, ranges by `batches` of input; all others stay as they are.

    Weights use 7 of the 8 bits: processors without VNNI add two products in 16 bits, which more could overflow.
    """
    tool = nncf()
    others = [node.get_friendly_name() for node in graph.get_ops() if node.get_type_name() not in _UNNAMED]
    with contextlib.redirect_stdout(io.StringIO()):  # progress bars; results go to stdout
        return tool.quantize(
            graph,
            tool.Dataset(batches),
            model_type=tool.ModelType.TRANSFORMER,
            subset_size=len(batches),
            ignored_scope=tool.IgnoredScope(names=[name for name in others if name not in layers]),
            advanced_parameters=tool.AdvancedQuantizationParameters(overflow_fix=tool.OverflowFix.ENABLE),
        )


_UNNAMED = ("Constant", "Parameter", "Result")


def nncf() -> Any:
    """The module `nncf`, quiet, and unable to report its use.

    Raises:
        UserError: it is not installed.
    """
    # It reports through this package to a server of Google's where it finds it. Blocked, it cannot be imported.
    sys.modules["openvino_telemetry"] = cast(Any, None)
    try:
        import nncf as loaded
    except ImportError as error:
        message = (
            f"NNCF cannot be imported ({error}). Only making integers needs it, the desk does not: install nncf in the "
            "version that requirements-dev.txt names."
        )
        raise UserError(message) from error
    loaded.set_log_level(logging.ERROR)
    return loaded


def _crops(count: int, seed: int) -> NDArray[np.uint8]:
    from ctc_core.simulate import render_crops

    patients = range(CALIBRATION_PATIENTS, CALIBRATION_PATIENTS + max(count // PER_PATIENT, 1))
    return render_crops(count, seed=seed, patients=patients, ctc_share=0.4, crops_per_patient=PER_PATIENT)[0]


def keep(graph: Any, folder: Path, config: dict[str, Any]) -> int8.Form:
    """Write a form that is not used yet; it appears as a whole or not at all."""
    partial = folder.with_name(f".partial-{folder.name}")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        openvino().save_model(graph, partial / int8.GRAPH, compress_to_fp16=False)
        write_config(partial, config, (int8.GRAPH, int8.NUMBERS))
        partial.replace(folder)
    except OSError as error:
        message = f"{folder}: cannot be written ({error.strerror}). Make the model folder writable, or copy it."
        raise UserError(message) from error
    return int8.read_form(folder)


def finish(form: int8.Form, figures: dict[str, Any], *, agrees: bool) -> int8.Form:
    """Write down what was measured, and whether the form is used from now on."""
    config = {**int8.about(form), "figures": figures, "agrees": agrees}
    write_config(form.folder, config, (int8.GRAPH, int8.NUMBERS))
    return int8.read_form(form.folder)
