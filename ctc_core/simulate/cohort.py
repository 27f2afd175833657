"""What CellSearch and its operator make of a whole simulated cohort, beside the ten patients of the paper's Table 2.

Only objects are drawn, no pixels. Those that are no CTCs are drawn on a part of the cartridge, which holds more than
CellSearch shows, and those that it never shows are left out.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from ctc_core.cartridge import Grid
from ctc_core.errors import SettingsError
from ctc_core.simulate.archive import draw_sample
from ctc_core.simulate.patient import FULL_CARTRIDGE, GROUPS, Group, Patient, draw_patient
from ctc_core.types import Progress, silent

PART = Grid(5, 10)
"""The part of a full cartridge (5 x 35 frames) that objects are drawn on."""

TABLE_2 = pd.DataFrame(
    {
        "events": [239, 531, 219, 101, 1197, 168, 133, 167, 93, 790],
        "events_ctc": [74, 107, 80, 23, 113, 38, 34, 20, 16, 143],
    }
)
"""CellSearch's events of ten patients and how many of them are CTCs (paper, Table 2)."""

QUANTILES = {"min": 0.0, "p10": 0.1, "p25": 0.25, "median": 0.5, "p75": 0.75, "p90": 0.9, "max": 1.0}


def cohort(patients: int, seed: int, *, group: Group = "metastatic", progress: Progress = silent) -> pd.DataFrame:
    """One row per patient, patients `seed` x 1,000,000 onwards, each with a full cartridge.

    Columns: patient (its seed), ctcs, events, events_ctc (events that show a CTC), ppv (their share, nan without
    events), assigned, assigned_ctc, ck_objects (CK-positive objects, scaled up from the part drawn). Raises
    `SettingsError` for no patients or an unknown group.
    """
    if patients < 1 or group not in GROUPS:
        msg = f"{patients} patients of group {group}: nothing to draw. Ask for 1 or more of {', '.join(GROUPS)}."
        raise SettingsError(msg)
    rows = []
    for index in range(patients):
        rows.append(_row(draw_patient(seed * 1_000_000 + index, group=group)))
        progress(index + 1, patients, f"Patient {index + 1} of {patients}")
    return pd.DataFrame(rows)


def _row(patient: Patient) -> dict[str, float]:
    rng = np.random.default_rng([patient.seed, 6])
    seen = replace(patient, leukocytes=0.0, clumps=0.0, dye_aggregates=0.0)
    sample = draw_sample(seen, PART, rng, ctcs=(patient.ctcs, patient.ctcs), share=1)
    hits = [sample.items[shown.object_id].is_ctc for shown in sample.shown]
    assigned = [shown.event.assigned for shown in sample.shown]
    others = sum(item.ck_positive and not item.is_ctc for item in sample.items)
    return {
        "patient": patient.seed,
        "ctcs": patient.ctcs,
        "events": len(hits),
        "events_ctc": sum(hits),
        "ppv": sum(hits) / len(hits) if hits else float("nan"),
        "assigned": sum(assigned),
        "assigned_ctc": sum(hit and chosen for hit, chosen in zip(hits, assigned, strict=True)),
        "ck_objects": patient.ctcs + round(others * FULL_CARTRIDGE / PART.frames),
    }


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Quantiles of a cohort's columns but the patient's number, one row each, columns `QUANTILES`."""
    quantiles = table.drop(columns="patient", errors="ignore").quantile(list(QUANTILES.values())).T
    quantiles.columns = pd.Index(QUANTILES)
    return quantiles


def table_2() -> pd.DataFrame:
    """Quantiles of the paper's ten patients: events, events_ctc, ppv."""
    return summary(TABLE_2.assign(ppv=TABLE_2.events_ctc / TABLE_2.events))


def within_table_2(table: pd.DataFrame) -> dict[str, float]:
    """Share (0..1) of a cohort's patients between the smallest and the largest of the paper's ten, per column."""
    paper = table_2()
    return {
        str(name): round(float(table[name].between(row["min"], row["max"]).mean()), 3) for name, row in paper.iterrows()
    }
