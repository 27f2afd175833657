"""Simulated CellSearch cartridges with known truth: patients, objects, microscope, camera, events, archives."""

from ctc_core.simulate.archive import simulate
from ctc_core.simulate.patient import GROUPS, Group, Patient, draw_patient
from ctc_core.simulate.scene import render_crops, render_frame
from ctc_core.simulate.sheet import sheet
from ctc_core.simulate.truth import TRUTH_COLUMNS

__all__ = [
    "GROUPS",
    "TRUTH_COLUMNS",
    "Group",
    "Patient",
    "draw_patient",
    "render_crops",
    "render_frame",
    "sheet",
    "simulate",
]
