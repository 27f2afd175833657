"""Rim, bubbles, haze and focus are functions of the cartridge, so that neighbouring frames fit together."""

import dataclasses
import math

import numpy as np
import pytest

from ctc_core.simulate import draw_patient
from ctc_core.simulate.artefacts import OPEN, Bubble, Chamber, Look, Wall, add_background, draw_chamber
from ctc_core.simulate.objects import Item
from ctc_core.simulate.optics import haze, smooth_noise_at
from ctc_core.simulate.population import populate
from ctc_core.simulate.scene import Crowd, render_region

DARK = Look(beyond=(0.5,) * 4, line=(1.0,) * 4, width_px=4.0, passes=0.25)
WALL = Wall(upright=False, start=0.0, inward=1, middle=100.0, inset=40.0, tilt=0.0, wave=(0.0, 50.0, 0.0), look=DARK)
BUBBLE = Bubble(y=150.0, x=200.0, radius=60.0, stretch=1.0, look=DARK)


@pytest.fixture
def plain(patient):
    """A patient without haze: the background of page k is exactly 100."""
    return dataclasses.replace(patient, haze=(0.0,) * 4, background=(100.0,) * 4)


def backdrop(patient, chamber, place=(0, 0), size=(300, 400), light=0.0):
    field = np.full((4, *size), light, dtype=np.float32)
    add_background(patient, chamber, field, place, range(4))
    return field


def test_haze_is_one_field_over_the_cartridge():
    whole = haze(7, (0, 2), (1000, 1300), (120, 200))
    left, right = haze(7, (0, 2), (1000, 1300), (120, 90)), haze(7, (0, 2), (1000, 1390), (120, 110))
    np.testing.assert_allclose(np.concatenate([left, right], axis=2), whole, atol=1e-5)
    np.testing.assert_allclose(haze(7, (0, 2), (1000, 1300), (12, 20), 10), whole[:, ::10, ::10], atol=1e-5)
    assert np.abs(whole[0] - whole[1]).max() > 0.1
    assert (haze(8, (0,), (1000, 1300), (120, 200)) != whole[0]).any()


def test_haze_is_smooth_and_of_the_stated_spread():
    samples = np.concatenate([haze(seed, range(4), (0, 0), (200, 200), 26).ravel() for seed in range(10)])
    assert samples.std() == pytest.approx(0.7, abs=0.15) and abs(samples.mean()) < 0.2
    assert np.abs(np.diff(haze(1, (0,), (0, 0), (400, 400))[0], axis=0)).max() < 0.06


def test_smooth_noise_takes_its_knots_values_at_the_knots():
    y = np.array([0.0, 100.0, 50.0])
    at = smooth_noise_at(5, y, np.zeros(3), 100)
    assert at[2] == pytest.approx((at[0] + at[1]) / 2, abs=1e-6)


def test_behind_the_wall_light_and_background_change_as_the_look_says(plain):
    field = backdrop(plain, Chamber((WALL,)), light=80.0)
    np.testing.assert_allclose(field[:, 5, :], 50 + 0.25 * 80, atol=0.5)  # 35 px behind: half background, quarter light
    np.testing.assert_allclose(field[:, 150, :], 180, atol=1e-3)
    assert field[0, 40, 0] > 180 > field[0, 50, 0]  # bright line at the edge, dark one beside it


def test_bubble_is_dark_with_a_bright_ring_all_around(plain):
    field = backdrop(plain, Chamber((BUBBLE,)))[0]
    assert field[150, 200] == pytest.approx(50, abs=0.1) and field[20, 20] == 100
    angles = np.arange(12) * math.pi / 6
    ring = [field[round(150 + 60 * math.sin(a)), round(200 + 60 * math.cos(a))] for a in angles]
    assert min(ring) > 140


def test_artefacts_continue_across_a_frame_border(patient):
    chamber = Chamber((WALL, BUBBLE))
    whole = backdrop(patient, chamber, size=(300, 400))
    parts = [[backdrop(patient, chamber, (y, x), (150, 200)) for x in (0, 200)] for y in (0, 150)]
    together = np.concatenate([np.concatenate(row, axis=2) for row in parts], axis=1)
    np.testing.assert_allclose(together, whole, rtol=1e-4)


def test_a_far_edge_changes_nothing(plain):
    place = (5000, 9000)
    np.testing.assert_array_equal(backdrop(plain, Chamber((WALL, BUBBLE)), place), backdrop(plain, OPEN, place))
    assert Chamber((WALL, BUBBLE)).near(place, (300, 400)) == OPEN
    assert Chamber((WALL, BUBBLE)).near((150, 100), (300, 400)) == Chamber((BUBBLE,))


def test_a_patient_has_one_chamber_whose_walls_lie_at_its_sides():
    chamber = draw_chamber(draw_patient(8), 5180, 48440)
    assert chamber == draw_chamber(draw_patient(8), 5180, 48440) != draw_chamber(draw_patient(9), 5180, 48440)
    walls = [edge for edge in chamber.edges if isinstance(edge, Wall)]
    assert [(wall.upright, wall.start) for wall in walls] == [(False, 0), (False, 5180), (True, 0), (True, 48440)]
    middle, corners = (2590.0, 24220.0), [(1.0, 24220.0), (5179.0, 24220.0), (2590.0, 1.0), (2590.0, 48439.0)]
    y, x = np.array([middle, *corners]).T
    assert chamber.holds(y, x).tolist() == [True, False, False, False, False]


def test_some_patients_have_bubbles_and_either_rim():
    patients = [draw_patient(seed) for seed in range(60)]
    bubbles = [patient.bubbles for patient in patients]
    assert 15 < bubbles.count(0) < 50 and max(bubbles) >= 3
    assert {patient.bright_rim for patient in patients} == {True, False}


def test_most_of_a_cartridge_is_in_focus_and_some_of_it_is_not():
    rng = np.random.default_rng(1)
    blur = np.concatenate(
        [
            draw_chamber(draw_patient(seed), 5180, 48440).defocus(rng.uniform(0, 5180, 300), rng.uniform(0, 48440, 300))
            for seed in range(40)
        ]
    )
    assert 0.6 < (blur < 0.1).mean() < 0.9 and 0.02 < (blur > 1).mean() < 0.15 and blur.max() < 6


def test_objects_lie_within_the_walls_and_few_under_bubbles(patient):
    chamber = Chamber((dataclasses.replace(WALL, inset=300.0), dataclasses.replace(BUBBLE, y=700.0, radius=200.0)))
    items = populate(patient, 1036, 1384, np.random.default_rng(3), ctcs=(30, 30), chamber=chamber)
    free = populate(patient, 1036, 1384, np.random.default_rng(3), ctcs=(30, 30))
    tumour = [item for item in items if item.is_ctc]
    assert len(tumour) == 30 and sum(item.y > 300 for item in tumour) >= 27  # a cluster may lean on the wall
    assert all(item.y > 300 for item in items if not item.is_ctc)

    def under(found: list[Item]) -> int:
        return sum(math.hypot(item.y - 700, item.x - 200) < 200 and not item.is_ctc for item in found)

    assert 0 < under(items) < 0.75 * under(free)


def test_objects_are_drawn_where_the_area_lies(patient):
    near = populate(patient, 400, 500, np.random.default_rng(4))
    far = populate(patient, 400, 500, np.random.default_rng(4), origin=(2072, 6920))
    assert len(near) == len(far)
    np.testing.assert_allclose([(i.y - 2072, i.x - 6920) for i in far], [(i.y, i.x) for i in near], atol=1e-6)


def test_frames_of_one_cartridge_show_the_same_rim(patient):
    chamber = Chamber((WALL,))
    left, _ = render_region(patient, Crowd([]), (0, 0), (120, 140), np.random.default_rng(1), chamber=chamber)
    right, _ = render_region(patient, Crowd([]), (0, 140), (120, 140), np.random.default_rng(2), chamber=chamber)
    for scene in (left, right):
        rows = np.median(scene[0].astype(float), axis=1)
        assert np.argmax(rows) == pytest.approx(40, abs=3) and rows[:25].mean() < 0.75 * rows[70:].mean()
