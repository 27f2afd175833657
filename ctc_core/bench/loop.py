"""What follows on the vectors: classifier, map, clusters, nearest cells, and the import of a cartridge."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ctc_core import classify
from ctc_core.bench.cartridge import spread
from ctc_core.bench.made import LABELLED, labelled_vectors, make_cartridge, vectors_of
from ctc_core.latent import PUBLISHED, Reduction, find_clusters, nearest_clusters
from ctc_core.latent.layout import Layout, fit_layout, place, restore
from ctc_core.nearest import LabelledCells
from ctc_core.store import Store
from ctc_core.types import Label, Progress, Role

T = TypeVar("T")

PLACED_PLAIN = 500
"""Cells that umap-learn's own way is timed on: one Python call for each pair with a fitted cell."""

NEIGHBOURS = 15
"""On the map, that two ways of placing cells are compared by."""


def measure(*, cells: int, repeats: int, progress: Progress) -> dict[str, Any]:
    """Rows of name, size, seconds, and where there is one the seconds of a plain baseline, in turn with ours."""
    vectors, labels = labelled_vectors(LABELLED, seed=0)
    ids = tuple(f"c-{k:06d}" for k in range(LABELLED))
    unseen = vectors_of(cells, seed=1)
    steps = 5
    progress(0, steps, "Classifier")
    classifier = classify.fit(vectors, labels, ids, encoder_id="made")
    rows = [
        timed("fit the classifier", LABELLED, lambda: classify.fit(vectors, labels, ids, encoder_id="made"), repeats),
        timed(
            "score", cells, lambda: classifier.probabilities(unseen), repeats,
            plain=lambda: classifier.pipeline.predict_proba(unseen),
        ),
    ]  # fmt: skip
    progress(1, steps, "Nearest labelled cells")
    known = LabelledCells(ids, vectors, tuple(Label.CTC if label else Label.NON_CTC for label in labels))
    rows.append(timed("nearest labelled cells of one", LABELLED, lambda: known.nearest(unseen[0]), repeats))
    progress(2, steps, "Map")
    rows += map_rows(vectors, unseen, Reduction.of(classifier), repeats)
    progress(3, steps, "Import")
    rows.append(import_row(15_000, repeats))
    progress(4, steps, "A round's end")
    rows.append(refit_row(vectors, labels, ids, unseen, repeats))
    progress(steps, steps, "Done")
    return {"rows": rows, "about": f"Made-up vectors, {LABELLED} labelled; median of {repeats} runs in turn."}


def timed(
    name: str, size: int, ours: Callable[[], Any], repeats: int, plain: Callable[[], Any] | None = None, note: str = ""
) -> dict[str, Any]:
    """Median seconds after a run that is not counted; with `plain`, ratios turn by turn."""
    ours()
    taken = [(seconds(ours), seconds(plain) if plain else float("nan")) for _ in range(repeats)]
    row = {"name": name, "size": size, "seconds": float(np.median([mine for mine, _ in taken])), "note": note}
    if plain is None:
        return row
    ratio = spread([theirs / mine for mine, theirs in taken])
    return {**row, "baseline": float(np.median([theirs for _, theirs in taken])), "ratio": ratio}


def seconds(work: Callable[[], Any]) -> float:
    """By the clock."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


# ---- map ------------------------------------------------------------------------------------------------------------


def map_rows(
    vectors: NDArray[np.float32], unseen: NDArray[np.float32], reduction: Reduction, repeats: int
) -> list[dict[str, Any]]:
    """Fit, place with each way of finding neighbours, clusters."""
    features, others = reduction.transform(vectors), reduction.transform(unseen)
    fit_layout(features[:500], (), PUBLISHED)  # compiles
    fitted, (layout, _) = once("fit the map", len(features), lambda: fit_layout(features, (), PUBLISHED))
    few = others[:PLACED_PLAIN]
    own = timed("place cells", len(few), lambda: place(layout, few), repeats, plain=lambda: umaps_own(layout, few))
    approximately(layout, few)
    exact, xy = once("place cells", len(others), lambda: place(layout, others))
    rough, other = once("place cells, approximate search", len(others), lambda: approximately(layout, others))
    grouped, clusters = once("find clusters", len(xy), lambda: find_clusters(xy))
    return [fitted, own, exact, {**rough, "note": agreement(xy, other, clusters)}, grouped]


def once(name: str, size: int, work: Callable[[], T]) -> tuple[dict[str, Any], T]:
    """The row of a single run of something that takes long, and what it made."""
    began = time.perf_counter()
    made = work()
    return {"name": name, "size": size, "seconds": time.perf_counter() - began, "note": "one run"}, made


def umaps_own(layout: Layout, features: NDArray[np.float32]) -> Any:
    """`UMAP.transform` as it is for fewer than 4,096 fitted cells."""
    from umap import distances

    model = restore(layout)
    model._small_data, model._sparse_data, model._metric_kwds = True, False, {}
    model._input_distance_func = distances.named_distances[model.metric]
    return model.transform(features)


def approximately(layout: Layout, features: NDArray[np.float32]) -> NDArray[np.float32]:
    """As `place`, with the search that `force_approximation_algorithm=True` chooses (pynndescent)."""
    from pynndescent import NNDescent

    from ctc_core.latent import layout as room

    index = NNDescent(layout.features, n_neighbors=PUBLISHED.n_neighbors, random_state=PUBLISHED.seed, n_jobs=1)
    index.prepare()
    exact = room._search_exactly

    def search(model: Any) -> None:
        model._small_data, model._knn_search_index = False, index

    room._search_exactly = search
    try:
        return place(layout, features)
    finally:
        room._search_exactly = exact


def agreement(exact: NDArray[np.float32], other: NDArray[np.float32], clusters: NDArray[np.int64]) -> str:
    """Share of cells in the same cluster, and of neighbours on the map that stay neighbours."""
    from scipy.spatial import KDTree

    same = float((nearest_clusters(other, exact, clusters) == clusters).mean())
    some = np.arange(0, len(exact), max(len(exact) // 2000, 1))
    near = [KDTree(xy).query(xy[some], NEIGHBOURS + 1)[1] for xy in (exact, other)]
    kept = np.mean([len(set(a) & set(b)) - 1 for a, b in zip(*near, strict=True)]) / NEIGHBOURS
    return f"same cluster {same:.3f}, neighbours kept {kept:.3f}"


# ---- store ----------------------------------------------------------------------------------------------------------


def import_row(cells: int, repeats: int) -> dict[str, Any]:
    """A finished cartridge into a store."""
    taken = []
    with tempfile.TemporaryDirectory() as folder, Store.open(Path(folder) / "data") as store:
        store.add_patient("p", Role.REVIEW, "bench", "bench")
        for k in range(repeats):
            bundle = make_cartridge(Path(folder) / f"bundle-{k}", f"c{k}", "p", cells, seed=k)
            taken.append(seconds(lambda bundle=bundle: store.add_bundle(bundle)))  # type: ignore[misc]
    return {"name": "import a cartridge", "size": cells, "seconds": float(np.median(taken)), "note": ""}


def refit_row(
    vectors: NDArray[np.float32],
    labels: NDArray[np.int64],
    ids: tuple[str, ...],
    unseen: NDArray[np.float32],
    repeats: int,
) -> dict[str, Any]:
    """The end of a round: a new classifier, and its scores of all cells in the store."""
    with tempfile.TemporaryDirectory() as folder, Store.open(Path(folder) / "data") as store:
        store.add_patient("p", Role.REVIEW, "bench", "bench")
        made = make_cartridge(Path(folder) / "bundle", "c", "p", len(unseen), seed=1)
        cartridge = store.add_bundle(made)

        def refit() -> None:
            found = classify.fit(vectors, labels, ids, encoder_id="made")
            known, values = store.vectors(cartridge, "made")
            store.save_predictions(found.id, known, found.probabilities(values))

        return timed("fit again and score all in the store", len(unseen), refit, repeats)
