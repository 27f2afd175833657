"""Polygon geometry: literals that can be checked by hand."""

import numpy as np

from ctc_core.segment.outlines import Outlines, areas_and_centroids, empty_outlines, tidy

SQUARE = [[10, 20], [10, 24], [14, 24], [14, 20]]
TRIANGLE = [[0, 0], [6, 0], [0, 3], [0, 3]]
COLLAPSED = [[5, 5], [5, 5], [5, 5], [5, 5]]


def test_areas_and_centroids_of_known_shapes():
    areas, centroids = areas_and_centroids(np.array([SQUARE, TRIANGLE, COLLAPSED], np.float32))
    assert areas.tolist() == [16.0, 9.0, 0.0]
    assert centroids.tolist() == [[12.0, 22.0], [2.0, 1.0], [5.0, 5.0]]


def test_orientation_does_not_matter():
    areas, centroids = areas_and_centroids(np.array([SQUARE[::-1]], np.float32))
    assert areas.tolist() == [16.0] and centroids.tolist() == [[12.0, 22.0]]


def test_tidy_clips_to_the_frame_drops_collapsed_and_sorts_by_probability():
    beyond = [[-3, -3], [-3, 4], [4, 4], [4, -3]]
    found = tidy(np.array([SQUARE, COLLAPSED, beyond], np.float32), np.array([0.5, 0.9, 0.7], np.float32), (30, 23))
    assert found.probability.tolist() == [np.float32(0.7), np.float32(0.5)]
    assert found.polygons[0].tolist() == [[0, 0], [0, 4], [4, 4], [4, 0]]
    assert found.polygons[1].tolist() == [[10, 20], [10, 22], [14, 22], [14, 20]]
    assert found.centroids.tolist() == [[2.0, 2.0], [12.0, 21.0]]


def test_at_least_keeps_the_rows_together():
    outlines = Outlines(
        np.arange(6, dtype=np.float32).reshape(3, 2),
        np.arange(24, dtype=np.float32).reshape(3, 4, 2),
        np.array([0.9, 0.5, 0.25], np.float32),
    )
    kept = outlines.at_least(0.5)
    assert kept.probability.tolist() == [np.float32(0.9), 0.5]
    assert kept.centroids.tolist() == [[0, 1], [2, 3]]
    assert kept.polygons.shape == (2, 4, 2) and kept.polygons[1, 0].tolist() == [8, 9]


def test_empty_outlines_have_the_shapes_of_full_ones():
    nothing = empty_outlines()
    assert (nothing.centroids.shape, nothing.polygons.shape, nothing.probability.shape) == ((0, 2), (0, 32, 2), (0,))
    assert len(nothing) == 0
