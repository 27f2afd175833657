"""Features folders for experiments: simulated patients, cells of a flow cytometer, and points that are made up.

Each has the published layout and one column more, `kind`: what sort of cell it is, so that the rarest can be followed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ctc_core.features import UNLABELLED, FeaturesFolder, Part
from ctc_core.latent import Cells, MapParameters, Reduction, fit_map
from ctc_core.relabel.experiments.cells import KIND
from ctc_core.types import Progress, silent

SMALL_MAP = MapParameters(
    n_neighbors=50, min_dist=0.1, min_cluster_size=60, min_samples=15, cluster_selection_epsilon=0
)
"""The published parameters are made for 50,000 cells; with two thousand they find hardly any cluster."""

SIMULATED = "simulated patients"
FLOW = "real flow cells, mitotic or not"
MADE_UP = "made-up points"
"""What the cells are, as every table and figure says."""

Embed = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class Group:
    """Cells with all that is known of them, row by row."""

    case: NDArray[np.str_]
    labels: NDArray[np.int64]
    """(n,) 1 CTC (or another positive class), 0 anything else."""
    kinds: NDArray[np.str_]
    vectors: NDArray[np.float32]
    """(n, 128)"""

    def rows(self, rows: NDArray[np.int64]) -> Group:
        """Some of them."""
        return Group(self.case[rows], self.labels[rows], self.kinds[rows], self.vectors[rows])

    def table(self, *, labelled: bool) -> pd.DataFrame:
        """As in the published layout; there are no image files."""
        n = len(self.labels)
        paths = dict.fromkeys(("dapi_path", "ck_path", "cd45_path"), "")
        labels = self.labels if labelled else np.full(n, UNLABELLED)
        return pd.DataFrame({"case": self.case, "frame_num": 1, "label": labels, **paths, KIND: self.kinds})


def mapped(train: Group, test: Group, unlabelled: Group, *, encoder_id: str) -> FeaturesFolder:
    """PCA fitted on the labelled training cells, UMAP on the same, clusters on test and unlabelled cells."""
    groups = (train, test, unlabelled)
    cells = [Cells(tuple(f"{k}-{i}" for i in range(len(g.labels))), g.vectors) for k, g in enumerate(groups)]
    reduction = Reduction.fit(train.vectors)
    found = fit_map(cells[0], cells[1], cells[2], reduction, encoder_id=encoder_id, parameters=SMALL_MAP)
    n, placed = len(test.labels), found.cells
    return FeaturesFolder(
        Part(train.table(labelled=True), found.train.features, found.train.xy),
        Part(test.table(labelled=True).assign(cluster=placed.clusters[:n]), placed.features[:n], placed.xy[:n]),
        Part(unlabelled.table(labelled=False).assign(cluster=placed.clusters[n:]), placed.features[n:], placed.xy[n:]),
        placed.xy,
    )


# ---- simulated patients ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SimulatedPlan:
    """Which patients, and how many cells of them all."""

    patients: int = 10
    """That train; as many others test."""
    train: int = 2638
    """Labelled training cells, the paper's number and share of CTCs."""
    test: int = 2773
    unlabelled: int = 1500
    seed: int = 0
    to_choose: bool = False
    """Patients kept for choosing between methods instead of those for reporting."""


TRAIN_SHARE, TEST_SHARE, POOL_SHARE = 1509 / 2638, 1214 / 2773, 0.25
"""Share of CTCs: the paper's of labelled cells; unlabelled ones are mostly something else."""


def simulated_folder(
    embed: Embed, plan: SimulatedPlan, *, encoder_id: str, progress: Progress = silent
) -> FeaturesFolder:
    """Labelled training and test patients that no encoder has seen, and unlabelled cells of the training patients."""
    from ctc_core.encoder.data import EVALUATION_PATIENTS, VALIDATION_PATIENTS

    population = VALIDATION_PATIENTS if plan.to_choose else EVALUATION_PATIENTS
    first = population.start + 2_000_000 + plan.seed * 1_000
    train, test = (range(first + k * plan.patients, first + (k + 1) * plan.patients) for k in (0, 1))
    wanted = [
        (train, plan.train, TRAIN_SHARE, 0),
        (test, plan.test, TEST_SHARE, 1),
        (train, plan.unlabelled, POOL_SHARE, 2),
    ]
    groups = []
    for done, (patients, n, share, which) in enumerate(wanted, 1):
        groups.append(_simulated(embed, patients, n, share, seed=3 * plan.seed + which))
        progress(done, 4, "simulated cells")
    made = mapped(*groups, encoder_id=encoder_id)
    progress(4, 4, "map and clusters")
    return made


def _simulated(embed: Embed, patients: range, n: int, share: float, *, seed: int) -> Group:
    from ctc_core.encoder.evaluate import Mix, labelled_cells

    mix = Mix(round(10 * n / len(patients)), round(10 * n * share / len(patients)))
    cells = labelled_cells(patients, mix, seed=seed)
    case = np.full(len(cells), f"{patients.start}-{patients.stop - 1}")
    return Group(case, cells.is_ctc.astype(np.int64), cells.kinds, embed(cells.crops))


# ---- flow cytometer -------------------------------------------------------------------------------------------------

UNLABELLED_PART = 4
"""One in so many of the cells that may be learned from stands among the unlabelled ones."""


def flow_folder(embed: Embed, path: Path, *, encoder_id: str, progress: Progress = silent) -> FeaturesFolder:
    """Real cells of an imaging flow cytometer (`encoder.flow`): mitotic in place of CTC, the phase is the kind.

    The half that may be learned from gives labelled training cells and unlabelled ones, the other half is tested.

    Raises:
        ModelError: not such a file.
    """
    from ctc_core.encoder.flow import Scale, load_flow, parts

    cells = load_flow(path)
    with np.load(path, allow_pickle=False) as file:
        phase = file["phase"]
    learn, test = cells.split()
    progress(1, 3, "flow cells")
    vectors = embed(Scale.fit(cells.tiles[learn]).crops(cells.tiles))
    progress(2, 3, "vectors")
    everything = Group(cells.experiment, cells.mitotic.astype(np.int64), phase, vectors)
    aside = parts(cells.strata()[learn], UNLABELLED_PART, seed=0) == 0
    groups = [everything.rows(rows) for rows in (learn[~aside], test, learn[aside])]
    made = mapped(groups[0], groups[1], groups[2], encoder_id=encoder_id)
    progress(3, 3, "map and clusters")
    return made


# ---- made up --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Blob:
    """One sort of made-up cells: a cluster of its own."""

    kind: str
    share: float
    """Of all cells."""
    ctc_share: float
    apart: float
    """Between CTCs and others, in standard deviations of a feature."""
    bends: int = 1
    """Halves of the sort in which the difference points another way: 1 is one plane, more need more labels."""


BLOBS = (
    Blob("clear CTC", 0.34, 0.95, 5.0),
    Blob("clear other", 0.30, 0.03, 5.0),
    Blob("dim", 0.20, 0.5, 3.5),
    Blob("crowded", 0.11, 0.4, 3.5, bends=4),
    Blob("point", 0.05, 0.3, 3.5, bends=2),
)
WIDTH = 32
"""Features of a made-up cell, as of a real one after PCA."""
STRAY = 0.06
"""Share of cells that lie outside all clusters on the map."""


def made_folder(n_train: int = 2638, n_test: int = 2773, n_unlabelled: int = 1500, seed: int = 0) -> FeaturesFolder:
    """Points instead of cells: five sorts that are unlike in size, share of CTCs and difficulty. Takes a moment.

    The sorts are the clusters, and lie on a circle on the map.
    """
    rng = np.random.default_rng([seed, 32])
    shape = _Shape(rng)
    sizes = {"train": n_train, "test": n_test, "pool": n_unlabelled}
    parts = {name: shape.part(rng, n, name) for name, n in sizes.items()}
    train = parts["train"]
    bare = Part(train.table.drop(columns="cluster"), train.features, train.xy)
    pool = Part(parts["pool"].table.assign(label=UNLABELLED), parts["pool"].features, parts["pool"].xy)
    return FeaturesFolder(bare, parts["test"], pool, np.concatenate([parts["test"].xy, pool.xy]))


class _Shape:
    """Where the sorts lie and which way their CTCs differ; the same for all parts of a folder."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.centres = rng.normal(size=(len(BLOBS), WIDTH)) * 1.6
        self.ways = _unit(rng.normal(size=(len(BLOBS), max(blob.bends for blob in BLOBS), WIDTH)))
        self.turns = _unit(rng.normal(size=(len(BLOBS), 2, WIDTH)))
        angle = np.linspace(0, 2 * np.pi, len(BLOBS), endpoint=False)
        self.places = 10 * np.stack([np.cos(angle), np.sin(angle)], axis=1)

    def part(self, rng: np.random.Generator, n: int, case: str) -> Part:
        sort = rng.choice(len(BLOBS), n, p=[blob.share for blob in BLOBS])
        labels = (rng.random(n) < np.array([blob.ctc_share for blob in BLOBS])[sort]).astype(np.int64)
        noise = rng.normal(size=(n, WIDTH))
        features = self.centres[sort] + noise + self._difference(sort, labels, noise)
        xy = self.places[sort] + rng.normal(size=(n, 2))
        stray = rng.random(n) < STRAY
        xy[stray] = rng.uniform(-14, 14, (int(stray.sum()), 2))
        clusters = np.where(stray, -1, sort)
        kinds = np.array([blob.kind for blob in BLOBS])[sort]
        table = Group(np.full(n, case), labels, kinds, np.zeros((n, 1), np.float32)).table(labelled=True)
        return Part(table.assign(cluster=clusters), features.astype(np.float32), xy.astype(np.float32))

    def _difference(
        self, sort: NDArray[np.int64], labels: NDArray[np.int64], noise: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Where a cell's class puts it: along a way that depends on which side of its sort's turns it lies."""
        sides = (np.einsum("nd,nkd->nk", noise, self.turns[sort]) > 0) @ np.array([1, 2])
        bends = np.array([blob.bends for blob in BLOBS])[sort]
        apart = np.array([blob.apart for blob in BLOBS])[sort]
        way = self.ways[sort, sides % bends]
        return np.asarray((labels - 0.5)[:, None] * apart[:, None] * way)


def _unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True))
