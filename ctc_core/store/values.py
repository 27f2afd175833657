"""What the store hands out besides tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class ModelRecord:
    """A model that the store knows; its files are in `folder`."""

    model_id: str
    kind: str
    folder: Path
    parameters: Mapping[str, Any]
    active: bool
    created: datetime
    """UTC, without a zone."""


class Said(NamedTuple):
    """What the readers of a cell or an event say together."""

    label: str | None
    """A `Label` value; None: they do not agree."""
    reader: str
    """Who: "ann, bob", or "ann, bob disagree"."""
    time: datetime
    """Of the last word; UTC, without a zone."""


@dataclass(frozen=True)
class TrainingPool:
    """Labelled cells with their vectors, row by row."""

    cell_ids: tuple[str, ...]
    vectors: NDArray[np.float32]
    """(n, 128)"""
    labels: NDArray[np.int64]
    """(n,) 1 = CTC, 0 = anything else"""
    patients: NDArray[np.str_]
    """(n,) pseudonyms"""


@dataclass(frozen=True)
class Pool:
    """Unlabelled cells that may be asked for, row by row, ordered by cell_id."""

    cell_ids: tuple[str, ...]
    vectors: NDArray[np.float32]
    """(n, 128)"""
    cartridge_ids: NDArray[np.str_]
    """(n,)"""


@dataclass(frozen=True, kw_only=True)
class RoundDraft:
    """What a round shall ask, in this order. Tuples are one value per cell, or empty where nothing is known."""

    encoder_id: str
    strategy: str
    cell_ids: tuple[str, ...]
    reasons: tuple[str, ...] = ()
    """Why this cell, in one plain sentence."""
    clusters: tuple[int, ...] = ()
    """-1 is background."""
    probabilities: tuple[float, ...] = ()
    """P(CTC) by the present classifier; NaN: not scored."""
    blind: tuple[bool, ...] = ()
    """A second reading of a cell that somebody else has read; nobody is told what was said."""
    map_id: str | None = None
    cluster: int | None = None
    """The one cluster that was chosen, if one was."""
    predicted: int | None = None
    """The one predicted class that was chosen (1 CTC, 0 other), if one was."""
    summary: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """JSON values."""
    model_before: str | None = None
    run_id: str | None = None
    """The run that this round continues; None begins one."""
    minutes: float | None = None
    """Timer; None: none."""


@dataclass(frozen=True)
class Round:
    """One round of relabelling. Times are UTC, without a zone."""

    round_id: str
    run_id: str
    number: int
    """1, 2, 3 ... within the run, abandoned rounds included."""
    encoder_id: str
    map_id: str | None
    strategy: str
    cluster: int | None
    predicted: int | None
    summary: str
    parameters: Mapping[str, Any]
    reader: str
    model_before: str | None
    model_after: str | None
    state: str
    """open, finished or abandoned"""
    opened: datetime
    finished: datetime | None
    """When it was finished or abandoned."""
    minutes: float | None
    """Timer; None: none."""
    items: int
    labelled: int
    """Items with a decision of the round's reader, made while it was open and not withdrawn in it."""
    minutes_used: float | None
    """From the first to the last of these decisions; None: there was none."""
