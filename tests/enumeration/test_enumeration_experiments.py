"""The experiments on simulated labs: what a draw consists of, and figures against literals."""

from __future__ import annotations

import numpy as np
import pytest

from ctc_core.enumeration.experiments import calibration, calibration_error, review
from ctc_core.enumeration.simulated import open_lab, simulate_draw


def test_calibration_error_of_four_patients() -> None:
    p, happened = np.array([0.05, 0.15, 0.95, 1.0]), np.array([0.0, 1.0, 1.0, 0.0])
    assert calibration_error(p, happened) == pytest.approx((0.05 + 0.85 + 0.95) / 4)


def test_probabilities_that_are_right_are_told_from_wrong_ones() -> None:
    p = np.random.default_rng(0).uniform(size=2000)
    happened = (np.random.default_rng(1).random(2000) < p).astype(float)
    right, wrong = calibration(p, happened, seed=0), calibration(p, 1 - happened, seed=0)
    assert right["error"] < 0.05 < 0.4 < wrong["low"] and right["by_chance"] < 0.04
    assert right["by_chance"] < right["by_chance_95"] < 0.06 and abs(right["too_high"]) < 0.03
    assert sum(row["n"] for row in right["bins"]) == 2000


def test_labs_are_drawn_again_as_a_whole() -> None:
    """Two labs, one of which is always wrong: errors of its patients come together, so the interval is wide."""
    p, happened = np.full(200, 0.05), np.repeat([0.0, 1.0], 100)
    apart, together = calibration(p, happened, seed=0), calibration(p, happened, seed=0, lab_of=np.arange(200) // 100)
    assert (together["low"], together["high"]) == (0.05, 0.95)
    assert 0.3 < apart["low"] < 0.45 < apart["high"] < 0.6 and apart["too_high"] == -0.45


def test_a_simulated_draw_and_its_review() -> None:
    lab = open_lab(np.random.default_rng(0), earlier=4, twice=1)
    draw = simulate_draw(np.random.default_rng(1), 60.0, lab.sensitivity, lab.false_positive)
    table = draw.table
    assert 30 < draw.ctcs < 95 and draw.total.sum() > 2000
    assert ((table.probability >= 0.5) | table.event_rid.notna()).all()
    assert draw.called.sum() == (table.group != "cellsearch").sum()
    found = review(lab, draw, 5, seed=0)
    assert found.images == len(table) and found.settled <= found.stopped <= found.images
