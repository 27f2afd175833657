"""Calibration sets: which cells are drawn, and a reader's figures against counts by hand; the commands."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import cohen_kappa_score

from ctc_core.errors import UserError
from ctc_core.intervals import wilson
from ctc_core.reader_calibration import draw, figures, make_set, results
from ctc_core.store import Store
from ctc_core.types import Decision, Label
from tests.commands import run


def cells(n_ctc: int, n_other: int) -> pd.DataFrame:
    """CTCs t000, t001 ... with rising P(CTC); others o000, o001 ... with falling P(CTC): the first ones are hard."""
    ids = [f"t{i:03d}" for i in range(n_ctc)] + [f"o{i:03d}" for i in range(n_other)]
    p = [*np.linspace(0.3, 0.99, n_ctc), *np.linspace(0.7, 0.01, n_other)]
    return pd.DataFrame({"cell_id": ids, "label": ["ctc"] * n_ctc + ["non-ctc"] * n_other, "probability": p})


def test_half_ctcs_half_of_each_from_the_quarter_with_least_support() -> None:
    chosen = draw(cells(80, 200), 40)
    is_ctc = chosen.cell_id.str.startswith("t")
    number = chosen.cell_id.str[1:].astype(int)
    assert (chosen.label == "ctc").tolist() == is_ctc.tolist()
    assert (int(is_ctc.sum()), int((is_ctc & chosen.hard).sum()), int((~is_ctc & chosen.hard).sum())) == (20, 10, 10)
    assert chosen.hard.tolist() == ((is_ctc & (number < 20)) | (~is_ctc & (number < 50))).tolist()
    assert chosen.cell_id.is_unique
    switches = int((is_ctc != is_ctc.shift()).sum())
    assert switches > 10  # the order does not give classes away


def test_the_same_from_the_same_cells_whatever_their_order_and_others_by_another_seed() -> None:
    known = cells(80, 200)
    first = draw(known, 60)
    pd.testing.assert_frame_equal(draw(known.sample(frac=1, random_state=1), 60), first)
    assert set(draw(known, 60, seed=1).cell_id) != set(first.cell_id)


def test_what_is_missing_of_the_hard_ones_is_filled_with_others() -> None:
    chosen = draw(cells(12, 40).assign(probability=np.nan), 20)
    assert (len(chosen), int(chosen.hard.sum())) == (20, 0)
    few = draw(cells(12, 40), 20)
    assert int((few.hard & (few.label == "ctc")).sum()) == 3  # a quarter of twelve, where five are wanted
    assert int((few.label == "ctc").sum()) == 10


@pytest.mark.parametrize(("n", "why"), [(30, "15 CTCs are wanted, and only 12 are settled"), (19, "has 20 to 400")])
def test_refusals(n: int, why: str) -> None:
    with pytest.raises(UserError, match=why):
        draw(cells(12, 40), n)


def test_figures_by_hand() -> None:
    """Ten CTCs: seven called so, two not, one unsure. Ten others: one called CTC, eight not, one artifact."""
    truth = ["ctc"] * 10 + ["non-ctc"] * 9 + ["artifact"]
    said = ["ctc"] * 7 + ["non-ctc", "artifact", "unsure", "ctc"] + ["non-ctc"] * 8 + ["artifact"]
    ids = [f"c{i}" for i in range(20)]
    key = pd.DataFrame({"cell_id": ids, "label": truth, "hard": [i in (0, 8, 9, 10, 11) for i in range(20)]})
    answers = pd.DataFrame({"cell_id": ids, "label": said, "known": [i < 3 for i in range(20)]})
    found = figures("ann", answers.iloc[::-1], key)
    assert (found.reader, found.cells, found.unsure, found.known) == ("ann", 20, 1, 3)
    assert (found.sensitivity, found.specificity) == (wilson(7, 9), wilson(9, 10))
    assert (found.easy, found.hard) == (wilson(14, 15), wilson(2, 4))
    sure = [i for i in range(20) if said[i] != "unsure"]
    oracle = cohen_kappa_score([truth[i] == "ctc" for i in sure], [said[i] == "ctc" for i in sure])
    assert found.agreement.kappa is not None and found.agreement.kappa.estimate == pytest.approx(oracle)
    assert found.agreement.n == 19


def test_a_reader_who_is_sure_of_nothing() -> None:
    key = pd.DataFrame({"cell_id": ["a"], "label": ["ctc"], "hard": [False]})
    found = figures("ann", pd.DataFrame({"cell_id": ["a"], "label": ["unsure"], "known": [False]}), key)
    assert (found.agreement.kappa, found.sensitivity, found.specificity, found.easy) == (None, None, None, None)


def test_only_cells_that_two_people_agree_on_unless_asked_otherwise(mapped_store: Path) -> None:
    with Store.open(mapped_store) as store:
        with pytest.raises(UserError, match="10 CTCs are wanted, and only 0 are settled"):
            make_set(store, n=20, reader="anna", session="s")
        table = store.readings()
        mine = table[table.cartridge_id == "T1"]
        store.decide([
            Decision(f"b-{row.cell_id}", "T1", row.cell_id, None, Label(row.label), "bela", "s")
            for row in mine.itertuples()
        ])  # fmt: skip
        make_set(store, n=20, reader="anna", session="s")
        (made,) = store.calibration_sets()
        assert set(made.cells.cell_id) < set(mine.cell_id)
        assert int((made.cells.label == "ctc").sum()) == 10


def test_commands(capsys: pytest.CaptureFixture[str], mapped_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CTC_READER", "anna")
    words = ("labels", "calibration-set", "--cells", "20")
    assert "Ask for fewer cells, or have more cells read twice" in run(capsys, mapped_store, *words, code=2)
    made = run(capsys, mapped_store, *words, "--once")
    assert (made["number"], made["cells"], made["ctcs"]) == (1, 20, 10)
    with Store.open(mapped_store) as store:
        (one,) = store.calibration_sets()
        answers = [
            Decision(f"a{i}", "T1", cell_id, None, Label.CTC, "bela", "s")
            for i, cell_id in enumerate(one.cells.cell_id)
        ]
        store.calibrate(one.set_id, answers)
        store.end_calibration(one.set_id, reader="bela", session="s")
        (found,) = results(store, one)
        assert (found.sensitivity, found.specificity) == (wilson(10, 10), wilson(0, 10))
    told = run(capsys, mapped_store, "labels", "agreement")
    assert told["read_twice"]["n"] == 0 and told["pairs"] == []
    (row,) = told["calibration"]
    assert (row["set_id"], row["reader"]["reader"]) == (made["set_id"], "bela")
    assert (row["reader"]["sensitivity"]["estimate"], row["reader"]["specificity"]["estimate"]) == (1.0, 0.0)
