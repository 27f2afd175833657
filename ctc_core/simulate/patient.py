"""What makes one patient's cartridge differ from another's: stain, background, carry-over, mixture, number of CTCs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

FULL_CARTRIDGE = 175
"""Frames of a full cartridge, 5 x 35 (paper; celltracks archives)."""

CK_OBJECTS_PER_FRAME = 84.0
"""CK-positive objects per frame (paper: 14,700 crops per cartridge of 175 frames)."""

CTC_RANGE = (16, 143)
"""CTCs per full cartridge (paper, Table 2)."""

KIND_SHARES = {
    "debris": 0.36,
    "point": 0.26,
    "leukocyte": 0.17,
    "crowded": 0.08,
    "shine-through": 0.05,
    "double": 0.05,
    "smear": 0.03,
}
"""Typical shares among CK-positive objects that are no CTCs (our estimate from the clusters the paper describes)."""

CTC_SHARES = {
    "ring": 0.20,
    "granular": 0.20,
    "saturated": 0.14,
    "dim": 0.11,
    "apoptotic": 0.10,
    "cluster": 0.05,
    "point": 0.04,
    "shine-through": 0.08,
    "crowded": 0.08,
}
"""Typical shares of CTC phenotypes; each patient draws its own around them (our estimate)."""


@dataclass(frozen=True)
class Patient:
    """One simulated patient. Tuples of four follow the pages DAPI, marker (FITC), CK, CD45; levels are grey values."""

    seed: int
    stain: tuple[float, float, float, float]
    """Factors on the brightness of stained structures, around 1."""
    background: tuple[float, float, float, float]
    """Mean grey level of empty fluid, camera offset included."""
    haze: tuple[float, float, float, float]
    """Standard deviation of the slow background variation, relative to the background."""
    vignette: float
    """Loss of illumination in the corners, 0..1."""
    bright_spot: tuple[float, float]
    """Where illumination peaks, as fractions (y, x) of the frame."""
    stripes: float
    """Standard deviation of the camera's column offsets, grey levels."""
    defocus_px: float
    """Typical defocus blur (sigma) of this cartridge."""
    leak: float
    """Share of CK light that reaches the CD45 page."""
    ctcs: int
    """CTCs on a full cartridge of 175 frames."""
    leukocytes: float
    """Free CK-negative leukocytes per frame; carry-over differs tenfold between patients."""
    clumps: float
    """Crowds of nuclei per frame."""
    dye_aggregates: float
    """Clots of CD45 dye per frame."""
    ck_objects: float
    """CK-positive objects that are no CTCs, per frame."""
    kind_shares: Mapping[str, float]
    ctc_shares: Mapping[str, float]
    sensitivity: float
    """Share of the shown CTCs that the operator selects."""
    false_positive_rate: float
    """Share of the shown others that the operator selects."""
    false_events: float
    """Events without a CTC per full cartridge that CellSearch shows."""


def _four(values: np.ndarray) -> tuple[float, float, float, float]:
    dapi, marker, ck, cd45 = (float(value) for value in values)
    return dapi, marker, ck, cd45


def _mixture(shares: Mapping[str, float], concentration: float, rng: np.random.Generator) -> dict[str, float]:
    drawn = rng.dirichlet(np.array(list(shares.values())) * concentration)
    return dict(zip(shares, drawn.tolist(), strict=True))


def draw_patient(seed: int) -> Patient:
    """The patient of this seed; the same seed gives the same patient for ever.

    CTCs are log-uniform over Table 2's range. CellSearch's PPV, before it misses some CTCs, is log-normal around .21
    within .12-.38; from it follows how many events without a CTC it shows, so that events span Table 2's 93-1,197.
    """
    rng = np.random.default_rng([seed, 1])
    ctcs = round(float(np.exp(rng.uniform(*np.log(CTC_RANGE)))))
    ppv = float(np.clip(np.exp(rng.normal(np.log(0.21), 0.40)), 0.12, 0.38))
    events = float(np.clip(ctcs / ppv, 125, 1100))
    carry_over = float(np.exp(rng.uniform(np.log(9), np.log(90))))
    return Patient(
        seed=seed,
        stain=_four(np.exp(rng.normal(0, [0.30, 0.25, 0.35, 0.35]))),
        background=_four(np.exp(rng.normal(np.log([90, 140, 75, 65]), [0.45, 0.3, 0.4, 0.4]))),
        haze=_four(rng.uniform(0.02, 0.12, 4)),
        vignette=float(rng.uniform(0.05, 0.35)),
        bright_spot=(float(rng.uniform(0.35, 0.65)), float(rng.uniform(0.35, 0.65))),
        stripes=float(rng.uniform(0.3, 1.7)),
        defocus_px=float(rng.uniform(0.2, 0.8)),
        leak=float(np.exp(rng.normal(np.log(0.004), 0.6))),
        ctcs=ctcs,
        leukocytes=carry_over,
        clumps=carry_over / 90 * float(rng.uniform(0.5, 3.0)),
        dye_aggregates=float(np.exp(rng.normal(np.log(0.7), 0.8))),
        ck_objects=float(CK_OBJECTS_PER_FRAME * np.exp(rng.normal(-0.08, 0.4))),
        kind_shares=_mixture(KIND_SHARES, 40, rng),
        ctc_shares=_mixture(CTC_SHARES, 40, rng),
        sensitivity=float(rng.uniform(0.90, 0.97)),
        false_positive_rate=float(rng.uniform(0.002, 0.012)),
        false_events=max(events - ctcs, 60.0),
    )
