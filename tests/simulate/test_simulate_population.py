"""Patients and their objects: sizes, numbers and what CellSearch shows of them, without rendering."""

import numpy as np
import pytest

from ctc_core.cartridge import Grid
from ctc_core.simulate import draw_patient
from ctc_core.simulate.cells import CTC_LOOKS, ctc, leukocyte
from ctc_core.simulate.cellsearch import show
from ctc_core.simulate.population import crowd, populate

FULL = Grid(5, 35)


@pytest.fixture(scope="module")
def cartridge():
    """Patient, objects and events of a full cartridge."""
    patient = draw_patient(104)
    items = populate(patient, 5 * 1036, 35 * 1384, np.random.default_rng(1))
    return patient, items, show(patient, items, FULL, np.random.default_rng(2))


def test_a_seed_is_one_patient_for_ever():
    assert draw_patient(8) == draw_patient(8) != draw_patient(9)


def test_patients_span_table_2():
    patients = [draw_patient(seed) for seed in range(30)]
    ctcs = np.array([p.ctcs for p in patients])
    events = ctcs + [p.false_events for p in patients]
    assert ctcs.min() >= 16 and ctcs.max() <= 143 and ctcs.max() > 4 * ctcs.min()
    assert events.min() >= 93 and events.max() <= 1197 and events.max() > 4 * events.min()
    ppv = ctcs / events
    assert ppv.min() >= 0.09 and ppv.max() <= 0.385 and ppv.max() > 2 * ppv.min()
    carried_over = [p.leukocytes for p in patients]
    assert max(carried_over) > 5 * min(carried_over)


def test_sizes_have_the_published_medians(patient):
    rng = np.random.default_rng(3)
    intact = ["ring", "granular", "saturated"]
    ctcs = [ctc(patient, intact[k % 3], (0, 0), rng).diameter_um for k in range(1500)]
    cells = [leukocyte(patient, (0, 0), rng).diameter_um for _ in range(1500)]
    assert np.median(ctcs) == pytest.approx(12.4, abs=0.5)
    assert np.median(cells) == pytest.approx(9.4, abs=0.2)


def test_every_ctc_has_a_smaller_nucleus_and_no_cd45(patient):
    rng = np.random.default_rng(4)
    cells = [ctc(patient, phenotype, (0, 0), rng) for phenotype in CTC_LOOKS for _ in range(20)]
    assert all(c.is_ctc and c.nucleus_um < c.diameter_um and c.levels[3] == 0 and c.diameter_um >= 4 for c in cells)


def test_full_cartridge_has_the_papers_density(cartridge):
    patient, items, _ = cartridge
    per_frame = sum(i.ck_positive for i in items) / 175
    assert per_frame == pytest.approx(patient.ck_objects + patient.ctcs / 175, rel=0.1)
    assert sum(i.is_ctc for i in items) in (patient.ctcs, patient.ctcs + 1)


def test_events_are_objects_and_lie_where_they_are(cartridge):
    _, items, shown = cartridge
    assert [s.event.rid for s in shown] == [str(n) for n in range(1, len(shown) + 1)]
    assert len({s.object_id for s in shown}) == len(shown)
    for s in shown:
        item, box = items[s.object_id], s.event.box
        row, col = FULL.position(s.event.frame)
        y, x = item.y - row * 1036, item.x - col * 1384
        assert box.x0 - 1 <= x <= box.x1 + 1 and box.y0 - 1 <= y <= box.y1 + 1 and item.ck_positive
        assert 0 <= box.x0 < box.x1 <= 1383 and 0 <= box.y0 < box.y1 <= 1035


def test_events_of_a_full_cartridge_are_like_table_2(cartridge):
    patient, items, shown = cartridge
    hits = sum(items[s.object_id].is_ctc for s in shown)
    assert 93 <= len(shown) <= 1197 and 0.09 <= hits / len(shown) <= 0.37
    assert 0.75 * patient.ctcs <= hits <= patient.ctcs
    right = [s.event.assigned for s in shown if items[s.object_id].is_ctc]
    wrong = [s.event.assigned for s in shown if not items[s.object_id].is_ctc]
    assert np.mean(right) > 0.8 and np.mean(wrong) < 0.05


def test_few_frames_with_many_ctcs_keep_the_ppv(patient):
    grid = Grid(2, 3)
    items = populate(patient, 2 * 1036, 3 * 1384, np.random.default_rng(5), ctcs=(20, 20))
    shown = show(patient, items, grid, np.random.default_rng(6))
    assert sum(i.is_ctc for i in items) == 20
    expected = 20 / (patient.ctcs / (patient.ctcs + patient.false_events))
    assert len(shown) == pytest.approx(expected, rel=0.35)


def test_no_ctc_is_possible(patient):
    items = populate(patient, 500, 500, np.random.default_rng(7), ctcs=(0, 0))
    shown = show(patient, items, Grid(1, 1, 500, 500), np.random.default_rng(8))
    assert not any(i.is_ctc for i in items) and not any(items[s.object_id].is_ctc for s in shown)


def test_crowd_leaves_room_for_its_guest(patient):
    guest = ctc(patient, "crowded", (0.0, 0.0), np.random.default_rng(9))
    cells = crowd(patient, (0.0, 0.0), [guest], np.random.default_rng(10))
    distance = [np.hypot(c.y, c.x) for c in cells]
    assert len(cells) >= 10 and min(distance) > 3 and sorted(distance)[5] < 30
