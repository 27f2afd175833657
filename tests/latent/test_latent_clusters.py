"""Cluster ids are those of the hdbscan package; the degenerate cases say what they are."""

import hdbscan
import numpy as np
import pytest

from ctc_core.latent import MapParameters, find_clusters, nearest_clusters
from ctc_core.latent.clusters import cluster_notes


def blobs(seed: int, n: int = 500) -> np.ndarray:
    rng = np.random.default_rng(seed)
    centres = np.array([[0, 0], [9, 0], [0, 9], [5, 5]])
    groups = [centre + rng.normal(size=(n, 2)) * (0.4 + 0.2 * i) for i, centre in enumerate(centres)]
    points = np.concatenate([*groups, rng.uniform(-5, 14, (n // 2, 2))])
    return rng.permutation(points).astype(np.float32)


def published(xy: np.ndarray) -> np.ndarray:
    return hdbscan.HDBSCAN(
        min_cluster_size=15,
        min_samples=90,
        cluster_selection_method="leaf",
        cluster_selection_epsilon=0.25,
        prediction_data=True,
    ).fit_predict(xy)


@pytest.mark.parametrize("seed", range(3))
def test_ids_are_those_of_the_package_row_by_row(seed: int) -> None:
    xy = blobs(seed)
    expected = published(xy)
    assert expected.max() >= 2 and (expected == -1).any()
    found = find_clusters(xy)
    assert found.dtype == np.int64
    np.testing.assert_array_equal(found, expected)


def test_the_order_of_rows_matters_as_it_does_in_the_package() -> None:
    xy = blobs(0)[::-1].copy()
    np.testing.assert_array_equal(find_clusters(xy), published(xy))


@pytest.mark.parametrize("n", [0, 1, 2, 89])
def test_fewer_cells_than_min_samples_are_background(n: int) -> None:
    """The package fails here with the published parameters."""
    clusters = find_clusters(blobs(0)[:n])
    assert clusters.tolist() == [-1] * n
    (note,) = cluster_notes(clusters, MapParameters())
    assert note.startswith(f"{n} test and unlabelled cells are fewer than the 90")


def test_one_cloud_is_no_cluster() -> None:
    xy = np.random.default_rng(0).normal(size=(400, 2)).astype(np.float32)
    clusters = find_clusters(xy)
    np.testing.assert_array_equal(clusters, published(xy))
    assert set(clusters) == {-1}
    assert cluster_notes(clusters, MapParameters()) == (
        "No cluster was found: all cells are background, and reliability is known for all cells together only.",
    )


def test_one_cluster_is_said_and_two_are_not() -> None:
    one = np.array([-1] * 50 + [0] * 50)
    assert cluster_notes(one, MapParameters()) == (
        "Only one cluster was found: weak and strong areas can hardly be told apart.",
    )
    assert cluster_notes(np.array([-1] * 50 + [0, 1] * 50), MapParameters()) == ()


def test_nearest_cluster_may_be_background() -> None:
    clustered = np.array([[0, 0], [1, 0], [5, 5]], np.float32)
    xy = np.array([[0.1, 0], [0.9, 0.3], [40, 40]], np.float32)
    assert nearest_clusters(xy, clustered, np.array([3, -1, 0])).tolist() == [3, -1, 0]
