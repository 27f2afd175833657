"""The map: parity with umap-learn, places that do not depend on company, a file that places as the original does."""

import json
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.decomposition import PCA

from ctc_core import classify
from ctc_core._umap import umap_learn
from ctc_core.errors import Cancelled, ModelError, NotEnoughLabels, StoreError
from ctc_core.latent import (
    Cells,
    LatentMap,
    MapParameters,
    Placed,
    Reduction,
    fit_map,
    load,
    locate,
    map_id,
    nearest_clusters,
    place,
)
from ctc_core.latent import save as save_map
from ctc_core.latent.layout import Layout, restore
from ctc_core.latent.layout import place as place_features
from ctc_core.store import write_bundle
from tests.latent.small_map import SMALL, kinds_of_cells

TRAIN, TEST, OTHER = (
    kinds_of_cells(n, seed, name=name) for n, seed, name in ((120, 1, "train"), (90, 2, "test"), (210, 3, "other"))
)


def same(left: Placed, right: Placed) -> None:
    np.testing.assert_array_equal(left.features, right.features)
    np.testing.assert_array_equal(left.xy, right.xy)
    np.testing.assert_array_equal(left.clusters, right.clusters)


def layout_of(latent_map: LatentMap) -> Layout:
    return Layout(latent_map.train.features, latent_map.train.xy, *latent_map.curve, latent_map.parameters)


def test_coordinates_are_those_of_umap_learn(small_map: LatentMap) -> None:
    """The published calls, one by one, on the same features: equal to the last bit."""
    features = small_map.train.features
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a seed allows one thread
        model = umap_learn().UMAP(n_components=2, n_neighbors=30, min_dist=0.8, metric="euclidean", random_state=42)
        model.fit(features)
        expected = [model.embedding_, model.transform(small_map.cells.features[:90])]
        expected += [model.transform(small_map.cells.features[90:])]
    np.testing.assert_array_equal(small_map.train.xy, expected[0])
    np.testing.assert_array_equal(small_map.cells.xy, np.concatenate(expected[1:]))


def test_a_restored_model_transforms_as_the_fitted_one(small_map: LatentMap) -> None:
    again = restore(layout_of(small_map)).transform(small_map.cells.features[:90])
    np.testing.assert_array_equal(again, small_map.cells.xy[:90])


def test_each_kind_is_a_cluster_and_labelled_cells_get_their_neighbours(small_map: LatentMap) -> None:
    assert small_map.cluster_ids == (0, 1, 2)
    assert (small_map.n_test, small_map.notes) == (90, ())
    for placed in (small_map.train, small_map.cells):
        kind = np.arange(len(placed.clusters)) % 3
        assert [len(set(placed.clusters[kind == k].tolist()) - {-1}) for k in range(3)] == [1, 1, 1]
    distances = np.linalg.norm(small_map.train.xy[:, None] - small_map.cells.xy, axis=2)
    np.testing.assert_array_equal(small_map.train.clusters, small_map.cells.clusters[distances.argmin(axis=1)])


def test_new_cells_get_the_same_place_in_any_company(small_map: LatentMap) -> None:
    new = kinds_of_cells(60, 4, name="new").vectors
    together = place(small_map, new, encoder_id="enc-1")
    same(place(small_map, new[7:8], encoder_id="enc-1"), Placed(*(a[7:8] for a in vars(together).values())))
    same(place(small_map, new[::-1], encoder_id="enc-1"), Placed(*(a[::-1] for a in vars(together).values())))
    same(place(small_map, np.tile(new, (3, 1))[60:120], encoder_id="enc-1"), together)


def test_new_cells_fall_into_the_cluster_of_their_kind(small_map: LatentMap) -> None:
    found = place(small_map, kinds_of_cells(300, 5, name="new").vectors, encoder_id="enc-1").clusters
    of_kind = [small_map.cells.clusters[k::3].max() for k in range(3)]
    right = found == np.array(of_kind)[np.arange(300) % 3]
    assert right.mean() > 0.9


def test_locate_knows_the_maps_own_cells_and_places_the_others(small_map: LatentMap) -> None:
    new = kinds_of_cells(3, 4, name="new")
    mixed = Cells(
        ("other-5", "new-2", "train-7", "test-0"),
        np.stack([OTHER.vectors[5], new.vectors[2], TRAIN.vectors[7], TEST.vectors[0]]),
    )
    found = locate(small_map, mixed, encoder_id="enc-1")
    placed, own, train = place(small_map, new.vectors, encoder_id="enc-1"), small_map.cells, small_map.train
    np.testing.assert_array_equal(found.xy, np.stack([own.xy[95], placed.xy[2], train.xy[7], own.xy[0]]))
    assert found.clusters.tolist() == [own.clusters[95], placed.clusters[2], train.clusters[7], own.clusters[0]]
    assert locate(small_map, kinds_of_cells(0, 1, name="none"), encoder_id="enc-1").xy.shape == (0, 2)


def test_no_new_cells(small_map: LatentMap) -> None:
    placed = place(small_map, np.empty((0, 128), np.float32), encoder_id="enc-1")
    assert (placed.features.shape, placed.xy.shape, placed.clusters.shape) == ((0, 32), (0, 2), (0,))


def test_placing_reports_progress_and_can_be_cancelled(small_map: LatentMap, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctc_core.latent.layout.BLOCK", 20)
    seen = []

    def stop_after_two(done: int, total: int, _note: str) -> None:
        seen.append((done, total))
        if len(seen) == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        place_features(layout_of(small_map), small_map.cells.features[:50], stop_after_two)
    assert seen == [(20, 50), (40, 50)]


# ---- the artefact ----------------------------------------------------------------------------------------------------

PLACE = """
import sys
from pathlib import Path
import numpy as np
from ctc_core.latent import load, place
folder = Path(sys.argv[1])
placed = place(load(folder / "map"), np.load(folder / "new.npy"), encoder_id="enc-1")
np.save(folder / "xy.npy", placed.xy)
np.save(folder / "clusters.npy", placed.clusters)
print([name for name in ("tensorflow", "torch", "keras", "torchvision") if name in sys.modules])
"""


def test_a_saved_map_places_identically_in_a_fresh_process(small_map: LatentMap, tmp_path: Path) -> None:
    new = kinds_of_cells(60, 4, name="new").vectors
    expected = place(small_map, new, encoder_id="enc-1")
    save_map(small_map, tmp_path / "map")
    np.save(tmp_path / "new.npy", new)
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", PLACE, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert (result.stdout.strip(), result.stderr) == ("[]", "")
    np.testing.assert_array_equal(np.load(tmp_path / "xy.npy"), expected.xy)
    np.testing.assert_array_equal(np.load(tmp_path / "clusters.npy"), expected.clusters)


def test_a_map_survives_a_round_trip(small_map: LatentMap, tmp_path: Path) -> None:
    odd = replace(small_map, notes=("odd",))
    again = load(save_map(odd, tmp_path / "map"))
    same(again.train, odd.train)
    same(again.cells, odd.cells)
    np.testing.assert_array_equal(again.reduction.components, odd.reduction.components)
    plain = ("id", "encoder_id", "parameters", "curve", "train_ids", "cell_ids", "n_test", "notes")
    assert [getattr(again, name) for name in plain] == [getattr(odd, name) for name in plain]


def test_what_a_store_reads_from_the_bundle(small_map: LatentMap, tmp_path: Path) -> None:
    folder = save_map(small_map, tmp_path / "map")
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["kind"] == "map"
    assert manifest["parameters"]["map_id"] == small_map.id
    assert sorted(manifest["files"]) == [
        "cells.parquet", "cells_features.npy", "cells_xy.npy", "components.npy", "mean.npy", "train.parquet",
        "train_features.npy", "train_xy.npy",
    ]  # fmt: skip


def test_a_changed_or_foreign_folder_is_refused(small_map: LatentMap, tmp_path: Path) -> None:
    folder = save_map(small_map, tmp_path / "map")
    np.save(folder / "train_xy.npy", small_map.train.xy + 1)
    with pytest.raises(StoreError, match=r"train_xy\.npy was changed"):
        load(folder)
    other = write_bundle(tmp_path / "other", kind="cartridge", parameters={}, inputs={}, tables={}, arrays={})
    with pytest.raises(ModelError, match="a bundle of the kind 'cartridge', not a map"):
        load(other)


# ---- identity and refusals -------------------------------------------------------------------------------------------


def test_id_is_the_hash_of_what_the_map_is_fitted_on(small_map: LatentMap) -> None:
    reduction = Reduction.fit(TRAIN.vectors)

    def name(train=TRAIN, encoder="enc-1", parameters=SMALL) -> str:
        return map_id(train, TEST, OTHER, reduction, encoder_id=encoder, parameters=parameters)

    assert name() == small_map.id
    moved = replace(TRAIN, vectors=TRAIN.vectors + 1)
    others = [name(encoder="enc-2"), name(parameters=MapParameters()), name(train=moved)]
    assert len({small_map.id, *others}) == 4


def test_a_second_encoders_map_stands_beside_the_first(small_map: LatentMap) -> None:
    reduction = Reduction.fit(TRAIN.vectors)
    second = fit_map(TRAIN, TEST, OTHER, reduction, encoder_id="enc-2", parameters=SMALL)
    assert second.id != small_map.id
    new = kinds_of_cells(6, 4, name="new").vectors
    assert place(second, new, encoder_id="enc-2").xy.shape == (6, 2)
    with pytest.raises(ModelError) as caught:
        place(small_map, new, encoder_id="enc-2")
    assert str(caught.value) == (
        f"{small_map.id}: a map of the encoder enc-1, but these are vectors of enc-2. "
        "Fit a map for this encoder: python -m ctc_core map."
    )


def test_vectors_that_do_not_fit_are_refused(small_map: LatentMap) -> None:
    with pytest.raises(ModelError, match="do not fit principal components of 128 numbers"):
        place(small_map, np.zeros((2, 64), np.float32), encoder_id="enc-1")
    with pytest.raises(ModelError, match="not finite"):
        place(small_map, np.full((2, 128), np.nan, np.float32), encoder_id="enc-1")


def test_too_few_training_cells_are_refused() -> None:
    few = kinds_of_cells(9, 1, name="train")
    with pytest.raises(NotEnoughLabels, match="9 labelled cells of training patients: a map needs at least 10"):
        fit_map(few, TEST, OTHER, Reduction.fit(TRAIN.vectors), encoder_id="e")


def test_a_few_cells_still_make_a_map_that_says_what_it_lacks() -> None:
    """Fewer training cells than neighbours, fewer cells than `min_samples`, no test cell at all."""
    few, none, other = kinds_of_cells(12, 1, name="a"), kinds_of_cells(0, 2, name="b"), kinds_of_cells(20, 3, name="c")
    poor = fit_map(few, none, other, Reduction.fit(few.vectors), encoder_id="e")
    assert poor.cluster_ids == () and poor.n_test == 0
    assert set(poor.cells.clusters) | set(poor.train.clusters) == {-1}
    assert [note.split(" are ")[0] for note in poor.notes] == [
        "12 labelled training cells",
        "20 test and unlabelled cells",
    ]
    assert place(poor, other.vectors, encoder_id="e").clusters.tolist() == [-1] * 20
    assert (
        nearest_clusters(few.vectors[:, :2], np.empty((0, 2), np.float32), np.empty(0, np.int64)).tolist() == [-1] * 12
    )


def test_reduction_is_the_classifiers_own_pca() -> None:
    labels = (np.arange(120) % 3 == 0).astype(np.int64)
    classifier = classify.fit(TRAIN.vectors, labels, TRAIN.cell_ids, encoder_id="e")
    oracle = PCA(32, random_state=0).fit(TRAIN.vectors[np.argsort(TRAIN.cell_ids)]).transform(TEST.vectors)
    features = Reduction.of(classifier).transform(TEST.vectors)
    assert features.dtype == np.float32
    np.testing.assert_allclose(features, oracle, atol=1e-4)
    direct = classifier.pipeline[1].predict(features.astype(np.float64))
    np.testing.assert_array_equal(direct, classifier.pipeline.predict(TEST.vectors))


def test_importing_the_room_is_cheap() -> None:
    code = "import sys, ctc_core.latent, ctc_core.reliability, ctc_core.cli_map, ctc_core.features; "
    code += "print([n for n in ('umap', 'hdbscan', 'numba', 'torch', 'tensorflow', 'sklearn') if n in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (result.stdout.strip(), result.stderr) == ("[]", "")
