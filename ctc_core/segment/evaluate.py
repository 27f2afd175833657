"""How good the outlines are: average precision and F1 on real nuclei, matched share by kind on simulated frames."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ctc_core.segment.dataset import DIAMETER_PX, Sample, diameters, label_image, load_nuclei, rescale, simulated
from ctc_core.segment.outlines import Outlines
from ctc_core.segment.stardist import Segmenter, normalise, test_image
from ctc_core.types import Progress, silent

IOU_THRESHOLDS = (0.5, 0.7, 0.9)

RESAMPLES = 1000
"""Bootstrap resamples of the images for the interval of AP and F1."""

COLUMNS = ("data", "kind", "images", "objects", "figure", "value", "low", "high")


def evaluate(
    segmenter: Segmenter, nuclei: Path | None = None, *, seed: int = 0, frames: int = 30, progress: Progress = silent
) -> pd.DataFrame:
    """Every figure of the model card, one row each, columns `COLUMNS`; low..high is a 95 % interval.

    `nuclei`: .npz of which the held-back part is used (`seed`: that of the training); None leaves it out. `frames`:
    simulated frames, each of a patient that training and validation never saw. Figures: AP and F1 at three IoU
    thresholds (interval: bootstrap over images, NaN for a single image). Shares of objects (interval: Wilson):
    `found`, those with an outline of their own at that IoU, and `reviewed` (see `reviewed`). Of simulated CTCs also
    `hidden`, the share that brighter objects cover; they have no outline to see and are in no other figure.
    """
    sets: dict[str, list[Sample]] = {"held-back nuclei": load_nuclei(nuclei, "held-back", seed=seed)} if nuclei else {}
    sets["StarDist test image"] = [stardist_test_image()]
    sets["simulated"] = simulated("evaluation", frames)
    total, done, tables = sum(map(len, sets.values())), 0, []
    for data, samples in sets.items():
        found = []
        for sample in samples:
            found.append(segmenter.outlines(sample.image))
            done += 1
            progress(done, total, data)
        tables.append(figures(data, found, samples))
    return pd.concat(tables, ignore_index=True)


def stardist_test_image(diameter_px: float = DIAMETER_PX) -> Sample:
    """The labelled fluorescence image that comes with StarDist, rescaled so that its median nucleus fits; never
    trained on.
    """
    original, truth = test_image()
    image, labels = rescale(original, truth, diameter_px / float(np.median(diameters(truth))))
    return Sample("stardist.data.test_image_nuclei_2d", normalise(image), labels)


def figures(data: str, found: Sequence[Outlines], samples: Sequence[Sample]) -> pd.DataFrame:
    """AP, F1 and found share of one set of images; found share by kind, too, where kinds are known. Columns
    `COLUMNS`.
    """
    overlap = [
        overlaps(s.labels, label_image(one.polygons, s.labels.shape)) for one, s in zip(found, samples, strict=True)
    ]
    present = [
        np.bincount(s.labels.ravel(), minlength=len(o) + 1)[1:] > 0 for o, s in zip(overlap, samples, strict=True)
    ]
    rows: list[tuple[object, ...]] = []
    for threshold in IOU_THRESHOLDS:
        hits = [matched(iou, threshold)[here] for iou, here in zip(overlap, present, strict=True)]
        counts = np.array([_counts(hit, len(one)) for hit, one in zip(hits, found, strict=True)])
        objects = int(sum(map(len, hits)))
        for name, score in (("AP", precision), ("F1", f1)):
            interval = score(counts.sum(axis=0)), *_bootstrap(counts, score)
            rows.append((data, "all", len(samples), objects, f"{name}@{threshold}", *interval))
        rows += _shares(data, f"found@{threshold}", hits, present, samples)
    seen = [reviewed(one, s.labels)[here] for one, s, here in zip(found, samples, present, strict=True)]
    rows += [*_shares(data, "reviewed", seen, present, samples), *_hidden(data, samples)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _shares(
    data: str,
    figure: str,
    hits: Sequence[NDArray[np.bool_]],
    present: Sequence[NDArray[np.bool_]],
    samples: Sequence[Sample],
) -> Iterator[tuple[object, ...]]:
    """A row for each kind: its share of hits."""
    for kind, hit in _by_kind(hits, present, samples):
        yield data, kind, len(samples), len(hit), figure, *_share(int(hit.sum()), len(hit))


def _hidden(data: str, samples: Sequence[Sample]) -> Iterator[tuple[object, ...]]:
    """How many of all CTCs brighter objects hide; no row where there are no kinds."""
    if samples[0].kinds:
        ctcs = [kind for s in samples for kind in np.array(s.kinds)[np.unique(s.labels)[1:] - 1] if kind[:3] == "ctc"]
        hidden = sum(s.hidden for s in samples)
        yield data, "ctc", len(samples), hidden + len(ctcs), "hidden", *_share(hidden, hidden + len(ctcs))


def _by_kind(
    hits: Sequence[NDArray[np.bool_]], present: Sequence[NDArray[np.bool_]], samples: Sequence[Sample]
) -> Iterable[tuple[str, NDArray[np.bool_]]]:
    """(kind, hit or miss of each of its objects): all, all CTCs, then every kind by name."""
    hit = np.concatenate(list(hits))
    yield "all", hit
    if not samples[0].kinds:
        return
    kinds = np.concatenate([np.array(s.kinds[: len(here)])[here] for s, here in zip(samples, present, strict=True)])
    yield "ctc", hit[np.char.startswith(kinds, "ctc")]
    for kind in np.unique(kinds):
        yield str(kind), hit[kinds == kind]


def _share(hits: int, n: int) -> tuple[float, float, float]:
    """Share and its Wilson interval; NaN where there is nothing to count."""
    from scipy.stats import binomtest

    if n == 0:
        return np.nan, np.nan, np.nan
    interval = binomtest(hits, n).proportion_ci(method="wilson")
    return hits / n, float(interval.low), float(interval.high)


def _bootstrap(counts: NDArray[np.int64], score: Callable[[NDArray[np.int64]], float]) -> tuple[float, float]:
    """95 % interval of `score` of the summed counts (images, 3), over resampled images."""
    if len(counts) < 2:
        return np.nan, np.nan
    drawn = np.random.default_rng(0).integers(len(counts), size=(RESAMPLES, len(counts)))
    low, high = np.percentile([score(counts[rows].sum(axis=0)) for rows in drawn], (2.5, 97.5))
    return float(low), float(high)


# --- matching --------------------------------------------------------------------------------------------------------


def overlaps(truth: NDArray[np.int32], found: NDArray[np.int32]) -> NDArray[np.float64]:
    """Intersection over union of every true with every found object, (n_true, n_found); label images numbered 1..n."""
    n_true, n_found = int(truth.max()), int(found.max())
    shared = np.bincount(
        (truth.astype(np.int64) * (n_found + 1) + found).ravel(), minlength=(n_true + 1) * (n_found + 1)
    )
    counts = shared.reshape(n_true + 1, n_found + 1).astype(float)
    union = counts.sum(axis=1)[1:, None] + counts.sum(axis=0)[None, 1:] - counts[1:, 1:]
    iou: NDArray[np.float64] = np.divide(counts[1:, 1:], union, out=np.zeros_like(union), where=union > 0)
    return iou


def matched(iou: NDArray[np.float64], threshold: float) -> NDArray[np.bool_]:
    """Which true objects (n_true,) have a found object of their own with at least this IoU.

    One-to-one; as many pairs as possible, and among those the best overlap (StarDist's `matching` decides the same
    way).
    """
    from scipy.optimize import linear_sum_assignment

    worth = (iou >= threshold) + iou / (2 * max(min(iou.shape), 1))
    rows, columns = linear_sum_assignment(worth, maximize=True)
    hit = np.zeros(iou.shape[0], bool)
    hit[rows] = iou[rows, columns] >= threshold
    return hit


def reviewed(found: Outlines, labels: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Which objects of a label image 1..n (n,) a reviewer gets to see: those that hold the centre of a found outline.

    A crop of 48 px is centred on its outline, so that such an object is in the middle of it whatever the outline is
    worth. A centre lies in one object at most, so no outline counts for two. It says nothing about the outline: for
    that there is the share found at an IoU.
    """
    seen = np.zeros(int(labels.max()) + 1, bool)
    y, x = np.rint(found.centroids).astype(int).T
    seen[labels[y, x]] = True
    return seen[1:]


def average_precision(
    found: Sequence[Outlines], samples: Sequence[Sample], thresholds: Sequence[float] = IOU_THRESHOLDS
) -> dict[float, float]:
    """StarDist's average precision TP / (TP + FP + FN), all objects of all images together, at each IoU threshold."""
    total = {threshold: np.zeros(3, np.int64) for threshold in thresholds}
    for one, sample in zip(found, samples, strict=True):
        iou = overlaps(sample.labels, label_image(one.polygons, sample.labels.shape))
        present = np.bincount(sample.labels.ravel(), minlength=len(iou) + 1)[1:] > 0
        for threshold in thresholds:
            total[threshold] += _counts(matched(iou, threshold)[present], len(one))
    return {threshold: precision(counts) for threshold, counts in total.items()}


def _counts(hits: NDArray[np.bool_], found: int) -> NDArray[np.int64]:
    """(true positives, false positives, false negatives) of one image."""
    true = int(hits.sum())
    return np.array([true, found - true, len(hits) - true])


def precision(counts: NDArray[np.int64]) -> float:
    """StarDist's average precision of (true positives, false positives, false negatives); 1 where there was nothing
    to find.
    """
    return float(counts[0] / counts.sum()) if counts.sum() else 1.0


def f1(counts: NDArray[np.int64]) -> float:
    """F1 of (true positives, false positives, false negatives); 1 where there was nothing to find."""
    return float(2 * counts[0] / (counts[0] + counts.sum())) if counts.sum() else 1.0
