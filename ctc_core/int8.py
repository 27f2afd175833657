"""Forms of networks in 8-bit integers: made once by `ctc_core.quantise`, kept beside the weights, verified when loaded.

A form belongs to the weights and the recipe whose hash its folder's name is, so that it can never be stale. It is used
by itself where the processor gains by it and where it was found to agree with the network it was made from.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ctc_core._openvino import core, precision
from ctc_core.errors import ModelError
from ctc_core.models import load_config, read_config, sha256

FOLDER, GRAPH, NUMBERS = "int8", "model.xml", "model.bin"
"""Of a model folder; in it a folder for each form, with the graph as OpenVINO writes it."""

MEASURED_ON = ("x86_64", "AMD64")
"""Processors on which integers were seen to be faster. OpenVINO computes them on others, too, but not always faster."""


@dataclass(frozen=True)
class Form:
    """One form in integers."""

    folder: Path
    digest: str
    """Of its files."""
    agrees: bool
    """Within the limits beside the exact network, when it was made."""

    @property
    def precision(self) -> str:
        """What says that two computed with the same form."""
        return f"int8-{self.digest[:12]}"


def key_of(weights: Path, recipe: Mapping[str, Any]) -> str:
    """12 hex digits of what a form is made from: the weights' hash and how it is made."""
    text = json.dumps([sha256(weights), dict(recipe)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def form_folder(weights: Path, recipe: Mapping[str, Any]) -> Path:
    """Where the form of these weights is or would be."""
    return weights.parent / FOLDER / key_of(weights, recipe)


def find(weights: Path, recipe: Mapping[str, Any]) -> Form | None:
    """The form of these weights, files verified, or None where none was made.

    Raises:
        ModelError: one was made and then changed.
    """
    folder = form_folder(weights, recipe)
    return read_form(folder) if (folder / "config.json").exists() else None


def read_form(folder: Path) -> Form:
    """What is in a form's folder, files verified.

    Raises:
        ModelError: not a form, or a file was changed.
    """
    config = load_config(folder)
    if config["kind"] != FOLDER or set(config["sha256"]) != {GRAPH, NUMBERS}:
        message = f"{folder}: not a network in integers. Remove the folder; the network is computed without it."
        raise ModelError(message)
    digest = hashlib.sha256("".join(sorted(config["sha256"].values())).encode()).hexdigest()
    return Form(folder, digest, config.get("agrees") is True)


def usable(weights: Path, recipe: Mapping[str, Any]) -> Form | None:
    """As `find`, if it agrees with the exact network and this processor gains by it."""
    if not pays_here():
        return None
    form = find(weights, recipe)
    return form if form and form.agrees else None


def pays_here() -> bool:
    """Whether this processor has instructions that make integers faster than floating point."""
    return platform.machine() in MEASURED_ON and "INT8" in core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def read(form: Form) -> Any:
    """The form's graph.

    Raises:
        ModelError: changed, or not a graph that this OpenVINO reads.
    """
    load_config(form.folder)
    try:
        return core().read_model(form.folder / GRAPH, form.folder / NUMBERS)
    except RuntimeError as error:
        message = f"{form.folder}: OpenVINO cannot read it ({str(error).splitlines()[0]}). Remove the folder."
        raise ModelError(message) from error


def precision_of(form: Form | None) -> str:
    """`int8-<12 hex digits>` of a form, else that of OpenVINO's floating point here."""
    return form.precision if form else precision()


def about(form: Form) -> dict[str, Any]:
    """Recipe and agreement of a form."""
    return read_config(form.folder)
