"""Average precision, F1 and matching against StarDist's own implementation, and literals for the rest."""

import numpy as np
import pytest
from stardist.matching import matching, matching_dataset

from ctc_core.segment.dataset import Sample, label_image
from ctc_core.segment.evaluate import COLUMNS, average_precision, figures, matched, overlaps
from ctc_core.segment.outlines import Outlines, empty_outlines

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
