"""Small simulated frames and cartridges, rendered once for all tests of this room."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ctc_core.simulate import Patient, draw_patient, render_frame, simulate


@pytest.fixture(scope="session")
def patient() -> Patient:
    return draw_patient(11)


@pytest.fixture(scope="session")
def frame(patient: Patient) -> tuple[np.ndarray, pd.DataFrame]:
    """A frame with many CTCs on little space."""
    return render_frame(patient, np.random.default_rng(2), height=700, width=800, ctcs=(40, 40))


@pytest.fixture(scope="session")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Path]]:
    """Two cartridges of 2 x 3 small frames: the folder and the archives."""
    out = tmp_path_factory.mktemp("cohort")
    return out, simulate(out, cartridges=2, frames=6, seed=5, ctcs=(30, 30), width=300, height=250)
