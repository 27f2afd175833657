"""Model folders: weights, `config.json` with the SHA-256 of every file, and a card.

Shared by segmenter, encoder and classifier. The id of a model is its name and the first 12 hex digits of the hash of
its weights, so that changed weights can never pass for the old ones.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ctc_core.errors import ModelError
from ctc_core.settings import ROOT

SHIPPED = ROOT / "models"


def sha256(path: Path) -> str:
    """Hex digest of a file, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def places(data_dir: Path | None = None) -> tuple[Path, ...]:
    """Folders that hold model folders: the shipped ones first, then those trained or imported in `data_dir`."""
    return (SHIPPED,) if data_dir is None else (SHIPPED, data_dir / "models")


def model_folder(name_or_path: str, data_dir: Path | None = None) -> Path:
    """Folder of a model by name, shipped or in `data_dir`, or of any other by path.

    Raises:
        ModelError: there is no `config.json` in it.
    """
    candidates = [place / name_or_path for place in places(data_dir)]
    for folder in (*candidates, Path(name_or_path).expanduser()):
        if (folder / "config.json").is_file():
            return folder
    names = sorted(path.parent.name for place in places(data_dir) for path in place.glob("[!.]*/config.json"))
    message = f"{name_or_path}: no model of this name and no folder with a config.json. Models: {', '.join(names)}."
    raise ModelError(message)


def write_config(folder: Path, config: Mapping[str, Any], files: Sequence[str]) -> None:
    """Write `config.json`: `config` plus the hash of each of `files` (weights, relative to `folder`)."""
    hashes = {name: sha256(folder / name) for name in files}
    text = json.dumps({**config, "sha256": hashes}, indent=2, sort_keys=True)
    (folder / "config.json").write_text(text + "\n")


def read_config(folder: Path) -> dict[str, Any]:
    """Read `config.json` without looking at the weights.

    Raises:
        ModelError: it cannot be read, or does not say kind, name and the hashes of files in this folder.
    """
    path = folder / "config.json"
    try:
        config: dict[str, Any] = json.loads(path.read_text())
        kind, name, hashes = config["kind"], config["name"], config["sha256"]
        texts = [kind, name, *hashes, *hashes.values()]
        sound = len(hashes) > 0 and all(isinstance(text, str) for text in texts)
        sound = sound and all(Path(file).name == file for file in hashes)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        message = f"{path}: not a model's config ({error}). Restore the folder from where it came."
        raise ModelError(message) from error
    if not sound:
        message = f"{path}: not a model's config (kind, name or sha256). Restore the folder from where it came."
        raise ModelError(message)
    return config


def load_config(folder: Path) -> dict[str, Any]:
    """Read `config.json` and verify every weight file against its hash.

    Raises:
        ModelError: not a config, a file is missing, or a file is not the one the config names.
    """
    config = read_config(folder)
    for name, expected in config["sha256"].items():
        _check(folder / name, expected)
    return config


def _check(path: Path, expected: str) -> None:
    if not path.is_file():
        message = f"{path}: missing. Restore the model folder from where it came."
        raise ModelError(message)
    if sha256(path) != expected:
        message = f"{path}: its SHA-256 is not the one in config.json, so it was changed. Restore it; it is not loaded."
        raise ModelError(message)


def model_id(folder: Path) -> str:
    """`<name>-<12 hex digits>`; verifies the files on the way."""
    config = load_config(folder)
    digest = hashlib.sha256("".join(sorted(config["sha256"].values())).encode()).hexdigest()
    return f"{config['name']}-{digest[:12]}"
