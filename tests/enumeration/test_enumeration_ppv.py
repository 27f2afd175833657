"""The paper's Table 2 from its decisions, and what is saved."""

from __future__ import annotations

import pandas as pd
import pytest
from scipy.stats import binomtest

from ctc_core.enumeration import Overlap, PpvRow, Side, pooled, ppv_row

# patient: candidates, their CTCs, events, their CTCs, (paper's values to three decimals; 4 is .632, printed as .631)
TABLE_2 = {
    1: (91, 77, 239, 74, 0.846, 0.310),
    2: (135, 104, 531, 107, 0.770, 0.202),
    3: (91, 76, 219, 80, 0.835, 0.365),
    4: (38, 24, 101, 23, 0.632, 0.228),
    5: (225, 124, 1197, 113, 0.551, 0.094),
    6: (71, 34, 168, 38, 0.479, 0.226),
    7: (50, 31, 133, 34, 0.620, 0.256),
    8: (23, 20, 167, 20, 0.870, 0.120),
    9: (23, 14, 93, 16, 0.609, 0.172),
    10: (148, 130, 790, 143, 0.878, 0.181),
}
ONLY_MODEL = 2
"""CTCs of each patient that only the classifier shows (not published by patient; any number would do)."""


def decisions(candidates: int, model: int, events: int, cellsearch: int) -> pd.DataFrame:
    """One row per image: CTCs shown by both, by one of them, and other images of each side."""
    only_model = max(ONLY_MODEL, model - cellsearch)
    both = model - only_model
    rows = [("agreed", "e", "ctc")] * both + [("model", None, "ctc")] * only_model
    rows += [("cellsearch", "e", "ctc")] * (cellsearch - both)
    rows += [("model", None, "non-ctc")] * (candidates - model)
    rows += [("cellsearch", "e", "artifact")] * (events - cellsearch)
    table = pd.DataFrame(rows, columns=["group", "event_rid", "label"])
    return table.assign(assigned=[True if label == "ctc" and rid else None for _, rid, label in rows])


@pytest.mark.parametrize("patient", TABLE_2)
def test_a_patient_of_table_2(patient: int) -> None:
    *counts, ours, theirs = TABLE_2[patient]
    row = ppv_row("p", decisions(*counts))
    assert row.model.ppv is not None and row.cellsearch.ppv is not None
    assert (round(row.model.ppv.estimate, 3), round(row.cellsearch.ppv.estimate, 3)) == (ours, theirs)


def test_all_of_table_2() -> None:
    rows = [ppv_row(str(patient), decisions(*counts[:4])) for patient, counts in TABLE_2.items()]
    found = pooled("all", rows)
    both = 648 - found.overlap.cellsearch_only
    assert found == PpvRow(
        "all",
        Side(895, 895, 634),
        Side(3638, 3638, 648),
        Overlap(both, 634 - both, 648 - both),
        assigned=648,
    )
    assert found.model.ppv is not None and found.cellsearch.ppv is not None
    for side in (found.model, found.cellsearch):
        assert side.ppv is not None
        oracle = binomtest(side.ctcs, side.shown).proportion_ci(0.95, method="wilson")
        assert (side.ppv.low, side.ppv.high) == pytest.approx((oracle.low, oracle.high))
    assert found.model.ppv is not None and found.cellsearch.ppv is not None
    assert (round(found.model.ppv.estimate, 3), round(found.cellsearch.ppv.estimate, 3)) == (0.708, 0.178)
    assert (found.images_saved, found.minutes_saved(2.0), found.complete) == (2743, pytest.approx(91.4333), True)


def test_an_image_that_nobody_decided_is_not_read() -> None:
    table = decisions(3, 2, 4, 1)
    table.loc[table.index[-1], "label"] = None
    row = ppv_row("p", table)
    assert (row.cellsearch, row.model, row.complete) == (Side(4, 3, 1), Side(3, 3, 2), False)


def test_nothing_shown() -> None:
    row = ppv_row("p", decisions(0, 0, 0, 0).iloc[:0])
    assert (row.model.ppv, row.cellsearch.ppv, row.complete, row.images_saved) == (None, None, True, 0)
