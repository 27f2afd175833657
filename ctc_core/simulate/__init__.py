"""Simulated CellSearch cartridges with known truth: patients, objects, microscope, camera, events, archives."""

from ctc_core.simulate.archive import simulate
from ctc_core.simulate.patient import Patient, draw_patient
from ctc_core.simulate.scene import TRUTH_COLUMNS, render_crops, render_frame
from ctc_core.simulate.sheet import sheet

__all__ = ["TRUTH_COLUMNS", "Patient", "draw_patient", "render_crops", "render_frame", "sheet", "simulate"]
