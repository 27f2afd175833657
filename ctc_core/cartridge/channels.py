"""What each page of a frame shows: by the filter's name first, by its position second.

CK and CD45 decide between a CTC and a leukocyte, so nothing here guesses: what cannot be told apart is refused.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ctc_core.cartridge.files import Unfit
from ctc_core.types import CROP_CHANNELS, Channel

BY_POSITION = (Channel.DAPI, Channel.MARKER, Channel.CK, Channel.CD45)
"""CellTracks' page order; every further page is a marker."""

_TARGETS = {
    Channel.DAPI: re.compile(r"DAPI|DNA|NUC(LEUS|LEAR|LEI)?|HOECHST"),
    Channel.CK: re.compile(r"(PAN)?CKS?\d*|(CYTO)?KERATINS?\d*"),
    Channel.CD45: re.compile(r"CD45"),
    Channel.MARKER: re.compile(
        r"EMPTY|HER2|PDL1|EGFR|AR|ARV7|MUC1|VIM(ENTIN)?|IGF1R|BCL2|M30|MARKER\d*|CD(?!45$)\d+[A-Z]?"
    ),
}
"""What the stain binds to. Stronger than the fluorochrome where a name holds both."""

_FLUOROCHROMES = {
    Channel.CK: re.compile(r"PE"),
    Channel.CD45: re.compile(r"APC"),
    Channel.MARKER: re.compile(r"FITC|FLU|FLUORESCEIN"),
}


@dataclass(frozen=True)
class Roles:
    """Channel and name of each page."""

    channels: tuple[Channel, ...]
    names: tuple[str, ...]
    notes: tuple[str, ...]


def named_channel(name: str) -> Channel | None:
    """Channel that a filter name stands for; None where the name says nothing or contradicts itself."""
    words = re.split(r"[^A-Z0-9]+", re.sub(r"PD-?L-?1", "PDL1", re.sub(r"HER-?2(NEU)?", "HER2", name.upper())))
    for table in (_TARGETS, _FLUOROCHROMES):
        found = {channel for channel, pattern in table.items() if any(map(pattern.fullmatch, words))}
        if found:
            return found.pop() if len(found) == 1 else None
    return None


def resolve(names: Sequence[str], pages: int) -> Roles:
    """Channels of `pages` pages from the filter names there are (in page order, may be fewer or empty strings).

    Raises `Unfit` where DAPI, CK or CD45 is missing or named twice, or there are more names than pages.
    """
    if len(names) > pages:
        raise Unfit(f"the XML names {len(names)} filters, but the frames have {pages} pages")
    if not any(names) and pages < len(BY_POSITION):
        raise Unfit(f"the frames have {pages} pages and no filter names say what they show")
    full = [*names, *[""] * (pages - len(names))]
    by_name = [named_channel(name) for name in full]
    by_position = [BY_POSITION[i] if i < len(BY_POSITION) else Channel.MARKER for i in range(pages)]
    channels = [name or _unclaimed(place, by_name) for name, place in zip(by_name, by_position, strict=True)]
    _check(channels)
    labels = tuple(name or channel.value.upper() for name, channel in zip(full, channels, strict=True))
    return Roles(tuple(channels), labels, _notes(full, by_name, by_position, channels))


def _unclaimed(place: Channel, by_name: list[Channel | None]) -> Channel:
    """A page without a telling name gets its position's channel, unless a name gave that channel to another page."""
    return Channel.MARKER if place in by_name else place


def _check(channels: list[Channel]) -> None:
    counts = Counter(channels)
    for channel in CROP_CHANNELS:
        if counts[channel] != 1:
            raise Unfit(f"{counts[channel] or 'no'} pages show {channel.value.upper()}, exactly one is needed")


def _notes(
    names: list[str], by_name: list[Channel | None], by_position: list[Channel], channels: list[Channel]
) -> tuple[str, ...]:
    notes = [
        f"page {i} is named {name[:40]!r} and is read as {told.value.upper()}, although page {i} usually shows "
        f"{place.value.upper()}: the name was followed, please check one cell"
        for i, (name, told, place) in enumerate(zip(names, by_name, by_position, strict=True), start=1)
        if told not in (None, place)
    ]
    notes += [
        f"the name {name[:40]!r} of page {i} does not tell its stain; read as {channel.value.upper()} by its position"
        for i, (name, told, channel) in enumerate(zip(names, by_name, channels, strict=True), start=1)
        if name and told is None and channel is not Channel.MARKER
    ]
    return tuple(notes)
