"""How cells come about: tumour cells, leukocytes, cells positive for both CK and CD45.

Sizes: CTCs of breast cancer patients have a median diameter of 12.4 um on CellSearch cartridges, leukocytes 9.4 um
(Mendelaar et al. 2021, Mol. Oncol. 15:116, doi 10.1002/1878-0261.12802). Brightness: around the gates that ACCEPT's
source applies to restored 12-bit values (CTC: DNA max > 170, CD45 max < 60; leukocyte: CD45 max > 100), medians a few
times above them for CK and DNA. Assumed, chosen by eye and by `compare`: spreads, textures, sizes of nuclei, how far
CK leaks, and the size of doubles.
"""

from __future__ import annotations

from ctc_core.simulate import draws
from ctc_core.simulate.draws import Place, Rng, choose, lognormal
from ctc_core.simulate.objects import CK, DAPI, Item
from ctc_core.simulate.patient import Patient

CTC_UM, LEUKOCYTE_UM = 12.4, 9.4

LEAST_CK = {False: 75.0, True: 180.0}
"""No CTC is dimmer on the CK page: below a mean of about 60 grey values nobody calls it CK-positive (ACCEPT's gate).
Spots (True) fill little of the body and so need more."""

CTC_LOOKS = {
    # phenotype: (median um, sigma, CK level, CK sigma, DAPI level, nucleus/cell, nucleus, texture, roughness)
    "ring": (CTC_UM, 0.18, 900, 0.60, 650, 0.62, "round", "ring", 0.04),
    "granular": (CTC_UM, 0.20, 800, 0.60, 600, 0.55, "round", "granular", 0.07),
    "saturated": (CTC_UM, 0.18, 7000, 0.50, 750, 0.58, "round", "solid", 0.03),
    "dim": (CTC_UM * 0.95, 0.20, 150, 0.30, 350, 0.65, "round", "even", 0.06),
    "apoptotic": (CTC_UM * 0.90, 0.22, 600, 0.70, 700, 0.60, "fragments", "spots", 0.10),
    "cluster": (CTC_UM, 0.16, 1100, 0.50, 650, 0.65, "round", "ring", 0.05),
    "point": (5.6, 0.15, 1300, 0.50, 900, 0.55, "round", "even", 0.06),
    "shine-through": (CTC_UM * 0.95, 0.22, 11000, 0.40, 750, 0.60, "round", "solid", 0.03),
    "crowded": (CTC_UM * 0.95, 0.20, 800, 0.60, 600, 0.60, "round", "crescent", 0.06),
}


def ctc(patient: Patient, phenotype: str, place: Place, rng: Rng) -> Item:
    """A tumour cell: CK in the cytoplasm, a nucleus inside it, no CD45 of its own."""
    um, sigma, ck, ck_sigma, dapi, ratio, nucleus, texture, roughness = CTC_LOOKS[phenotype]
    diameter = min(max(lognormal(um, sigma, rng), 4.2), 30.0)
    _, marker, _, _ = draws.levels(patient, rng, marker=25)
    bright = lognormal(ck * patient.stain[CK], ck_sigma, rng)
    if phenotype in ("crowded", "cluster") or rng.random() < 0.12:
        texture = ("ring", "granular", "crescent", "even")[int(rng.integers(4))]
    shines = phenotype == "shine-through"
    return Item(
        kind=phenotype if phenotype in ("point", "shine-through", "crowded") else "ctc",
        phenotype=phenotype,
        is_ctc=True,
        y=place[0],
        x=place[1],
        diameter_um=diameter,
        levels=(
            lognormal(dapi * patient.stain[DAPI], 0.45, rng),
            marker,
            max(bright, LEAST_CK[texture == "spots"]),
            0.0,
        ),
        texture=texture,
        nucleus="fragments" if nucleus == "round" and rng.random() < 0.04 else nucleus,
        nucleus_um=diameter * min(max(rng.normal(ratio, 0.11), 0.30), 0.85),
        elongation=1 + abs(rng.normal(0.12, 0.18)),
        roughness=roughness * rng.uniform(0.5, 1.5),
        leak=max(patient.leak, 0.003) * rng.uniform(0.2, 0.75) if shines else patient.leak * rng.uniform(0.1, 0.5),
        defocus_px=draws.defocus(patient, rng),
        seed=draws.seed(rng),
    )


def leukocyte(patient: Patient, place: Place, rng: Rng, *, ck: float = 0.0, phenotype: str | None = None) -> Item:
    """A leukocyte: CD45 on the membrane, nucleus by cell type; `ck` > 0: median level of non-specific CK."""
    cell = phenotype or choose({"granulocyte": 0.55, "lymphocyte": 0.30, "monocyte": 0.15}, rng)
    diameter = min(max(lognormal(LEUKOCYTE_UM, 0.13, rng), 5.5), 16.0)
    nucleus = {"granulocyte": "lobed", "lymphocyte": "round", "monocyte": "kidney"}.get(cell, "round")
    return Item(
        kind="leukocyte",
        phenotype=cell,
        is_ctc=False,
        y=place[0],
        x=place[1],
        diameter_um=diameter,
        levels=draws.levels(patient, rng, dapi=650, marker=20, ck=ck, cd45=44, spread=0.6),
        texture=choose({"even": 0.4, "spots": 0.25, "crescent": 0.35}, rng),
        nucleus=nucleus,
        nucleus_um=diameter * min(max(rng.normal(0.86, 0.06), 0.6), 1.0),
        elongation=1 + abs(rng.normal(0.05, 0.12)),
        roughness=0.05,
        defocus_px=draws.defocus(patient, rng),
        seed=draws.seed(rng),
    )


def weak_leukocyte(patient: Patient, place: Place, rng: Rng) -> Item:
    """A leukocyte with non-specific CK, found on the CK page."""
    return leukocyte(patient, place, rng, ck=110.0)


def double(patient: Patient, place: Place, rng: Rng) -> Item:
    """A cell positive for CK and CD45; no CTC by CellSearch's definition."""
    diameter = min(max(lognormal(10.8, 0.17, rng), 6.0), 20.0)
    return Item(
        kind="double",
        phenotype="ck+cd45+",
        is_ctc=False,
        y=place[0],
        x=place[1],
        diameter_um=diameter,
        levels=draws.levels(patient, rng, dapi=650, marker=20, ck=450, cd45=100, spread=0.55),
        texture=choose({"ring": 0.35, "granular": 0.3, "even": 0.35}, rng),
        nucleus=choose({"round": 0.5, "lobed": 0.3, "kidney": 0.2}, rng),
        nucleus_um=diameter * rng.uniform(0.6, 0.8),
        elongation=1 + abs(rng.normal(0.08, 0.12)),
        leak=patient.leak * 0.3,
        defocus_px=draws.defocus(patient, rng),
        seed=draws.seed(rng),
    )
