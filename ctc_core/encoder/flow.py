"""Single cells of an imaging flow cytometer: a file of tiles with phase and experiment, brought to the encoder's input.

Made for the cells of Blasi et al. (2016, Nat. Commun. 7:10256) as minh-doan/MLCP gives them: bright field, DNA stain,
dark field. Question: mitotic (prophase to telophase) or not.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ctc_core.encoder.classical import LEAST_PX
from ctc_core.errors import ModelError
from ctc_core.types import CROP_PX

MITOTIC = ("prophase", "metaphase", "anaphase", "telophase")
OTHER = ("g1", "s_phase", "g2")

CHANNELS = (1, 0, 2)
"""DNA stain, bright field, dark field where the encoder was trained on DAPI, CK, CD45: DNA is DNA."""

PERCENTILES = (0.1, 99.9)
"""Of a channel's grey values, to 0 and 255: what lies beyond is a handful of hot pixels."""

SPLIT_SEED = 0
"""One split for all: an encoder adapted to the unlabelled tiles of one half is tested on the other."""

Tiles = NDArray[np.uint16]


@dataclass(frozen=True)
class FlowCells:
    """Cells row by row."""

    tiles: Tiles
    """(n, 3, edge, edge) bright field, DNA stain, dark field; 12-bit counts."""
    mitotic: NDArray[np.bool_]
    experiment: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.tiles)

    def mixed(self) -> NDArray[np.bool_]:
        """(n,) cells of experiments that hold both classes: there the look of an experiment gives nothing away."""
        both = np.intersect1d(self.experiment[self.mitotic], self.experiment[~self.mitotic])
        return np.isin(self.experiment, both)

    def strata(self) -> NDArray[np.str_]:
        """(n,) experiment and class in one word."""
        return np.array([f"{e} {m}" for e, m in zip(self.experiment, self.mitotic, strict=True)])

    def split(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows of the half that may be learned from, labelled or not, and of the half that is tested.

        Stratified by experiment and class. Not by experiment alone: in the public data one of the two holds nothing
        but G1 cells, so it can neither teach nor test what mitosis looks like.
        """
        part = parts(self.strata(), 2, seed=SPLIT_SEED)
        return np.flatnonzero(part == 0), np.flatnonzero(part == 1)


def load_flow(path: Path) -> FlowCells:
    """Read `tiles`, `phase` and `experiment` of an npz file.

    Raises:
        ModelError: not such a file, an array is missing or has another shape or type, an unknown phase, or one class.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            tiles, phase, experiment = (file[name] for name in ("tiles", "phase", "experiment"))
    except KeyError as error:
        message = f"{path}: has no {error.args[0]}. Give an .npz file with tiles, phase and experiment."
        raise ModelError(message) from error
    except (OSError, ValueError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        message = f"{path}: not flow cells ({error}). Give an .npz file with tiles, phase and experiment."
        raise ModelError(message) from error
    _check(path, tiles, phase, experiment)
    return FlowCells(tiles, np.isin(phase, MITOTIC), experiment)


def _check(path: Path, tiles: NDArray[np.generic], phase: NDArray[np.str_], experiment: NDArray[np.str_]) -> None:
    square = tiles.ndim == 4 and tiles.shape[1] == 3 and tiles.shape[2] == tiles.shape[3] >= LEAST_PX
    unknown = sorted({str(p) for p in phase.ravel()} - {*MITOTIC, *OTHER})
    mitotic = int(np.isin(phase, MITOTIC).sum())
    reason = ""
    if tiles.dtype != np.uint16 or not square:
        reason = f"tiles are {tiles.dtype} {tiles.shape}, not uint16 (n, 3, edge, edge) of at least {LEAST_PX} px"
    elif not phase.shape == experiment.shape == tiles.shape[:1]:
        reason = f"{len(tiles)} tiles, but phase is {phase.shape} and experiment {experiment.shape}"
    elif unknown:
        reason = f"unknown phases {', '.join(unknown)}"
    elif min(mitotic, len(tiles) - mitotic) < 4:
        reason = f"{mitotic} of {len(tiles)} cells are mitotic; a comparison needs at least 4 of either kind"
    if reason:
        message = f"{path}: {reason}. Give the cells with their phases: {', '.join((*OTHER, *MITOTIC))}."
        raise ModelError(message)


def parts(strata: NDArray[np.str_], n: int, *, seed: int) -> NDArray[np.int64]:
    """(len(strata),) part 0..n-1 of each row: random, and every stratum spread as evenly as can be."""
    shuffled = np.random.default_rng(seed).permutation(len(strata))
    order = shuffled[np.argsort(strata[shuffled], kind="stable")]
    part = np.empty(len(strata), np.int64)
    part[order] = np.arange(len(strata)) % n
    return part


@dataclass(frozen=True)
class Scale:
    """Grey values of each channel that become 0 and 1; the same for every tile."""

    low: NDArray[np.float32]
    high: NDArray[np.float32]

    @classmethod
    def fit(cls, tiles: Tiles) -> Scale:
        """From tiles of the half that may be learned from; needs no labels."""
        low, high = np.percentile(tiles, PERCENTILES, axis=(0, 2, 3)).astype(np.float32)
        return cls(low, np.maximum(high, low + 1))

    def pixels(self, tiles: Tiles) -> NDArray[np.float32]:
        """(n, 3, edge, edge) DNA, bright field, dark field; mostly within 0..1, nothing is cut off."""
        scaled = (tiles - self.low[:, None, None]) / (self.high - self.low)[:, None, None]
        return np.ascontiguousarray(scaled[:, CHANNELS], np.float32)

    def crops(self, tiles: Tiles) -> NDArray[np.uint8]:
        """(n, 3, 48, 48) uint8 as the encoder takes them: bilinear from the tile, cut off at 0 and 255."""
        from ctc_core._torch import nn, torch

        pixels = torch.from_numpy(self.pixels(tiles))
        wide = nn.functional.interpolate(pixels, size=(CROP_PX, CROP_PX), mode="bilinear", align_corners=False)
        return np.asarray((wide.clamp(0, 1) * 255).round().to(torch.uint8).numpy())
