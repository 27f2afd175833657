"""Average precision, F1 and matching against StarDist's own implementation, and literals for the rest."""

import numpy as np
import pandas as pd
import pytest
from stardist.matching import matching, matching_dataset

from ctc_core.segment.dataset import Sample, label_image
from ctc_core.segment.evaluate import COLUMNS, average_precision, figures, matched, overlaps, reviewed
from ctc_core.segment.outlines import Outlines, empty_outlines
from ctc_core.segment.tables import lines

SHAPE = (90, 110)


def discs(centres: np.ndarray, radius: np.ndarray) -> np.ndarray:
    angle = np.linspace(0, 2 * np.pi, 32, endpoint=False)
    around = radius[:, None, None] * np.stack([np.sin(angle), np.cos(angle)], axis=1)
    return (centres[:, None] + around).astype(np.float32)


def scene(seed: int) -> tuple[Outlines, Sample]:
    """Discs, and what a clumsy segmenter found: moved, of other size, some lost, some invented."""
    rng = np.random.default_rng(seed)
    centres, radius = rng.uniform(5, 85, (14, 2)), rng.uniform(4, 9, 14)
    truth = label_image(discs(centres, radius), SHAPE)
    moved = np.concatenate([centres[2:] + rng.normal(0, 1.5, (12, 2)), rng.uniform(5, 85, (3, 2))])
    polygons = discs(moved, np.concatenate([radius[2:] * rng.uniform(0.8, 1.2, 12), [5, 6, 7]]))
    return Outlines(moved.astype(np.float32), polygons, np.linspace(0.9, 0.5, 15, dtype=np.float32)), Sample(
        f"scene {seed}", np.zeros(SHAPE, np.float32), truth
    )


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.7, 0.9])
def test_average_precision_is_stardists(threshold):
    found, samples = zip(*(scene(seed) for seed in range(6)), strict=True)
    predicted = [label_image(one.polygons, SHAPE) for one in found]
    oracle = matching_dataset([s.labels for s in samples], predicted, thresh=threshold, show_progress=False)
    assert average_precision(found, samples, (threshold,)) == {threshold: pytest.approx(oracle.accuracy)}


@pytest.mark.parametrize("seed", range(5))
def test_matched_objects_are_stardists(seed):
    found, sample = scene(seed)
    predicted = label_image(found.polygons, SHAPE)
    for threshold in (0.5, 0.7):
        hits = matched(overlaps(sample.labels, predicted), threshold)
        oracle = matching(sample.labels, predicted, thresh=threshold, report_matches=True)
        true = [
            pair for pair, score in zip(oracle.matched_pairs, oracle.matched_scores, strict=True) if score >= threshold
        ]
        assert (np.flatnonzero(hits) + 1).tolist() == sorted(number for number, _ in true)


def test_overlaps_of_known_squares():
    truth, found = np.zeros((2, 10, 10), np.int32)
    truth[0:4, 0:4], truth[6:8, 6:8], found[0:4, 2:6] = 1, 2, 1
    assert overlaps(truth, found).tolist() == [[pytest.approx(8 / 24)], [0.0]]


def test_one_outline_never_counts_for_two_objects():
    assert matched(np.array([[0.6], [0.8]]), 0.5).tolist() == [False, True]
    assert matched(np.array([[0.6, 0.0], [0.8, 0.55]]), 0.5).tolist() == [True, True]
    assert matched(np.empty((2, 0)), 0.5).tolist() == [False, False]


def test_label_image_puts_the_first_on_top_and_keeps_numbers():
    square = np.array([[1, 1], [1, 4], [4, 4], [4, 1]])
    aside = square + np.array([0, 20])
    labels = label_image([square, square + 2, aside], (8, 8))
    assert labels[4, 4] == 1 and labels[5, 5] == 2 and labels.max() == 2


def test_figures_of_a_small_set():
    polygons = discs(np.array([[20.0, 20], [60, 60], [20, 80]]), np.full(3, 8.0))
    sample = Sample("", np.zeros(SHAPE, np.float32), label_image(polygons, SHAPE), ("ctc ring", "ctc dim", "debris"))
    found = Outlines(np.zeros((2, 2), np.float32), polygons[[0, 2]], np.ones(2, np.float32))
    table = figures("made up", [found, empty_outlines()], [sample, sample])
    assert tuple(table.columns) == COLUMNS
    at_half = table[table["figure"].str.endswith("@0.5")].set_index(["kind", "figure"])
    assert at_half.loc[("all", "AP@0.5"), "value"] == pytest.approx(2 / 6)
    assert at_half.loc[("all", "F1@0.5"), "value"] == pytest.approx(4 / 8)
    shares = at_half.xs("found@0.5", level="figure")[["objects", "value"]]
    assert shares.to_dict("index") == {
        "all": {"objects": 6, "value": pytest.approx(1 / 3)},
        "ctc": {"objects": 4, "value": 0.25},
        "ctc dim": {"objects": 2, "value": 0.0},
        "ctc ring": {"objects": 2, "value": 0.5},
        "debris": {"objects": 2, "value": 0.5},
    }
    # Wilson (1927) for 1 of 4: 4.56 % to 69.94 %.
    assert at_half.loc[("ctc", "found@0.5"), ["low", "high"]].tolist() == pytest.approx([0.0456, 0.6994], abs=1e-4)


def test_nothing_to_find_and_nothing_found_is_perfect():
    blank = Sample("", np.zeros(SHAPE, np.float32), np.zeros(SHAPE, np.int32))
    assert average_precision([empty_outlines()], [blank], (0.5,)) == {0.5: 1.0}


def test_reviewed_is_what_holds_the_centre_of_an_outline_however_bad_the_outline():
    labels = np.zeros(SHAPE, np.int32)
    labels[10:30, 10:30], labels[10:30, 40:60], labels[50:70, 10:30] = 1, 2, 3
    centres = np.array([[20, 14], [15, 20], [35, 50], [29.4, 40]], np.float32)
    found = Outlines(centres, discs(centres.astype(float), np.full(4, 3.0)), np.ones(4, np.float32))
    assert reviewed(found, labels).tolist() == [True, True, False]
    assert reviewed(empty_outlines(), labels).tolist() == [False] * 3


def test_hidden_ctcs_are_reported_and_in_no_other_figure():
    polygons = discs(np.array([[20.0, 20], [60, 60]]), np.full(2, 8.0))
    sample = Sample("", np.zeros(SHAPE, np.float32), label_image(polygons, SHAPE), ("ctc ring", "debris"), hidden=1)
    found = Outlines(np.array([[20, 20], [60, 60]], np.float32), polygons, np.ones(2, np.float32))
    table = figures("made up", [found], [sample]).set_index(["figure", "kind"])
    assert table.loc[("hidden", "ctc"), ["objects", "value"]].tolist() == [2, 0.5]
    assert table.loc[("reviewed", "ctc"), ["objects", "value"]].tolist() == [1, 1.0]
    assert table.loc[("found@0.9", "ctc"), "objects"] == 1


def test_a_set_without_a_ctc_has_no_share_of_them():
    polygons = discs(np.array([[20.0, 20]]), np.full(1, 8.0))
    sample = Sample("", np.zeros(SHAPE, np.float32), label_image(polygons, SHAPE), ("debris",))
    table = figures("made up", [empty_outlines()], [sample]).set_index(["figure", "kind"])
    assert table.loc[("reviewed", "ctc"), "objects"] == 0
    assert table.loc[("reviewed", "ctc"), ["value", "low", "high"]].isna().all()


def test_the_printed_tables():
    rows = [
        ("real", "all", 2, 30, "AP@0.5", 0.8, 0.7, 0.9),
        ("real", "all", 2, 30, "found@0.5", 0.9, 0.85, 0.95),
        ("real", "all", 2, 30, "reviewed", 1.0, 0.9, 1.0),
        ("simulated", "ctc", 1, 5, "found@0.5", np.nan, np.nan, np.nan),
        ("simulated", "ctc", 1, 5, "hidden", 0.2, 0.1, 0.5),
    ]
    assert lines(pd.DataFrame(rows, columns=list(COLUMNS))) == [
        "data  images  objects  AP@0.5               AP@0.7  AP@0.9  F1@0.5",
        "real  2       30       0.800 (0.700-0.900)",
        "",
        "data       kind  objects  found@0.5            found@0.7  reviewed",
        "real       all   30       0.900 (0.850-0.950)             1.000 (0.900-1.000)",
        "simulated  ctc   5        -",
        "",
        "found: an outline of its own at that IoU. reviewed: the centre of an outline lies in it. Interval 95 %.",
        "Of 5 CTCs (simulated) 1 lie under brighter objects: no outline to see, in no other figure.",
    ]
