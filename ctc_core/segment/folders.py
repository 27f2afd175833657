"""Where a segmenter's weights come from: our model folders, or StarDist's own layout. Nothing is ever downloaded."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ctc_core.errors import ModelError
from ctc_core.models import SHIPPED, load_config, model_folder, model_id, sha256

WEIGHTS = "stardist.weights.h5"
"""Weights file of our own model folders (Keras 3 weights only, never a saved model)."""

PUBLISHED = "2D_versatile_fluo"
"""The network of the paper; its folder has StarDist's own layout."""

PUBLISHED_WEIGHTS = "weights_best.h5"


@dataclass(frozen=True)
class Source:
    """All that is needed to build one network."""

    id: str
    weights: Path
    parameters: dict[str, Any]
    """Of StarDist's `Config2D`."""
    thresholds: dict[str, float]
    """`prob` and `nms`."""


def locate(name_or_path: str) -> Source:
    """Find a model by name or path and read its configuration.

    Raises:
        ModelError: no such folder, not a segmenter, or a file that was changed.
    """
    folder = _folder(name_or_path)
    return _published(folder) if (folder / PUBLISHED_WEIGHTS).is_file() else _ours(folder)


def _folder(name_or_path: str) -> Path:
    try:
        return model_folder(name_or_path)
    except ModelError:
        if name_or_path != PUBLISHED:
            raise
        message = (
            f"{PUBLISHED}: not here, and never downloaded. Put StarDist's published folder (config.json, "
            f"{PUBLISHED_WEIGHTS}, thresholds.json) at {SHIPPED / PUBLISHED}, or set its path as the segmenter."
        )
        raise ModelError(message) from None


def _ours(folder: Path) -> Source:
    config = load_config(folder)
    if config.get("kind") != "stardist2d" or WEIGHTS not in config["sha256"]:
        message = f"{folder}: not a segmenter (kind {config.get('kind')!r}). Its config.json must say stardist2d."
        raise ModelError(message)
    return Source(model_id(folder), folder / WEIGHTS, config["stardist"], config["thresholds"])


def _published(folder: Path) -> Source:
    """StarDist's own layout carries no hash to check; the id names the hash of what was loaded."""
    try:
        parameters = json.loads((folder / "config.json").read_text())
        thresholds = json.loads((folder / "thresholds.json").read_text())
        chosen = {"prob": float(thresholds["prob"]), "nms": float(thresholds["nms"])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        message = f"{folder}: config.json or thresholds.json cannot be read ({error}). Restore StarDist's folder."
        raise ModelError(message) from error
    if parameters.get("n_channel_in") != 1 or parameters.get("n_classes"):
        message = f"{folder}: not a network for one channel and one class. Choose a model for one fluorescence channel."
        raise ModelError(message)
    weights = folder / PUBLISHED_WEIGHTS
    return Source(f"{folder.name}-{sha256(weights)[:12]}", weights, parameters, chosen)
