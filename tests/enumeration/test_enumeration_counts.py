"""The count's probabilities, misses, readers' errors, the bound and the order, against literals and exact sums."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import gamma

from ctc_core.enumeration import (
    Knowledge,
    ReaderErrors,
    Samples,
    Verdict,
    count,
    less_certain,
    reader_errors,
    reading_order,
    sample,
    strange,
    unseen_ctcs,
    worth,
)
from ctc_core.enumeration.counts import after_decision, per_standard, reaching
from ctc_core.enumeration.misses import UNKNOWN, Misses, misses, unseen
from ctc_core.enumeration.recalibration import (
    ANY_LEVEL,
    UNTAUGHT,
    Belief,
    Review,
    called_chance,
    chances,
    design,
    learn,
    update,
)
from ctc_core.reliability import Rates


def errors(missed: float, false: float, slope: float = 0.0) -> ReaderErrors:
    """Rates at P(CTC) = .5, known exactly; odds of an error follow P(CTC) by `slope`."""
    rates = (
        Belief(np.array([np.log(rate / (1 - rate)), sign * slope]), np.eye(2) * 1e-12)
        for rate, sign in ((missed, -1), (false, 1))
    )
    return ReaderErrors(*rates)


NEVER_WRONG = errors(1e-12, 1e-12)
NO_MISSES = Misses((), (np.array([1e9]), np.array([1e-3])), np.array([1e-9]))


def gallery(groups: list[str], labels: list[str | None], p: float = 0.9, assigned: bool | None = None) -> pd.DataFrame:
    n = len(groups)
    return pd.DataFrame(
        {
            "candidate_id": [f"c{i}" for i in range(n)],
            "cell_id": pd.Series([f"c{i}" for i in range(n)], dtype=object),
            "event_rid": ["e" if group != "model" else None for group in groups],
            "group": groups,
            "probability": p,
            "assigned": pd.Series([assigned] * n, dtype=object),
            "label": pd.Series(labels, dtype=object),
        }
    )


def fixed(read: int, unread: list[int], below: int = 0, n_images: int = 1, chance: float = 0.5) -> Samples:
    size = len(unread)
    whole = np.array(unread)
    image = np.full(n_images, chance)
    return Samples(np.full(size, read), whole, np.full(size, below), np.full(size, read), image, image)


# ---- the count -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "ml", "cut_off"), [(0, 7.5, 5), (4, 7.5, 5), (5, 7.5, 5), (9, 6.0, 5), (2, 7.5, 3)])
def test_mean_reaches_the_cut_off_as_the_gamma_distribution_says(n: int, ml: float, cut_off: int) -> None:
    oracle = gamma(n + 0.1, scale=7.5 / ml).sf(cut_off)
    assert reaching(np.array([n]), cut_off, ml) == pytest.approx([oracle])


def test_without_doubt_the_tube_holds_what_was_confirmed() -> None:
    table = gallery(["agreed"] * 6 + ["model"] * 3, ["ctc"] * 5 + ["non-ctc"] * 4)
    known = Knowledge(errors=NEVER_WRONG, misses=NO_MISSES)
    samples = sample(table, known)
    found = count(table, samples, cut_off=5)
    assert set(samples.read) == {5} and set(samples.unread) == {0}
    assert (found.confirmed, found.per_7_5_ml) == (5, 5.0)
    assert found.p_tube > 0.99
    assert found.p_patient == pytest.approx(gamma(5.1).sf(5), abs=0.03)


def test_blocks_of_samples_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = ["ctc", "non-ctc", "unsure", None, None, "ctc"] * 3
    table = gallery(["agreed", "model", "cellsearch"] * 6, labels)
    known = Knowledge(errors=errors(0.1, 0.05))
    whole: list[np.ndarray] = []
    parts: list[np.ndarray] = []
    for block, found in ((1000, whole), (7, parts)):
        monkeypatch.setattr("ctc_core.enumeration.counts.BLOCK", block)
        made = sample(table, known, n=1000)
        found += [made.read, made.unread, made.below, made.proposed, made.called, made.chance]
    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)
    assert whole[1].std() > 0 and 0 < whole[4].min() < whole[4].max() < 1


def test_readers_who_err_leave_doubt() -> None:
    table = gallery(["agreed"] * 5, ["ctc"] * 5)
    sure, unsure = (
        count(table, sample(table, Knowledge(errors=rates, misses=NO_MISSES)), cut_off=5).p_tube
        for rates in (NEVER_WRONG, errors(0.2, 0.2))
    )
    assert unsure < sure - 0.05


def test_decision_by_bayes_rule() -> None:
    q, s, f = np.array([[0.2]]), np.array([[0.9]]), np.array([[0.05]])
    assert after_decision(q, np.array([True]), s, f) == pytest.approx(0.18 / (0.18 + 0.04))
    assert after_decision(q, np.array([False]), s, f) == pytest.approx(0.02 / (0.02 + 0.76))
    called = s * q + f * (1 - q)
    assert called_chance(q, s, f) == pytest.approx(called)


def test_volume() -> None:
    rng = np.random.default_rng(0)
    ten = np.full(20_000, 10)
    assert set(per_standard(ten, 7.5, rng)) == {10}
    assert per_standard(ten, 15.0, rng).mean() == pytest.approx(5.0, abs=0.05)
    half = per_standard(ten, 3.75, rng)
    assert half.min() >= 10 and half.mean() == pytest.approx(20.1, abs=0.2)


# ---- what it rests on ------------------------------------------------------------------------------------------------


def test_errors_of_two_readers() -> None:
    readings = pd.DataFrame(
        [
            ("a", "ann", "ctc"), ("a", "bob", "ctc"),
            ("b", "ann", "ctc"), ("b", "bob", "non-ctc"),  # adjudicated: CTC
            ("c", "ann", "artifact"), ("c", "bob", "ctc"),  # nobody settled it
            ("d", "ann", "non-ctc"), ("d", "bob", "artifact"),
            ("e", "ann", "ctc"),  # read once
            ("f", "ann", "ctc"), ("f", "bob", "unsure"),
        ],
        columns=["cell_id", "reader", "label"],
    ).assign(probability=0.5)  # fmt: skip
    flat = ReaderErrors(*[Belief(np.zeros(2), np.diag([1e6, 1e-6]))] * 2)  # any level, no slope
    found = reader_errors(readings, {"a": "ctc", "b": "ctc", "d": "non-ctc"}, flat)
    assert (found.n_ctc, found.n_other) == (5.0, 3.0)
    assert found.typical == pytest.approx((3.5 / 5, 0.5 / 3), abs=1e-3)


def test_errors_on_images_that_look_like_the_other_kind() -> None:
    """False calls on one in ten images with P(CTC) .9 and on one in a thousand with P(CTC) .1."""
    p, false = np.repeat([0.9, 0.1], 1000), np.repeat([100, 1], 1)
    called = np.concatenate([np.arange(1000) < n for n in false])
    ids = [f"c{i}" for i in range(2000)]
    own = pd.DataFrame({"cell_id": ids, "reader": "ann", "label": np.where(called, "ctc", "non-ctc"), "probability": p})
    other = own.assign(reader="bob", label="non-ctc")
    found = reader_errors(pd.concat([own, other]), dict.fromkeys(ids, "non-ctc"))
    rates = found.rates(np.log([9, 1 / 9]))[1]
    assert rates[0] == pytest.approx(0.05, rel=0.1) and rates[1] < 0.002  # of two readers one errs


def test_misses_lie_where_labelled_ctcs_lay() -> None:
    rates = Rates((-1, 0), (np.array([2.0, 8.0]), np.array([2.0, 1.0])), (np.ones(2), np.ones(2)), np.array([0.5, 4.0]))
    found = misses(rates, np.array([800, 100]))
    assert found.prior == pytest.approx(0.1 * np.array([400, 400]) / 800, rel=1e-3)
    assert found.clusters == (-1, 0) and found.recall is rates.recall


def shown(both: int, model: int, theirs: int, n: int = 20_000, **more: object) -> tuple[pd.DataFrame, np.ndarray]:
    table = gallery(["agreed"] * both + ["model"] * model + ["cellsearch"] * theirs, [None] * (both + model + theirs))
    return table.assign(**more), np.ones((n, both + model + theirs), bool)


def test_capture_recapture_where_the_map_says_nothing() -> None:
    """40 by both, 10 by the classifier only, 8 by CellSearch only: 40 / 50 are shown, so about 8 x 10 / 40 are not."""
    rng = np.random.default_rng(0)
    assert unseen(UNKNOWN, *shown(40, 10, 8), rng).mean() == pytest.approx(8.5 * 11 / 46, rel=0.12)


def test_misses_follow_what_was_found() -> None:
    """A classifier that finds half of the CTCs, beside CellSearch that shows 6 of 7: 10 found, 10 / 7 unseen."""
    rng = np.random.default_rng(0)
    half = Misses((3,), (np.array([1e6]), np.array([1e6])), np.array([1e-6]))
    few = unseen(half, *shown(0, 0, 0, cluster=3.0), rng)
    many = unseen(half, *shown(9, 1, 9, cluster=3.0), rng)
    elsewhere = unseen(half, *shown(9, 1, 9, cluster=np.nan), rng)
    assert few.mean() < 0.02 and elsewhere.mean() < 0.02
    assert many.mean() == pytest.approx(10 * (1 + 1) / (6 + 1 + 9) * 1.25, rel=0.25)


def test_ctcs_found_below_the_threshold_are_no_longer_unseen() -> None:
    rng = np.random.default_rng(0)
    table, is_ctc = shown(10, 10, 8)
    found = table.assign(group=["less"] * 8 + table.group.tolist()[8:], event_rid=[None] * 8 + ["e"] * 20)
    assert unseen(UNKNOWN, found, is_ctc, rng).mean() < unseen(UNKNOWN, table.iloc[8:], is_ctc[:, 8:], rng).mean()


def test_the_gallery_as_numbers() -> None:
    table = gallery(["agreed", "model", "cellsearch", "cellsearch"], [None] * 4, p=0.9)
    table.loc[2, "probability"], table.loc[3, ["cell_id", "probability"]] = 0.1, [None, np.nan]
    table["assigned"] = pd.Series([True, None, False, True], dtype=object)
    logit = np.log(9)
    assert design(table) == pytest.approx(
        np.array([[1, 0, 0, 0, logit, 1], [0, 1, 0, 0, logit, 0], [0, 0, 1, 0, -logit, 0], [0, 0, 0, 1, 0, 1]])
    )


def test_decisions_move_the_chances_and_equal_a_numerical_maximum() -> None:
    from scipy.optimize import minimize

    rng = np.random.default_rng(0)
    x = design(gallery(["agreed"] * 30 + ["model"] * 30, [None] * 60))
    x[:, 4] = rng.normal(1, 1, 60)
    is_ctc = rng.random(60) < 0.3
    precision = np.linalg.inv(UNTAUGHT.covariance)

    def loss(b: np.ndarray) -> float:
        eta, away = x @ b, b - UNTAUGHT.mean
        return float(np.logaddexp(0, eta).sum() - eta[is_ctc].sum() + away @ precision @ away / 2)

    assert update(UNTAUGHT, x, is_ctc).mean == pytest.approx(minimize(loss, UNTAUGHT.mean).x, abs=1e-3)


def test_calls_that_the_reader_s_errors_explain_do_not_move_the_chances() -> None:
    """Two calls among 200 images: as many as a reader with a false positive rate of 1 % makes without any CTC."""
    x = design(gallery(["model"] * 200, [None] * 200, p=0.5))
    said = np.arange(200) < 2
    low = replace(UNTAUGHT, mean=UNTAUGHT.mean - 4)
    sure = update(low, x, said)
    doubted = update(low, x, said, sensitivity=0.95, false_positive=0.01)
    q = [float(chances(one.mean[None], x)[0].sum()) for one in (sure, doubted)]
    assert q[0] == pytest.approx(2.0, abs=1.2) and q[1] < 0.4 * q[0]


def test_what_earlier_draws_teach() -> None:
    rng = np.random.default_rng(1)
    true = np.array([-2.0, -3.0, -3.0, -5.0, 1.0, 3.0])
    reviews = []
    for _ in range(15):
        x = np.zeros((200, 6))
        x[np.arange(200), rng.integers(0, 4, 200)] = 1
        x[:, 4], x[:, 5] = rng.normal(1, 2, 200), rng.random(200) < 0.3
        own = true + np.array([1, 1, 1, 1, 0, 0]) * rng.normal(0, 1.0)
        reviews.append(Review(x, rng.random(200) < chances(own[None], x)[0], np.ones(200), np.zeros(200)))
    found = learn(reviews)
    assert found.patients == 15 and np.abs(found.mean - true).max() < 0.8
    assert 0.6 < np.sqrt(found.covariance[0, 0] - ANY_LEVEL**2) < 1.7 and np.sqrt(found.covariance[4, 4]) < 0.4
    assert learn(reviews[:2]) is UNTAUGHT


def test_a_patient_with_few_ctcs_is_not_pulled_up_to_the_usual() -> None:
    """Fifteen patients of whose images a third were called CTCs; of the next one's 300 two, as many as false ones."""
    rng = np.random.default_rng(2)
    x, sensitivity, false = (
        design(gallery(["model"] * 300, [None] * 300, p=0.5)),
        np.full(300, 0.95),
        np.full(300, 0.006),
    )
    level = np.array([1, 1, 1, 1, 0, 0])
    usual = learn([Review(x, rng.random(300) < 1 / 3, sensitivity, false) for _ in range(15)])
    firm = replace(usual, covariance=usual.covariance - ANY_LEVEL**2 * np.outer(level, level))
    open_, pulled = (
        300 * chances(Review(x, np.arange(300) < 2, sensitivity, false).update(one).mean[None], x)[0].mean()
        for one in (usual, firm)
    )
    assert open_ < 3 < 5 < pulled


# ---- the bound -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("confirmed", "left", "unread", "below", "evidence", "verdict"),
    [
        (3, 10, [2] * 10, 0, 1.0, Verdict.READ_ON),
        (3, 10, [1] * 10, 0, 1.0, Verdict.POINTLESS),
        (4, 10, [1] * 10, 0, 1.0, Verdict.READ_ON),
        (8, 10, [3] * 10, 0, 1.0, Verdict.REACHED),
        (30, 10, [3] * 10, 0, 1.0, Verdict.POINTLESS),
        (0, 10, [2] * 10, 1, 1.0, Verdict.OUT_OF_REACH),
        (0, 10, [2] * 10, 4, 1.0, Verdict.READ_ON),
        (30, 10, [0] * 10, 0, 20.0, Verdict.STRANGE),
        (30, 0, [0] * 10, 0, 20.0, Verdict.POINTLESS),
    ],
)
def test_verdicts(confirmed: int, left: int, unread: list[int], below: int, evidence: float, verdict: Verdict) -> None:
    table = gallery(["agreed"] * (confirmed + left), ["ctc"] * confirmed + [None] * left)
    found = unseen_ctcs(table, fixed(confirmed, unread, below), cut_off=5, evidence=evidence)
    assert (found.verdict, found.unread_bound, found.bound) == (verdict, unread[0], unread[0] + below)
    assert left or found.sentence == "All images are read. Below the threshold at most 0 CTCs are not seen (95 %)."
    assert "{" not in found.sentence and (not left or verdict is Verdict.OUT_OF_REACH or str(left) in found.sentence)


def test_the_bound_is_exceeded_by_one_in_twenty_at_most() -> None:
    table = gallery(["agreed"], [None])
    assert unseen_ctcs(table, fixed(0, [0] * 95 + [7] * 5), cut_off=5).bound == 0
    assert unseen_ctcs(table, fixed(0, [0] * 94 + [7] * 6), cut_off=5).bound == 7


def test_the_likeliest_come_first_and_what_is_read_does_not_come() -> None:
    table = gallery(["model"] * 4, [None, "ctc", None, None])
    table["probability"] = [0.6, 0.99, 0.9, 0.7]
    assert reading_order(table, sample(table, Knowledge())) == ("c2", "c3", "c0")


def test_strange_where_decisions_contradict_and_not_where_they_agree() -> None:
    sure = Belief(np.array([2.0, 2.0, 2.0, 2.0, 0.0, 0.0]), np.eye(6) * 1e-4)
    as_promised = gallery(["model"] * 50, (["ctc"] * 9 + ["non-ctc"]) * 5)
    contrary = gallery(["model"] * 50, ["non-ctc"] * 50)
    assert strange(sure, as_promised, NEVER_WRONG, range(50)) < 20 < strange(sure, contrary, NEVER_WRONG, range(50))
    assert strange(sure, as_promised, NEVER_WRONG, []) == 0.0


# ---- what to look at -------------------------------------------------------------------------------------------------


def test_an_uncertain_image_near_the_cut_off_is_worth_most() -> None:
    table = gallery(["model"] * 4, [None, None, None, "ctc"])
    samples = replace(fixed(4, [0] * 50), chance=np.array([0.02, 0.5, 0.98, 0.5]), called=np.full(4, 0.5))
    near = worth(table, samples, NEVER_WRONG, cut_off=5)
    far = worth(table, replace(samples, read=np.full(50, 60)), NEVER_WRONG, cut_off=5)
    assert near[1] > 5 * near[0] > 0 and near[1] > 5 * near[2] and near[3] == 0 and far.max() < 1e-6
    one_more, one_less = gamma(5.1).sf(5) - gamma(4.1).sf(5), gamma(4.1).sf(5) - gamma(3.1).sf(5)
    assert near[1] == pytest.approx(0.5 * (one_more + one_less) / 2, rel=1e-4)


def test_less_certain_cells_of_areas_that_cannot_be_trusted() -> None:
    cells = pd.DataFrame(
        [
            ("strong", 0.4, 0, False), ("strange", 0.1, 0, True), ("weak", 0.4, 1, False), ("weaker", 0.1, 1, False),
            ("shown", 0.5, 1, False), ("new", 0.3, 7, False),
        ],
        columns=["cell_id", "probability", "cluster", "unlike"],
    )  # fmt: skip
    found = less_certain(cells, {0: "strong", 1: "weak"}, {0: 0.2, 1: 0.7}, threshold=0.5)
    odds = np.array([0.4 / 0.6, 0.1 / 0.9])
    assert found.cell_id.tolist() == ["weak", "weaker", "strange", "new"]
    assert found.chance.tolist() == pytest.approx([*(0.7 * odds / odds.sum()), 0.2 * odds[1] / odds.sum(), 0.0])
    assert found.area.tolist() == ["weak", "weak", "strong", "unknown"]
