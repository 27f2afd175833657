"""Real crops from a file, the kinds their names stand for, and simulated crops of the same kinds."""

from __future__ import annotations

from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from ctc_core.errors import UserError
from ctc_core.types import CROP_PX

KIND_OF_NAME = {
    "ctc": "ctc",
    "shine_through": "shine-through",
    "non_ctc": "leukocyte",
    "artifact": "smear",
    "cluster0": "shine-through",
    "cluster1": "point",
    "cluster2": "crowded",
}
"""Simulated kind that shows what a published crop's name says; a kind's own name stands for itself."""

KINDS = ("ctc", "crowded", "point", "shine-through", "double", "leukocyte", "debris", "smear")


def load_real(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.str_] | None]:
    """(n, 3, 48, 48) uint8 crops, DAPI/CK/CD45, of an npz file, and the simulated kind of each where it has `names`."""
    advice = "Give an .npz file with `crops` (n, 3, 48, 48) uint8, and perhaps `names` (n,)."
    try:
        with np.load(path, allow_pickle=False) as file:
            crops = file["crops"]
            names = file["names"] if "names" in file.files else None
    except (OSError, KeyError, ValueError, BadZipFile) as error:
        message = f"{path}: no crops could be read ({error}). {advice}"
        raise UserError(message) from error
    if crops.dtype != np.uint8 or crops.shape[1:] != (3, CROP_PX, CROP_PX) or not len(crops):
        message = f"{path}: crops are {crops.shape} {crops.dtype}. {advice}"
        raise UserError(message)
    return crops, None if names is None else np.array([kind_of(str(name), path) for name in names])


def kind_of(name: str, path: Path) -> str:
    """The simulated kind a crop's name stands for; a number after the last underscore does not count."""
    stem, _, number = name.rpartition("_")
    word = stem if number.isdigit() else name
    kind = KIND_OF_NAME.get(word, word)
    if kind not in KINDS:
        message = (
            f"{path}: no kind of simulated cell is known for `{name}`. Use one of {sorted({*KIND_OF_NAME, *KINDS})}."
        )
        raise UserError(message)
    return kind


def matching(
    drawn: NDArray[np.str_], wanted: NDArray[np.str_] | None, count: int, rng: np.random.Generator
) -> NDArray[np.intp]:
    """(count,) different positions in `drawn` with the kinds of `wanted`; None: of any kind, as they come."""
    if wanted is None:
        return rng.choice(len(drawn), count, replace=False)
    chosen = []
    for kind, number in zip(*np.unique(wanted, return_counts=True), strict=True):
        there = np.flatnonzero(drawn == kind)
        if len(there) < number:
            message = f"Only {len(there)} simulated crops of kind {kind} for {number} real ones. Raise --pool."
            raise UserError(message)
        chosen.append(rng.choice(there, number, replace=False))
    return np.concatenate(chosen)
