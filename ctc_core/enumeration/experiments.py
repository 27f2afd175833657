"""Are the count's probability and the stopping rule what they claim? Simulated draws of simulated labs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ctc_core.enumeration.counts import CUT_OFFS, Cancer, count, sample
from ctc_core.enumeration.simulated import LOW, METASTATIC, Lab, SimulatedDraw, density, open_lab, simulate_draw
from ctc_core.enumeration.stopping import EVIDENCE, Verdict, strange, unseen_ctcs
from ctc_core.intervals import wilson
from ctc_core.types import Progress, silent

AROUND = (1.0, 25.0)
"""Range of patients' means per 7.5 ml around the cut-off of 5, log-uniform."""
BINS = 10
"""Bins of equal width over 0..1."""
BOOTSTRAP = 1000
PER_LAB = 10
"""Draws of each lab, which share what it has learned: of few labs, one that has learned badly would decide."""
STEP = 5
"""Decisions between two looks at the bound."""

Array = NDArray[np.float64]


# ---- the count -------------------------------------------------------------------------------------------------------


def count_experiment(patients: int, seed: int, *, cut_off: int = 5, progress: Progress = silent) -> dict[str, Any]:
    """Calibration of both probabilities on simulated patients, whose galleries are read to the end.

    Half of the tubes hold 7.5 ml, the others 5 to 7.5 ml. Truth: the patient's mean, and the number in 7.5 ml of the
    blood drawn.
    """
    rows = []
    for lab, index in _labs(patients, seed):
        rng = np.random.default_rng([seed, 2, index])
        volume = 7.5 if index % 2 else float(rng.uniform(5, 7.5))
        draw = simulate_draw(rng, density(rng, AROUND), lab.sensitivity, lab.false_positive, volume)
        rows.append(_count_row(lab, draw, cut_off, index))
        progress(index + 1, patients, "Draws read")
    table = np.array(rows, float)
    p_patient, high, p_tube, reached, covered, confirmed, ctcs = table.T
    lab_of = np.arange(patients) // PER_LAB
    return {
        "patients": patients,
        "seed": seed,
        "cut_off": cut_off,
        "data": "simulated counts, readers and misses; mean per 7.5 ml log-uniform 1 to 25",
        "bins": f"{BINS} of equal width",
        "labs": int(lab_of[-1]) + 1,
        "patient": calibration(p_patient, high, seed, lab_of),
        "tube": calibration(p_tube, reached, seed, lab_of),
        "interval_of_tube_holds": _share(covered.astype(bool)),
        "confirmed": round(float(confirmed.mean()), 2),
        "true": round(float(ctcs.mean()), 2),
    }


def _labs(patients: int, seed: int) -> Any:
    for index in range(patients):
        if index % PER_LAB == 0:
            lab = open_lab(np.random.default_rng([seed, 1, index]))
        yield lab, index


def _count_row(lab: Lab, draw: SimulatedDraw, cut_off: int, seed: int) -> tuple[float, ...]:
    table = draw.table.assign(label=draw.table.said)
    samples = sample(table, lab.knowledge(draw), seed=seed)
    found = count(table, samples, cut_off=cut_off, volume_ml=draw.volume_ml, seed=seed)
    true = draw.ctcs + draw.beyond
    covered = found.in_tube.low <= true <= found.in_tube.high
    high, reached = draw.density >= cut_off, true >= cut_off
    return found.p_patient, high, found.p_tube, reached, covered, found.confirmed, draw.ctcs


def calibration(
    p: Array, happened: Array, seed: int, lab_of: NDArray[np.int64] | None = None, bins: int = BINS
) -> dict[str, Any]:
    """Expected calibration error with a 95 % bootstrap interval, bins, and Brier's score.

    lab_of: (n,) which lab a patient is of: labs are drawn again, not patients (None).

    `by_chance`: mean error, and `by_chance_95` the 95th percentile, of probabilities that are exactly right, with as
    many patients: the floor of this estimate. The bootstrap interval lies above the error for the same reason.
    `too_high`: predicted less happened, over all patients.
    """
    rng, n = np.random.default_rng([seed, 3]), len(p)
    again = _drawn_again(rng, np.arange(n) if lab_of is None else lab_of)
    low, high = np.quantile([calibration_error(p[rows], happened[rows], bins) for rows in again], [0.025, 0.975])
    right = [calibration_error(p, (rng.random(n) < p).astype(float), bins) for _ in range(BOOTSTRAP)]
    which = np.minimum((p * bins).astype(int), bins - 1)
    rows = [
        {"n": int(inside.sum()), "predicted": _round(p[inside].mean()), "happened": _round(happened[inside].mean())}
        for inside in (which == i for i in range(bins))
        if inside.any()
    ]
    return {
        "error": _round(calibration_error(p, happened, bins)),
        "low": _round(low),
        "high": _round(high),
        "by_chance": _round(np.mean(right)),
        "by_chance_95": _round(np.quantile(right, 0.95)),
        "too_high": _round((p - happened).mean()),
        "brier": _round(((p - happened) ** 2).mean()),
        "bins": rows,
    }


def _drawn_again(rng: np.random.Generator, lab_of: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    rows = [np.flatnonzero(lab_of == lab) for lab in range(int(lab_of.max()) + 1)]
    return [np.concatenate([rows[k] for k in rng.integers(0, len(rows), len(rows))]) for _ in range(BOOTSTRAP)]


def calibration_error(p: Array, happened: Array, bins: int = BINS) -> float:
    """Mean over patients of |predicted - happened| of their bin (Naeini et al. 2015)."""
    which = np.minimum((p * bins).astype(int), bins - 1)
    sums = np.bincount(which, p - happened, minlength=bins)
    return float(np.abs(sums).sum() / len(p))


def _round(value: Any) -> float:
    return round(float(value), 4)


# ---- stopping --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Review:
    """One simulated review, read in the proposed order."""

    images: int
    ctcs: int
    stopped: int
    """Images read when reading on was called pointless."""
    settled: int
    """Images read when the side of the cut-off was settled, or reading on was called pointless."""
    holds: bool
    """At the stop no more CTCs were unseen than the bound said."""
    holds_settled: bool
    always: bool
    """At every look no more were unseen than the bound said at that look."""
    always_sure: bool
    """The same of the 99 % bound."""
    missed: int
    """CTCs among the images not read at the stop."""
    strange: bool


def stopping_experiment(reviews: int, seed: int, *, progress: Progress = silent) -> dict[str, Any]:
    """Read simulated draws until the rule says stop; of three, two are as in Table 2, one has 0 to some 20 CTCs."""
    found = []
    for lab, index in _labs(reviews, seed):
        rng = np.random.default_rng([seed, 4, index])
        mean = density(rng, LOW if index % 3 == 2 else METASTATIC)
        draw = simulate_draw(rng, mean, lab.sensitivity, lab.false_positive)
        found.append(review(lab, draw, CUT_OFFS[Cancer.BREAST], index))
        progress(index + 1, reviews, "Draws reviewed")
    low = [one for i, one in enumerate(found) if i % 3 == 2]
    high = [one for i, one in enumerate(found) if i % 3 != 2]
    about = {"reviews": reviews, "seed": seed, "data": "simulated scores, readers and events", "look_every": STEP}
    return {**about, **_report(found), "metastatic": _report(high), "low": _report(low)}


def review(lab: Lab, draw: SimulatedDraw, cut_off: int, seed: int) -> Review:
    """Read one draw, the likeliest CTC first by what is known before, and look at the bound every `STEP` decisions."""
    known, table = lab.knowledge(draw), draw.table.copy()
    order = np.argsort(-sample(table, known, n=400, seed=seed).called, kind="stable")
    stopped = settled = None
    held: list[bool] = []
    sure: list[bool] = []
    evidence = 0.0
    truth = table.is_ctc.to_numpy()
    for n in [*range(0, len(table), STEP), len(table)]:
        table["label"] = None
        table.loc[order[:n], "label"] = table.said.to_numpy()[order[:n]]
        samples = sample(table, known, n=400, seed=seed + n)
        if n % 20 == 0:
            evidence = max(evidence, strange(known.belief, table, known.errors, order[:n].tolist()))
        unseen = unseen_ctcs(table, samples, cut_off=cut_off, evidence=evidence)
        left = int(truth[order[n:]].sum())
        held.append(left + draw.hidden <= unseen.bound)
        sure.append(left + draw.hidden <= unseen.sure_bound)
        if settled is None and unseen.verdict not in (Verdict.READ_ON, Verdict.STRANGE):
            settled = n, held[-1]
        if stopped is None and unseen.verdict is Verdict.POINTLESS:
            stopped = n, held[-1], left
            break
    assert stopped is not None and settled is not None  # nothing is left at the end
    return Review(
        images=len(table),
        ctcs=draw.ctcs,
        stopped=stopped[0],
        settled=settled[0],
        holds=stopped[1],
        holds_settled=settled[1],
        always=all(held),
        always_sure=all(sure),
        missed=stopped[2],
        strange=evidence >= EVIDENCE,
    )


def _report(reviews: Sequence[Review]) -> dict[str, Any]:
    share = np.array([one.stopped / one.images for one in reviews])
    settled = np.array([one.settled / one.images for one in reviews])
    return {
        "bound_holds_at_stop": _share([one.holds for one in reviews]),
        "bound_holds_when_settled": _share([one.holds_settled for one in reviews]),
        "bound_holds_at_every_look": _share([one.always for one in reviews]),
        "sure_bound_holds_at_every_look": _share([one.always_sure for one in reviews]),
        "images_read": _quartiles(share),
        "images_read_until_settled": _quartiles(settled),
        "images": float(np.median([one.images for one in reviews])),
        "unread_ctcs_at_stop": {
            "mean": _round(np.mean([one.missed for one in reviews])),
            "of": _round(np.mean([one.ctcs for one in reviews])),
        },
        "called_strange": _share([one.strange for one in reviews]),
    }


def _quartiles(values: Array) -> dict[str, float]:
    low, median, high = np.quantile(values, [0.25, 0.5, 0.75])
    return {"median": _round(median), "quarter": _round(low), "three_quarters": _round(high)}


def _share(flags: Sequence[bool] | NDArray[np.bool_]) -> dict[str, float | int]:
    found = wilson(int(np.sum(flags)), len(flags))
    assert found is not None
    return {"share": _round(found.estimate), "low": _round(found.low), "high": _round(found.high), "n": found.n}
