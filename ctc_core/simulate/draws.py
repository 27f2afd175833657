"""Small random draws that all kinds of objects share."""

from __future__ import annotations

import math

import numpy as np

from ctc_core.simulate.objects import CD45, CK, DAPI, MARKER
from ctc_core.simulate.patient import Patient

Rng = np.random.Generator

LEAST_CK = 60.0
"""Typical CK level of the faintest object that is still found on the CK page, about ten times the camera's noise
(assumed)."""

Place = tuple[float, float]
"""(y, x) in cartridge pixels."""


def lognormal(median: float, sigma: float, rng: Rng) -> float:
    """Log-normal draw by its median."""
    return median * math.exp(sigma * rng.standard_normal())


def choose(shares: dict[str, float], rng: Rng) -> str:
    """One key, with probability proportional to its share."""
    total, rest = sum(shares.values()), rng.random()
    for key, share in shares.items():
        rest -= share / total
        if rest < 0:
            return key
    return next(iter(shares))


def levels(
    patient: Patient,
    rng: Rng,
    *,
    dapi: float = 0,
    marker: float = 0,
    ck: float = 0,
    cd45: float = 0,
    spread: float = 0.4,
) -> tuple[float, float, float, float]:
    """Log-normal brightness around medians (grey values, average patient) times this patient's stain; 0 stays 0.

    CK is at least `LEAST_CK`: an object fainter than that has no crop.
    """

    def one(page: int, median: float) -> float:
        return lognormal(median * patient.stain[page], spread, rng) if median else 0.0

    return one(DAPI, dapi), one(MARKER, marker), max(one(CK, ck), LEAST_CK) if ck else 0.0, one(CD45, cd45)


def defocus(patient: Patient, rng: Rng) -> float:
    """Most objects are drawn to one focal plane by the magnet; a few float above it."""
    far = rng.exponential(1.6) if rng.random() < 0.06 else 0.0
    return min(patient.defocus_px * rng.uniform(0, 1) + far, 4.0)


def seed(rng: Rng) -> int:
    """A seed of its own for one object."""
    return int(rng.integers(2**62))
