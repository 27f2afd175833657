"""The final experiment on made-up cohorts, and its figures by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ctc_core.final import markdown, read, run
from ctc_core.rounds.cohort import Cohort
from ctc_core.rounds.experiment import Plan
from ctc_core.rounds.unseen import Draws, DrawsPlan, kept_draws, make_draws

CENTRES = np.random.default_rng(0).normal(size=(2, 128)) * 2


def cells(is_ctc: np.ndarray, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=(len(is_ctc), 128))
    return (CENTRES[is_ctc.astype(int)] + noise).astype(np.float32)


def cohort(seed: int) -> Cohort:
    is_ctc = np.arange(480) % 3 == 0
    return Cohort(cells(is_ctc, seed), is_ctc, is_ctc.astype(str), np.repeat([f"p{i}" for i in range(8)], 60))


def draws(seed: int) -> Draws:
    """Two patients with 100 cells each, every fifth a CTC; CellSearch shows every other cell."""
    is_ctc, shown = np.arange(200) % 5 == 0, np.arange(200) % 2 == 0
    return Draws(cells(is_ctc, seed + 9), is_ctc, shown, is_ctc & shown, np.repeat(["u", "v"], 100))


def test_a_classifier_that_tells_them_apart_shows_the_ctcs_and_little_else() -> None:
    plan = Plan(("random",), seeds=2, step=10, rounds=2, error_rate=0.0)
    results = run(cohort, lambda seed: draws(seed + 50), draws, seeds=2, strategy="random", plan=plan, encoder_id="e")
    for result in results:
        whole = result.pooled
        assert (result.truth, result.n_train, len(result.rows)) == ((20, 20), 240 + 20, 2)
        assert result.before.cellsearch == whole.cellsearch
        assert (whole.model.shown, whole.cellsearch.shown) == (40, 100)
        assert 34 <= whole.model.ctcs <= 40 and 17 <= whole.cellsearch.ctcs <= 21
        assert whole.overlap.both + whole.overlap.model_only == whole.model.ctcs
    text = markdown(results)
    assert text.count("\n| seed ") == 4 and "| 1 | 20 | " in text and " to " in text


def test_only_what_is_shown_is_read() -> None:
    made = draws(0)
    table = read(made, np.where(made.is_ctc, 0.9, 0.1), 0.5, seed=0)
    assert table.label.isna().sum() == (~made.is_ctc & ~made.shown).sum() == 80
    assert table.groupby("group").size().to_dict() == {"agreed": 20, "cellsearch": 80, "less": 80, "model": 20}


def projection(crops: np.ndarray) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(3 * 48 * 48, 128))[None].mean() + crops.reshape(len(crops), -1)[
        :, :128
    ].astype(np.float32)


def test_simulated_cartridges_are_made_once(tmp_path: Path) -> None:
    plan = DrawsPlan(patients=1, columns=1)
    made = make_draws(projection, plan)
    assert set(made.patients) == {str(plan.numbers[0])} and len(made.is_ctc) > 50
    assert made.shown[made.assigned].all() and made.vectors.shape == (len(made.is_ctc), 128)
    kept = kept_draws(tmp_path, "projection", projection, plan)

    def never(crops: np.ndarray) -> np.ndarray:
        raise AssertionError(crops.shape)

    again = kept_draws(tmp_path, "projection", never, plan)
    for one in (kept, again):
        assert (one.vectors == made.vectors).all() and (one.shown == made.shown).all()
