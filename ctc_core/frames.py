"""What one frame gives: its cells, their crops and vectors, and the crops of CellSearch's events on it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ctc_core.arithmetic import Arithmetic
from ctc_core.cartridge import Cartridge
from ctc_core.errors import FrameError
from ctc_core.lanes import in_lanes
from ctc_core.parts import Part, Parts
from ctc_core.segment import FindsCells, crop, segment_frame
from ctc_core.types import CROP_PX, EMBEDDING_DIM, Event, Frame

if TYPE_CHECKING:
    from ctc_core.networks import Networks

Computed = tuple[Part, pd.DataFrame, dict[str, NDArray[Any]]]
Counts = Generator[tuple[int, str], None, None]
"""How many frames are finished by now, and what to say."""
Say = Callable[[str], None]
"""Takes what there is to say while one waits; may raise `Cancelled`."""


class Embeds(Protocol):
    """What a frame needs of an encoder."""

    @property
    def id(self) -> str:
        """Name and hash."""

    def embed(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Vectors (n, 128) of crops (n, 3, 48, 48)."""


class ComputesFrames(Protocol):
    """Who makes parts of frames: this process, or a cluster."""

    @property
    def segmenter_id(self) -> str:
        """Name and hash."""

    @property
    def encoder_id(self) -> str:
        """Name and hash."""

    def agree(self, say: Say) -> Arithmetic:
        """What it computes with, all of it alike; may have to wait for somebody who computes."""

    def frames(self, cartridge: Cartridge, parts: Parts, numbers: Sequence[int]) -> Counts:
        """Put frames into `parts`; tells now and then how many are finished, and what to say. Whoever stops asking
        ends it.
        """


@dataclass(frozen=True)
class Here:
    """The networks of this process. More lanes than one need networks that several threads may call."""

    segmenter: FindsCells
    embedder: Embeds
    lanes: int = 1
    made_with: Arithmetic = field(default_factory=dict)

    @classmethod
    def of(cls, networks: Networks) -> Here:
        """With the networks that a process keeps."""
        return cls(networks.segmenter, networks.embedder, networks.lanes, networks.arithmetic)

    @property
    def segmenter_id(self) -> str:
        return self.segmenter.id

    @property
    def encoder_id(self) -> str:
        return self.embedder.id

    def agree(self, say: Say) -> Arithmetic:
        return self.made_with

    def frames(self, cartridge: Cartridge, parts: Parts, numbers: Sequence[int]) -> Counts:
        """As `ComputesFrames.frames`: one after the other, as they are finished."""

        def compute(number: int) -> int:
            parts.add(number, *compute_frame(cartridge, number, self.segmenter, self.embedder))
            return number

        for done, number in enumerate(in_lanes(compute, numbers, self.lanes), 1):
            yield done, f"Frame {number}"


def compute_frame(cartridge: Cartridge, number: int, segmenter: FindsCells, embedder: Embeds) -> Computed:
    """What `Parts.add` takes; a frame that cannot be used is quarantined. Raises `CartridgeError` as `read` does."""
    events = [event for event in cartridge.events if event.frame == number]
    try:
        frame = cartridge.read(number)
    except FrameError as error:
        arrays: dict[str, NDArray[Any]] = {"crops": _black(0), "vectors": _no_vectors(), "events": _black(len(events))}
        return Part(number, "quarantined", error.reason, (), 0), pd.DataFrame(), arrays
    cells, crops = segment_frame(frame, segmenter)
    vectors = embedder.embed(crops) if len(crops) else _no_vectors()
    arrays = {"crops": crops, "vectors": vectors, "events": _event_crops(frame, events)}
    return Part(number, "read", "", frame.flags, len(cells)), cells, arrays


def _no_vectors() -> NDArray[np.float32]:
    return np.zeros((0, EMBEDDING_DIM), np.float32)


def _black(n: int) -> NDArray[np.uint8]:
    return np.zeros((n, 3, CROP_PX, CROP_PX), np.uint8)


def _event_crops(frame: Frame, events: list[Event]) -> NDArray[np.uint8]:
    centres = np.array([event.box.centre for event in events], float).reshape(-1, 2)
    return crop(frame, centres)
