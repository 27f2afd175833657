"""A store with a map: three kinds of cells, made-up vectors, two training patients, a test and a review patient."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ctc_core import fitting, mapping
from ctc_core.jobs import Jobs, Kind
from ctc_core.latent import MapParameters
from ctc_core.store import Store
from ctc_core.types import Decision, Label, Role
from tests.small_store import ENCODER, write_small_bundle

PARAMETERS = MapParameters(n_neighbors=15, min_dist=0.1, min_cluster_size=30, min_samples=8)
CELLS = 90
PATIENTS = {"T1": (Role.TRAIN, 60), "T2": (Role.TRAIN, 60), "E1": (Role.TEST, 75), "R1": (Role.REVIEW, 0)}
"""Role, and number of labelled cells, of each patient; a cartridge is called as its patient."""
STRANGE = 5
"""Number of the cell of R1 that is unlike all others."""


def kinds(n: int = CELLS) -> np.ndarray:
    """Kind of each cell, taking turns; kind 0 are CTCs."""
    return np.arange(n) % 3


def vectors(seed: int, n: int = CELLS) -> np.ndarray:
    """(n, 128): a centre of each kind and noise."""
    centres = np.random.default_rng(99).normal(size=(3, 128)) * 3
    noise = np.random.default_rng(seed).normal(size=(n, 128))
    return (centres[kinds(n)] + noise).astype(np.float32)


def add_cartridge(store: Store, spool: Path, name: str, role: Role, seed: int, strange: int | None = None) -> None:
    """A cartridge of a new patient."""
    values = vectors(seed)
    if strange is not None:
        values[strange] = 30.0
    store.add_patient(name, role, reader="tests", session="tests")
    bundle = spool / f"spool-{name}"
    store.add_bundle(
        write_small_bundle(bundle, n_cells=CELLS, seed=seed, cartridge_id=name, pseudonym=name, vectors=values)
    )


def label(store: Store, name: str, number: int, value: Label | None, note: str = "first") -> None:
    """Decide about one cell of a cartridge."""
    cell_id = str(store.cells(name).cell_id[number])
    store.decide([Decision(f"{name}-{number}-{note}", name, cell_id, None, value, "anna", "tests", why=note)])


def label_many(store: Store, name: str, n: int) -> None:
    """The first n cells of a cartridge, truly."""
    label_all(store, name, dict(enumerate(Label.CTC if kind == 0 else Label.NON_CTC for kind in kinds(n))), "many")


def label_all(store: Store, name: str, values: dict[int, Label], note: str) -> None:
    """Decide about several cells of a cartridge, by number, in one go."""
    ids = store.cells(name).cell_id
    store.decide([
        Decision(f"{name}-{i}-{note}", name, str(ids[i]), None, value, "anna", "tests", why=note)
        for i, value in values.items()
    ])  # fmt: skip


def build_unmapped_store(data_dir: Path) -> None:
    """Labelled, with a classifier; no map yet."""
    with Store.open(data_dir) as store:
        for seed, (name, (role, n)) in enumerate(PATIENTS.items()):
            add_cartridge(store, data_dir.parent, name, role, seed, STRANGE if name == "R1" else None)
            if n:
                label_many(store, name, n)
        fitting.fit(store, data_dir / "models", ENCODER, reader="anna", session="tests")


def build_mapped_store(data_dir: Path) -> None:
    """The same with a map, built by the functions that owner and worker use."""
    with Store.open(data_dir) as store:
        state = mapping.here(store, Jobs(data_dir), Kind.MAP, "anna", parameters=PARAMETERS)
    assert state.state == "imported", state.message
