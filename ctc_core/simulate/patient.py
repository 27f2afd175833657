"""What makes one patient's cartridge differ from another's: stain, background, carry-over, mixture, number of CTCs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

FULL_CARTRIDGE = 175
"""Frames of a full cartridge, 5 x 35 (paper; celltracks archives)."""

CK_OBJECTS_PER_FRAME = 84.0
"""CK-positive objects per frame (paper: 14,700 crops per cartridge of 175 frames)."""

Group = Literal["metastatic", "low", "healthy"]
GROUPS: tuple[Group, ...] = ("metastatic", "low", "healthy")
"""Patients as in the paper, patients with few CTCs, healthy donors."""

CTC_RANGE = (16, 143)
"""CTCs per full cartridge of metastatic patients (paper, Table 2)."""

DETECTED = 0.94
"""Share of a patient's CTCs that CellSearch shows, as `cellsearch` draws it for a typical mixture of phenotypes."""

PPV, PPV_SIGMA, PPV_RANGE = 0.22, 0.45, (0.098, 0.36)
"""Median, logarithmic spread and range of CellSearch's PPV that patients are drawn from (paper, Table 2: geometric mean
.20, spread .39, range .094-.365 in ten patients; chance widens what is drawn here)."""

EVENT_RANGE = (108.0, 1130.0)
"""Expected events per full cartridge lie within this; with chance they span Table 2's 93-1,197."""

LOW_CTCS = 10
"""Most CTCs of a patient of the group `low`."""

QUIET_EVENTS = 110.0
"""Typical events per full cartridge without a CTC where there are none or few (assumed, not verified: the lower end of
Table 2 once its CTCs are taken out)."""

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
    bright_spot: tuple[tuple[float, float], ...]
    """Where illumination peaks on each page, as fractions (y, x) of the frame; every filter cube sits its own way."""
    stripes: float
    """Standard deviation of the camera's column offsets, grey levels."""
    defocus_px: float
    """Typical defocus blur (sigma) of this cartridge."""
    leak: float
    """Share of CK light that reaches the CD45 page."""
    ctcs: int
    """CTCs on a full cartridge of 175 frames."""
    leukocytes: float
    """Free CK-negative leukocytes per frame; carry-over differs tenfold between patients. The range is assumed: nuclei
    per cartridge average 4,191 (sd 4,463) in controls and far more in lung cancer patients (PMC6210778)."""
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
    focus_drift: float
    """How much blur (sigma, px) a region gets where the stage's focus is off; see `artefacts.Chamber`."""
    bubbles: int
    """Air bubbles in the cartridge."""
    bright_rim: bool
    """The cartridge's rim shines; otherwise it is dark."""
    group: Group = "metastatic"


QUIET_ERRORS, CONFUSION = (0.02, 0.3), 1.6
"""Expected events that the operator assigns by mistake where CTCs are none or few, and how much likelier than for a
plain object an error is for a typical event (`cellsearch.CONFUSING`)."""


def _four(values: np.ndarray) -> tuple[float, float, float, float]:
    dapi, marker, ck, cd45 = (float(value) for value in values)
    return dapi, marker, ck, cd45


def _mixture(shares: Mapping[str, float], concentration: float, rng: np.random.Generator) -> dict[str, float]:
    drawn = rng.dirichlet(np.array(list(shares.values())) * concentration)
    return dict(zip(shares, drawn.tolist(), strict=True))


def draw_patient(seed: int, *, group: Group = "metastatic") -> Patient:
    """The patient of this seed and group; the same for ever. Groups share everything that is not about CTCs.

    metastatic: CTCs are log-uniform over Table 2's range; from them and a PPV follows how many events without a CTC
    CellSearch shows. low: 0-10 CTCs. healthy: none; CK-positive leukocytes and debris are fewer, CellSearch shows some
    of them, and the operator, who errs, may assign one: 1 of 344 people without cancer had two or more CTCs assigned
    (Allard et al. 2004, Clin. Cancer Res.).
    """
    rng = np.random.default_rng([seed, 1])
    metastatic = _metastatic(seed, rng)
    if group == "metastatic":
        return metastatic
    quiet = np.random.default_rng([seed, 5])
    events = float(np.clip(np.exp(quiet.normal(np.log(QUIET_EVENTS), 0.5)), 30, 400))
    return replace(
        metastatic,
        group=group,
        ctcs=int(quiet.integers(0, LOW_CTCS + 1)) if group == "low" else 0,
        ck_objects=metastatic.ck_objects * (0.85 if group == "low" else 0.6),
        false_events=events,
        false_positive_rate=float(quiet.uniform(*QUIET_ERRORS)) / (CONFUSION * events),
    )


def _metastatic(seed: int, rng: np.random.Generator) -> Patient:
    ctcs = round(float(np.exp(rng.uniform(*np.log(CTC_RANGE)))))
    ppv = float(np.clip(np.exp(rng.normal(np.log(PPV), PPV_SIGMA)), *PPV_RANGE))
    events = float(np.clip(DETECTED * ctcs / ppv, *EVENT_RANGE))
    carry_over = float(np.exp(rng.uniform(np.log(9), np.log(90))))
    return Patient(
        seed=seed,
        stain=_four(np.exp(rng.normal(0, [0.30, 0.25, 0.35, 0.35]))),
        background=_four(np.exp(rng.normal(np.log([90, 140, 75, 65]), [0.45, 0.3, 0.4, 0.4]))),
        haze=_four(rng.uniform(0.02, 0.12, 4)),
        vignette=float(rng.uniform(0.05, 0.35)),
        bright_spot=_spots(rng),
        stripes=float(rng.uniform(0.3, 1.4)),
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
        false_events=events - DETECTED * ctcs,
        focus_drift=float(rng.uniform(0.4, 2.4)),
        bubbles=int(rng.poisson(rng.choice([0.0, 1.0, 3.0], p=[0.4, 0.4, 0.2]))),
        bright_rim=bool(rng.random() < 0.6),
    )


def _spots(rng: np.random.Generator) -> tuple[tuple[float, float], ...]:
    y, x = rng.uniform(0.35, 0.65, 2)
    shifts = np.random.default_rng(int(rng.integers(2**31))).normal(0, 0.04, (4, 2))
    return tuple((float(y + down), float(x + right)) for down, right in shifts)
