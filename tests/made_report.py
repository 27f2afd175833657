"""A made-up report: 20 counted CTCs, two readers, a lost frame; and what may be missing from it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ctc_core.intervals import Interval, wilson
from ctc_core.report.content import (
    SCHEMA,
    Content,
    Counted,
    Neighbours,
    Picture,
    Reader,
    Reading,
    Sources,
    Subject,
    Trusted,
)
from ctc_core.store.reports import Signature
from tests.small_store import cell_crops

N = 20
SUBJECT = Subject(
    pseudonym="P-017",
    role="review",
    cartridge_id="171651.1.2",
    frames=175,
    lost_frames=((12, "cartid171651p012.tif ends in the middle of a page"),),
    odd_frames=((40, "all-black:ck"),),
    lost_events=(("r99", "the box lies outside the frame"),),
    cells=14702,
    notes=("The archive names no grid.",),
)
COUNTED = Counted(
    confirmed=N,
    confirmed_on_events=14,
    cellsearch_assigned=16,
    cellsearch_events=210,
    volume_ml=7.5,
    cut_off=5,
    per_7_5_ml=20.0,
    concentration=Interval(21.4, 13.2, 32.8),
    p_draw=0.998,
    p_patient=0.996,
    unseen=0.6,
    unseen_bound=2.0,
    found_below=1,
    sentences=("The interval rests on Poisson sampling of the draw, the readers' errors and the expected misses.",),
)
READING = Reading(
    threshold=0.5,
    shown=64,
    only_events=171,
    decided=230,
    undecided=5,
    conflicts=1,
    model_ppv=wilson(19, 64),
    cellsearch_ppv=wilson(16, 210),
    readers=(
        Reader("Anna Müller", 230, "2026-11-20", "2026-11-21"),
        Reader("Łukasz Ōno <lab>", 25, "2026-11-21", "2026-11-21"),
    ),
    agreement="kappa 0.84 (95 % interval 0.60 to 0.97), 2 readers on 25 cells",
)
TRUSTED = Trusted((50, 10, 4), (12000, 2000, 702), Interval(31.2, 20.0, 44.0), Interval(1.4, 0.0, 5.0), True, 402)
SOURCES = Sources(
    segmenter_id="ctc-ck-v3-0123456789ab",
    encoder_id="xcit-dino-v3-0123456789ab",
    classifier_id="svm-0123456789ab",
    classifier_sha256="ab" * 32,
    map_id="map-0123456789ab",
    map_bundle="map-0123456789abcdef",
    cartridge_bundle="cartridge-0123456789abcdef",
    manifest_sha256="cd" * 32,
    software="CTC review desk 0.1.0, code 0123456789ab",
)
SIGNATURE = Signature(
    version=2,
    name="Anna Müller",
    reason="All candidates read twice; <b>conflicts</b> & doubts settled.",
    signed="2026-11-23T10:12:00+00:00",
    content_id="ef" * 32,
    journal_entry=1234,
    journal_hash="01" * 32,
)


def picture(i: int) -> Picture:
    """The i-th counted CTC; every fifth is an event without a cell of ours."""
    lone, on_event = i % 5 == 4, i % 2 == 0
    return Picture(
        candidate_id=f"event:r{i}" if lone else f"171651.1.2-{i + 1:03d}-0512-0340",
        event_rid=f"r{i}" if lone or on_event else None,
        assigned=True if lone or on_event else None,
        frame=i + 1,
        y=512.0,
        x=340.0 + i,
        diameter_um=None if lone else 12.4,
        probability=None if lone else 0.93,
        means=(None, None, None) if lone else (612.0, 905.0, 41.0),
        readers="Anna Müller, Łukasz Ōno <lab>",
    )


def content(n: int = N) -> Content:
    """A complete content with n counted CTCs."""
    pictures = tuple(picture(i) for i in range(n))
    counted = replace(COUNTED, confirmed=n, confirmed_on_events=n // 2)
    return Content(
        SCHEMA, SUBJECT, counted, READING, TRUSTED, "", ("The classifier was fitted again.",), pictures, (), SOURCES
    )


def close_content() -> Content:
    """Six counted CTCs, of which two pairs may be one cell each."""
    first, second, *_, fifth, sixth = (picture(i).candidate_id for i in range(6))
    return replace(content(6), neighbours=(Neighbours(fifth, sixth, 0.42), Neighbours(first, second, 6.58)))


def crops(n: int = N) -> dict[str, np.ndarray]:
    """Pictures for `content(n)`."""
    made = cell_crops(n, np.random.default_rng(3))
    return {picture(i).candidate_id: crop for i, crop in enumerate(made)}


def bare_content() -> Content:
    """Nothing decided, no classifier, no map, no event."""
    return Content(
        SCHEMA,
        replace(SUBJECT, lost_frames=(), odd_frames=(), lost_events=(), notes=(), frames=6, cells=0),
        replace(
            COUNTED, confirmed=0, confirmed_on_events=0, cellsearch_assigned=0, cellsearch_events=0, per_7_5_ml=0.0,
            concentration=None, p_draw=None, p_patient=None, unseen=None, unseen_bound=None, sentences=(),
        ),
        Reading(0.5, 0, 0, 0, 0, 0, None, None, (), "no cell of this cartridge was read by two people"),
        None,
        "There is no map yet. Build one: python -m ctc_core map, or on the Reliability page.",
        (),
        (),
        (),
        replace(SOURCES, classifier_id=None, classifier_sha256=None, map_id=None, map_bundle=None),
    )  # fmt: skip
