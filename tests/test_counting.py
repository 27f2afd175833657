"""The count of a draw from the store, and the commands that print it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ctc_core.counting import THRESHOLDS, CountOptions, at_threshold, count_cartridge, follow_up, ppv_table
from ctc_core.enumeration import Verdict
from ctc_core.errors import SettingsError
from ctc_core.matched import candidates
from ctc_core.store import Store
from ctc_core.types import Decision, Label
from tests.commands import run
from tests.small_store import CARTRIDGE, PATIENT

SmallStore = Callable[..., Path]


def read(store: Store, cartridge_id: str, n: int | None = None, ctcs: int = 6) -> None:
    """Decide about the first n images; the first `ctcs` of them are CTCs."""
    table = candidates(store, cartridge_id, 0.5)
    for i, row in enumerate(table.head(len(table) if n is None else n).to_dict("records")):
        label = Label.CTC if i < ctcs else Label.NON_CTC
        event = None if row["cell_id"] is not None else row["event_rid"]
        store.decide([Decision(f"{cartridge_id}-{i}", cartridge_id, row["cell_id"], event, label, "anna", "tests")])


def test_a_draw_read_to_the_end(small_store: SmallStore) -> None:
    with Store.open(small_store()) as store:
        read(store, CARTRIDGE)
        report = count_cartridge(store, CARTRIDGE, 0.5)
        at = [at_threshold(store, CARTRIDGE, value) for value in THRESHOLDS]
        (draw,) = follow_up(store, PATIENT, 0.5)
        table = ppv_table(store, 0.5)
    assert (report.read, report.next_ids, report.worth) == (report.shown, (), {})
    assert (report.count.confirmed, report.count.per_7_5_ml, report.count.cellsearch_assigned) == (6, 6.0, 5)
    assert report.unseen.verdict is Verdict.POINTLESS and report.unseen.unread_bound == 0
    assert 0 < report.count.p_patient < report.count.p_tube < 1
    assert report.count.in_tube.low <= 6 <= report.count.in_tube.high
    assert all(0 <= row.expected_ctcs <= 7 and row.expected_missed.low <= row.expected_missed.high for row in at)
    assert len(report.notes) == 3 and report.notes[2].startswith("Expected misses rest on what CellSearch shows alone")
    assert draw.count == report.count
    assert table.pooled == table.rows[0].__class__(**{**vars(table.rows[0]), "name": "all"})


def test_nothing_read_says_read_on(small_store: SmallStore) -> None:
    with Store.open(small_store()) as store:
        report = count_cartridge(store, CARTRIDGE, 0.5)
        assert ppv_table(store, 0.5).rows == ()
    assert (report.read, report.unseen.verdict, len(report.next_ids)) == (0, Verdict.READ_ON, report.shown)
    assert set(report.worth) == set(report.next_ids) and max(report.worth.values()) > 0


def test_half_the_blood_counts_twice(small_store: SmallStore) -> None:
    with Store.open(small_store()) as store:
        read(store, CARTRIDGE)
        whole, half = (count_cartridge(store, CARTRIDGE, 0.5, CountOptions(volume_ml=ml)) for ml in (7.5, 3.75))
    assert (whole.count.per_7_5_ml, half.count.per_7_5_ml) == (6.0, 12.0)
    assert half.count.p_patient > whole.count.p_patient
    assert half.count.in_tube.high - half.count.in_tube.low > whole.count.in_tube.high - whole.count.in_tube.low


def test_what_is_kept_is_not_shown_after_a_decision(small_store: SmallStore) -> None:
    """The count after each decision is that of a store opened anew, which has kept nothing."""
    folder = small_store()
    with Store.open(folder) as store:
        before = count_cartridge(store, CARTRIDGE, 0.5)
        count_cartridge(store, CARTRIDGE, 0.6)
        read(store, CARTRIDGE, n=3, ctcs=2)
        at = at_threshold(store, CARTRIDGE, 0.4)
        after, quarter = (count_cartridge(store, CARTRIDGE, 0.5, CountOptions(volume_ml=ml)) for ml in (7.5, 30))
    with Store.open(folder) as store:
        anew, at_anew = count_cartridge(store, CARTRIDGE, 0.5), at_threshold(store, CARTRIDGE, 0.4)
        quarter_anew = count_cartridge(store, CARTRIDGE, 0.5, CountOptions(volume_ml=30))
    assert (before.count.confirmed, after.count.confirmed) == (0, 2) and before.count != after.count
    assert (after.count, after.unseen, at) == (anew.count, anew.unseen, at_anew)
    assert (after.next_ids, after.worth) == (anew.next_ids, anew.worth)
    assert quarter.count == quarter_anew.count != after.count


def test_a_volume_that_cannot_be(small_store: SmallStore) -> None:
    with Store.open(small_store()) as store, pytest.raises(SettingsError, match=r"0\.5 to 50 ml"):
        count_cartridge(store, CARTRIDGE, 0.5, CountOptions(volume_ml=0.0))


def test_with_a_map_misses_are_expected_and_weak_areas_offered(mapped_store: Path) -> None:
    with Store.open(mapped_store) as store:
        report, row = count_cartridge(store, "R1", 0.5), at_threshold(store, "R1", 0.5)
        shown = set(candidates(store, "R1", 0.5).cell_id)
    assert row.expected_ctcs == pytest.approx(row.images - row.expected_wrong.estimate)
    assert not set(report.less_certain.cell_id) & shown
    assert set(report.less_certain.area) <= {"weak", "unknown"}
    assert report.less_certain.chance.is_monotonic_decreasing


def test_commands(capsys: pytest.CaptureFixture[str], mapped_store: Path) -> None:
    with Store.open(mapped_store) as store:
        read(store, "R1", n=20)
    found = run(capsys, mapped_store, "count", "R1", "--cut-off", "3", "--volume", "7")
    assert (found["cartridge_id"], found["read"], found["confirmed"], found["cut_off"]) == ("R1", 20, 6, 3)
    assert found["per_7_5_ml"] == pytest.approx(6 * 7.5 / 7, abs=1e-3)
    assert [row["threshold"] for row in found["at"]] == [0.4, 0.5, 0.6]
    rows = run(capsys, mapped_store, "ppv")
    assert [(row["patient"], row["classifier_saw"]) for row in rows["patients"]] == [
        ("E1", False), ("R1", False), ("T1", True), ("T2", True),
    ]  # fmt: skip
