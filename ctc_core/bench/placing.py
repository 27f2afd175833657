"""The map's part: fitting it, placing cells on it, clusters; the desk's way and as umap-learn and hdbscan do it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ctc_core._umap import umap_learn
from ctc_core.bench.made import labelled_vectors, vectors_of
from ctc_core.bench.stopwatch import Stopwatch
from ctc_core.bench.stored import made_classifier
from ctc_core.cartridge import Cartridge
from ctc_core.latent import PUBLISHED, Reduction, find_clusters
from ctc_core.latent.layout import fit_layout, place

CELLS_A_FRAME = 86
"""15,000 cells of 175 frames."""


class Placing:
    """A map of made-up labelled cells, and the made-up cells of a cartridge placed on it."""

    def __init__(self, labelled: int, *, plain: bool) -> None:
        self.reduction = Reduction.of(made_classifier(labelled, "made"))
        self.features = self.reduction.transform(labelled_vectors(labelled, seed=0)[0])
        self.plain = plain

    def gflop(self, _page: tuple[int, int]) -> dict[str, float]:
        """No network."""
        return {}

    def run(self, cartridge: Cartridge, watch: Stopwatch) -> list[int]:
        """Cells placed, frame by frame."""
        counts = [CELLS_A_FRAME] * len(cartridge.frame_numbers)
        unseen = vectors_of(sum(counts), seed=1)
        (self._plainly if self.plain else self._as_the_desk)(unseen, watch)
        return counts

    def _as_the_desk(self, unseen: NDArray[np.float32], watch: Stopwatch) -> None:
        with watch.stage("map fit"):
            layout, _ = fit_layout(self.features, (), PUBLISHED)
        with watch.stage("map transform"):
            place(layout, self.reduction.transform(unseen))
        with watch.stage("clusters"):
            find_clusters(layout.xy)

    def _plainly(self, unseen: NDArray[np.float32], watch: Stopwatch) -> None:
        model = self._umap()
        with watch.stage("map fit"):
            model.fit(self.features)
        with watch.stage("map transform"):
            model.transform(self.reduction.transform(unseen))
        with watch.stage("clusters"):
            _hdbscan().fit(model.embedding_)

    def _umap(self) -> Any:
        neighbours = min(PUBLISHED.n_neighbors, len(self.features) - 1)
        return umap_learn().UMAP(
            n_neighbors=neighbours, min_dist=PUBLISHED.min_dist, random_state=PUBLISHED.seed, n_jobs=1
        )


def _hdbscan() -> Any:
    from hdbscan import HDBSCAN

    return HDBSCAN(
        min_cluster_size=PUBLISHED.min_cluster_size,
        min_samples=PUBLISHED.min_samples,
        cluster_selection_method=PUBLISHED.cluster_selection_method,
        cluster_selection_epsilon=PUBLISHED.cluster_selection_epsilon,
        prediction_data=True,
    )
