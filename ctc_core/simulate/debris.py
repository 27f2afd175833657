"""How objects come about that are no cells: debris, clots of dye, points, bright debris, smears and fibres.

No published measurements are known to us; sizes and levels are assumed, chosen until crops looked like published ones.
"""

from __future__ import annotations

from ctc_core.simulate import draws
from ctc_core.simulate.draws import Place, Rng, choose, lognormal
from ctc_core.simulate.objects import Item
from ctc_core.simulate.patient import Patient


def debris(patient: Patient, place: Place, rng: Rng) -> Item:
    """CK without nucleus: vesicles, membrane shreds, dye aggregates; two thirds with a trace of DNA."""
    look = choose({"vesicle": 0.55, "shred": 0.3, "aggregate": 0.15}, rng)
    um, ck, texture, roughness, stretch = {
        "vesicle": (4.6, 260, "even", 0.05, 0.15),
        "shred": (6.5, 320, "spots", 0.16, 0.6),
        "aggregate": (4.0, 1800, "solid", 0.10, 0.3),
    }[look]
    stains = 90.0 if rng.random() < 0.12 else 0.0
    dna = 160.0 if rng.random() < 0.65 else 0.0
    diameter = min(max(lognormal(um, 0.38, rng), 2.2), 18.0)
    return Item(
        kind="debris",
        phenotype=look,
        is_ctc=False,
        y=place[0],
        x=place[1],
        diameter_um=diameter,
        levels=draws.levels(
            patient, rng, dapi=dna, marker=40 if look == "aggregate" else 15, ck=ck, cd45=stains, spread=0.75
        ),
        texture=texture,
        nucleus="round" if dna else "none",
        nucleus_um=diameter * rng.uniform(0.4, 1.0) if dna else 0.0,
        elongation=1 + abs(rng.normal(0, stretch)),
        roughness=roughness,
        leak=patient.leak * rng.uniform(0.1, 0.6),
        defocus_px=draws.defocus(patient, rng),
        seed=draws.seed(rng),
    )


def dye_aggregate(patient: Patient, place: Place, rng: Rng) -> Item:
    """A clot of CD45 dye without CK or nucleus; it sets the upper stretch limit of its CD45 page."""
    return Item(
        kind="debris",
        phenotype="cd45-aggregate",
        is_ctc=False,
        y=place[0],
        x=place[1],
        diameter_um=min(max(lognormal(4.0, 0.4, rng), 2.0), 14.0),
        levels=draws.levels(patient, rng, marker=20, cd45=1100, spread=0.9),
        elongation=1 + abs(rng.normal(0, 0.3)),
        roughness=0.1,
        defocus_px=draws.defocus(patient, rng),
        seed=draws.seed(rng),
    )


def point(patient: Patient, place: Place, rng: Rng) -> Item:
    """A tiny DAPI signal with a tiny CK signal beside or on it: a fragment, smaller than CellSearch's 4 um."""
    diameter = min(max(lognormal(2.1, 0.25, rng), 1.4), 4.4)
    return Item(
        kind="point",
        phenotype="fragment",
        is_ctc=False,
        y=place[0],
        x=place[1],
        diameter_um=diameter,
        levels=draws.levels(patient, rng, dapi=1400, ck=2000, marker=10, spread=0.7),
        texture="even",
        nucleus=choose({"round": 0.7, "fragments": 0.3}, rng),
        nucleus_um=diameter * rng.uniform(0.5, 1.15),
        elongation=1 + abs(rng.normal(0, 0.3)),
        roughness=0.08,
        defocus_px=draws.defocus(patient, rng),
        seed=draws.seed(rng),
    )


def bright_debris(patient: Patient, place: Place, rng: Rng) -> Item:
    """CK far beyond the camera's range, without nucleus, shining into the CD45 page."""
    return Item(
        kind="shine-through",
        phenotype="bright-debris",
        is_ctc=False,
        y=place[0],
        x=place[1],
        diameter_um=min(max(lognormal(8.5, 0.3, rng), 4.0), 18.0),
        levels=draws.levels(patient, rng, dapi=300 if rng.random() < 0.9 else 0, marker=60, ck=9000, spread=0.5),
        texture="solid",
        nucleus="round",
        nucleus_um=rng.uniform(4.0, 8.0),
        elongation=1 + abs(rng.normal(0, 0.2)),
        roughness=0.06,
        leak=max(patient.leak, 0.003) * rng.uniform(0.2, 0.8),
        defocus_px=draws.defocus(patient, rng),
        seed=draws.seed(rng),
    )


def smear(patient: Patient, place: Place, rng: Rng) -> Item:
    """A torn cell or a fibre: one band of stain on all pages."""
    fibre = rng.random() < 0.2
    return Item(
        kind="smear",
        phenotype="fibre" if fibre else "smeared-cell",
        is_ctc=False,
        y=place[0],
        x=place[1],
        diameter_um=min(max(lognormal(13.0 if fibre else 19.0, 0.25, rng), 8.0), 34.0),
        levels=draws.levels(patient, rng, dapi=50, marker=150 if fibre else 40, ck=170, cd45=280, spread=0.8),
        texture="thread",
        elongation=rng.uniform(6, 16) if fibre else rng.uniform(1.8, 4.5),
        roughness=rng.uniform(0.03, 0.2),
        defocus_px=draws.defocus(patient, rng) + (0.7 if fibre else 0.9),
        seed=draws.seed(rng),
    )
