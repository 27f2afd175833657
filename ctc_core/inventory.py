"""Every model there is, whether its files are what they were, and whether its card says so."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ctc_core.errors import ModelError
from ctc_core.models import model_folder, model_id, places, read_config
from ctc_core.settings import Settings

CARD = "README.md"
KINDS = {"stardist2d": "segmenter"}
"""What a config calls a kind, where we say another word."""
STARDISTS_OWN = "thresholds.json"
"""A file of StarDist's own folder layout, which has no hashes and no card."""
WITHOUT_CARD = ("classifier",)
"""Fitted by the desk: the config says on what, the journal by whom."""


@dataclass(frozen=True)
class Model:
    """One model folder as it was found."""

    kind: str | None
    """segmenter, encoder or classifier; None where its config cannot be read."""
    id: str | None
    """None where the files are not those of the config."""
    name: str
    where: str
    """shipped, data or settings (a path of its own)."""
    folder: str
    bytes: int
    """Of the weights."""
    licence: str | None
    """As its config says; None: see the card."""
    verified: bool | None
    """SHA-256 of every weights file; None where the folder keeps none (StarDist's own layout)."""
    card: bool
    active: bool
    """The settings, or `active`, name it."""
    problems: tuple[str, ...]
    """Each with what to do."""


def inventory(settings: Settings, active: Collection[str] = ()) -> tuple[list[Model], list[str]]:
    """All models, shipped ones first, and all problems: theirs and those of the settings. Reads files only.

    active: ids in use beside those that the settings name (which classifier is, only the store knows).
    """
    chosen, problems = _chosen(settings)
    wheres = zip(places(settings.data_dir), ("shipped", "data"), strict=True)
    found = {folder: where for place, where in wheres for folder in _folders(place)}
    found |= {folder: "settings" for folder in chosen if folder not in found}
    models = [_examine(folder, where, active, chosen=folder in chosen) for folder, where in found.items()]
    return models, problems + [problem for model in models for problem in model.problems]


def _chosen(settings: Settings) -> tuple[set[Path], list[str]]:
    """Folders that the settings name, and a problem for each name that leads nowhere."""
    folders, problems = set(), []
    for name in (settings.segmenter, settings.encoder):
        try:
            folders.add(model_folder(name, settings.data_dir).resolve())
        except ModelError as error:
            problems.append(str(error))
    return folders, problems


def _folders(place: Path) -> list[Path]:
    """Model folders in `place`; hidden ones are still being written."""
    return [path.resolve() for path in sorted(place.glob("[!.]*")) if path.is_dir()]


def _examine(folder: Path, where: str, active: Collection[str], *, chosen: bool) -> Model:
    if (folder / STARDISTS_OWN).is_file():
        return _published(folder, where, chosen=chosen)
    config: dict[str, Any] = {}
    model, problems = None, []
    try:
        config = read_config(folder)
        model = model_id(folder)
    except ModelError as error:
        problems.append(str(error))
    kind = KINDS.get(config["kind"], config["kind"]) if config else None
    if kind not in WITHOUT_CARD:
        problems += _card_problems(folder, config)
    return Model(
        kind=kind,
        id=model,
        name=config.get("name", folder.name),
        where=where,
        folder=str(folder),
        bytes=_size(folder, config.get("sha256", ())),
        licence=config.get("licence"),
        verified=model is not None,
        card=(folder / CARD).is_file(),
        active=chosen or model in active,
        problems=tuple(problems),
    )


def _published(folder: Path, where: str, *, chosen: bool) -> Model:
    """StarDist's own layout: no hash to check, no card; the id names the hash of what is there."""
    from ctc_core.segment.folders import PUBLISHED_WEIGHTS, locate

    model, problems = None, []
    try:
        model = locate(str(folder)).id
    except ModelError as error:
        problems.append(str(error))
    return Model(
        kind="segmenter",
        id=model,
        name=folder.name,
        where=where,
        folder=str(folder),
        bytes=_size(folder, [PUBLISHED_WEIGHTS]),
        licence=None,
        verified=None,
        card=(folder / CARD).is_file(),
        active=chosen,
        problems=tuple(problems),
    )


def _size(folder: Path, names: Collection[str]) -> int:
    return sum((folder / name).stat().st_size for name in names if (folder / name).is_file())


def _card_problems(folder: Path, config: dict[str, Any]) -> list[str]:
    """The card must stand there and name the SHA-256 of each weights file, so that it cannot speak of other weights."""
    path = folder / CARD
    if not path.is_file():
        return [f"{path}: missing. A model is used with its card only; restore the folder, or write the card."]
    text = path.read_text(errors="replace")
    return [
        f"{path}: does not name the SHA-256 of {name} ({digest}), so it may describe other weights. Mend the card."
        for name, digest in config.get("sha256", {}).items()
        if digest not in text
    ]
