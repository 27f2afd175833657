"""How nearly two ways of computing find the same cells and say the same of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ctc_core import classify
from ctc_core.bench.child import boxes
from ctc_core.cartridge import Cartridge
from ctc_core.encoder import Embedder, data
from ctc_core.segment import Segmenter
from ctc_core.segment.crops import page
from ctc_core.settings import Runtime, Settings
from ctc_core.simulate import render_crops
from ctc_core.types import Channel

Boxes = NDArray[np.floating[Any]]
"""(n, 4) y0, x0, y1, x1."""

SAME_IOU = 0.7
"""Boxes that overlap by this much are one cell, found twice."""

LEARNED, TESTED, PER_PATIENT = 640, 640, 32
"""Simulated crops that a classifier learns from and is measured on, and how many of each patient."""

CTC_SHARE = 0.4


def segmenters(settings: Settings, cartridge: Cartridge) -> dict[str, float]:
    """`same_cells` of the segmenter in the settings' runtime beside Keras in 32 bits, on all frames of an archive."""
    exact, fast = (
        Segmenter.load(settings.segmenter, threads=settings.threads, runtime=runtime)
        for runtime in (Runtime.EXACT, settings.runtime)
    )
    pages = [page(cartridge.read(number), Channel.CK) for number in cartridge.frame_numbers]
    found = [[boxes(segmenter.outlines(ck).polygons) for ck in pages] for segmenter in (exact, fast)]
    return same_cells(*found)


def same_cells(one: Sequence[Boxes], other: Sequence[Boxes]) -> dict[str, float]:
    """F1 of matched cells between boxes (n, 4) by frame, and how far the sides of the matched boxes lie apart, px."""
    matched, apart, total = 0, [np.zeros(0)], 0
    for a, b in zip(one, other, strict=True):
        rows, columns = _pairs(a, b)
        matched, total = matched + len(rows), total + len(a) + len(b)
        apart.append(np.abs(a[rows] - b[columns]).max(axis=1, initial=0))
    sides = np.concatenate(apart)
    return {
        "cells": sum(map(len, one)),
        "f1": 2 * matched / total if total else 1.0,
        "within_1_px": float((sides <= 1).mean()) if len(sides) else 1.0,
        "p99_px": float(np.quantile(sides, 0.99)) if len(sides) else 0.0,
    }


def _pairs(a: Boxes, b: Boxes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of boxes that are each other's best and overlap by `SAME_IOU`."""
    if not (len(a) and len(b)):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    low, high = np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = np.prod(np.maximum(high - low, 0), axis=2)
    areas = [np.prod(sides[:, 2:] - sides[:, :2], axis=1) for sides in (a, b)]
    iou = shared / np.maximum(areas[0][:, None] + areas[1][None] - shared, 1e-9)
    best = iou.argmax(axis=1)
    mutual = (iou.argmax(axis=0)[best] == np.arange(len(a))) & (iou.max(axis=1) >= SAME_IOU)
    return np.flatnonzero(mutual), best[mutual]


def same_vectors(settings: Settings) -> dict[str, float]:
    """`compare_encoders` of the encoder in the settings' runtime beside torch in 32 bits."""
    exact, fast = (
        Embedder.load(settings.encoder, threads=settings.threads, data_dir=settings.data_dir, runtime=runtime)
        for runtime in (Runtime.EXACT, settings.runtime)
    )
    return compare_encoders(exact, fast)


def compare_encoders(exact: Embedder, fast: Embedder, tested: int = TESTED) -> dict[str, float]:
    """Two ways of computing one encoder, on simulated crops nobody trained on.

    Returns:
        cosine_mean and cosine_min of centred vectors; f1_exact and f1 of a classifier fitted on the exact vectors of
        some patients, on others (threshold 0.5); p_max and p_mean, differences of P(CTC); calls that changed.
    """
    (known, labels), (crops, truth) = (_crops(part, n) for part, n in enumerate((LEARNED, tested)))
    ids = [f"{k:05d}" for k in range(len(known))]
    classifier = classify.fit(exact.embed(known), labels, ids, encoder_id=exact.id)
    vectors, others = exact.embed(crops), fast.embed(crops)
    said, said_fast = (classifier.probabilities(part) for part in (vectors, others))
    scores, scores_fast = (classify.evaluate(part, truth) for part in (said, said_fast))
    assert scores is not None and scores_fast is not None
    cosines = _cosines(vectors - vectors.mean(axis=0), others - vectors.mean(axis=0))
    difference = np.abs(said - said_fast)
    return {
        "crops": len(crops),
        "cosine_mean": float(cosines.mean()),
        "cosine_min": float(cosines.min()),
        "f1_exact": scores.f1,
        "f1": scores_fast.f1,
        "p_mean": float(difference.mean()),
        "p_max": float(difference.max()),
        "calls_changed": int(((said >= 0.5) != (said_fast >= 0.5)).sum()),
    }


def _crops(part: int, n: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Crops and labels of validation patients; other patients for each part."""
    first = data.VALIDATION_PATIENTS.start + 500_000 * (part + 1)
    patients = range(first, first + n // PER_PATIENT)
    crops, _, is_ctc = render_crops(n, seed=part, patients=patients, ctc_share=CTC_SHARE, crops_per_patient=PER_PATIENT)
    return crops, is_ctc.astype(np.int64)


def _cosines(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float64]:
    lengths = np.linalg.norm(one, axis=1).astype(float) * np.linalg.norm(other, axis=1)
    return np.asarray((one * other).sum(axis=1) / lengths)
