"""The report's sentences: what its figures rest on, in plain words."""

from __future__ import annotations

from collections.abc import Iterator

from ctc_core.agreement import Agreement
from ctc_core.intervals import Interval, Proportion
from ctc_core.report.content import Content, Reading, Trusted

DISTINCT = "Whoever signed has looked at each pair that may be one cell counted twice, and counts two cells."
RESEARCH = "For research use only. Not for use in diagnostic procedures."


def proportion(value: Proportion | None) -> str:
    """A proportion with its interval."""
    if value is None:
        return "nothing decided yet"
    return f"{value.estimate:.3f} ({value.k} of {value.n}; 95 % interval {value.low:.3f} to {value.high:.3f})"


def interval(value: Interval | None, digits: int = 1) -> str:
    """A figure with its interval."""
    if value is None:
        return "not known"
    return f"{value.estimate:.{digits}f} ({value.low:.{digits}f} to {value.high:.{digits}f})"


def mean(value: Interval | None) -> str:
    """The patient's mean, beside the number that was confirmed: its interval is of what is estimated, not of that."""
    return f"mean {interval(value)}"


def percent(value: float | None) -> str:
    """A probability, never rounded to certainty."""
    if value is None:
        return "not known"
    if value > 0.99 or value < 0.01:
        return "over 99 %" if value > 0.5 else "under 1 %"
    return f"{100 * value:.0f} %"


def share(part: int, whole: int) -> str:
    """A count and its share."""
    return f"{part:,} of {whole:,}" + (f" ({100 * part / whole:.0f} %)" if whole else "")


def frames_read(content: Content) -> str:
    """How much of the cartridge the count covers."""
    subject = content.subject
    lost = len(subject.lost_frames)
    if not lost:
        return f"all {subject.frames} frames"
    are = "is" if lost == 1 else "are"
    return f"{subject.frames - lost} of {subject.frames} frames; {lost} could not be read and {are} not counted"


def counted_twice(content: Content) -> str:
    """Which counted CTCs may be one cell, by their numbers among the pictures; empty where none may."""
    if not content.neighbours:
        return ""
    number = {picture.candidate_id: i for i, picture in enumerate(content.pictures, start=1)}
    pairs = [
        f"{lower} and {higher} ({pair.distance_um:.1f} µm)"
        for pair in content.neighbours
        for lower, higher in [sorted((number[pair.first], number[pair.second]))]
    ]
    return (
        f"Perhaps counted twice: the counted CTCs {', '.join(pairs)} lie closer to each other than most CTCs are wide,"
        " and may show one cell. The count is not lowered for it."
    )


def basis(content: Content) -> Iterator[str]:
    """What the figures rest on, and what they do not cover."""
    yield (
        "A cell is counted as a CTC where a reader of this desk decided so after looking at its picture. The software "
        "proposes and sorts cells; it decides nothing. Each cell counts once, however many readers saw it."
    )
    yield _read(content.reading)
    if content.subject.lost_frames:
        yield (
            f"{len(content.subject.lost_frames)} of {content.subject.frames} frames could not be read. CTCs on them "
            "are not in the count, and no figure here makes up for them."
        )
    yield from content.counted.sentences
    yield (
        "CellSearch's count is the number of events that its operator assigned as CTC. It comes from the archive and "
        "is never changed here. Its predictive value divides that count by all events shown."
    )
    yield from _trust(content)
    yield (
        "Intervals of proportions are Wilson's. They treat cells as independent, and are too narrow where they are "
        "not. Error rates were measured on labelled test patients; how well they carry over to this patient is open."
    )


def _read(reading: Reading) -> str:
    if not reading.decided:
        return "Nothing has been decided yet: the count is 0 because nobody has read the cartridge."
    if reading.undecided:
        return (
            f"{reading.undecided} of {reading.decided + reading.undecided} candidates and events have not been "
            "decided. CTCs among them are not in the count."
        )
    return "All candidates and all CellSearch events were decided."


def _trust(content: Content) -> Iterator[str]:
    trusted = content.trusted
    if trusted is None:
        yield f"Nothing can be said of how reliable the classifier is on this draw. {content.why_not_trusted}"
        return
    if trusted.alarm:
        yield (
            f"{trusted.unlike} cells of this draw are unlike anything labelled, more than in an ordinary patient. "
            "Expected errors say nothing about such cells; look at them on the map."
        )
    if content.stale:
        yield f"Since the map was built: {' '.join(content.stale)}"


def below(content: Content) -> str:
    """What the map foresaw below the threshold, what was found there, and what is left of it."""
    trusted, counted = content.trusted, content.counted
    assert trusted is not None  # only asked where it is known
    foreseen = f"{interval(trusted.missed)}, 95 % interval; from the map, before reading. "
    found = f"Found there: {counted.found_below}, on CellSearch's events or among less certain cells. "
    left = "not known" if counted.unseen is None else f"{counted.unseen:.1f}"
    return f"{foreseen}{found}Not seen yet, images not read included: {left}."


def agreement(found: Agreement) -> str:
    """Kappa of two or more readers."""
    if found.kappa is None:
        return "no cell of this cartridge was read by two people" if not found.n else f"{found.n} cells, all alike"
    kappa = found.kappa
    whose = f"{found.readers} readers on {found.n} cells"
    return f"kappa {kappa.estimate:.2f} (95 % interval {kappa.low:.2f} to {kappa.high:.2f}), {whose}"


def areas(trusted: Trusted) -> tuple[tuple[str, str], ...]:
    """Where the draw's cells lie, as rows of a table."""
    shown, all_cells = sum(trusted.candidates), sum(trusted.cells)
    names = ("strong", "weak", "unknown")
    return tuple(
        (
            f"In {name} areas",
            f"{share(trusted.candidates[i], shown)} candidates; {share(trusted.cells[i], all_cells)} cells",
        )
        for i, name in enumerate(names)
    )
