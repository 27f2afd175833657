"""How well simulated crops deceive: a classifier that tells them from real ones, and what it could go by.

Statistics of `appearance.measure` describe real crops and simulated ones of the same kinds in the same proportions,
the latter shown as in a figure. AUC .5: they cannot be told apart by these statistics; 1: always. With a dozen real
crops the interval is wide, and the many differences tested call for caution: some will look large by chance.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ctc_core.errors import UserError
from ctc_core.simulate.appearance import as_published, measure
from ctc_core.simulate.real import load_real, matching
from ctc_core.simulate.scene import render_crops

COMPONENTS = {"few": 4, "all": None}
"""Principal components the two classifiers see: the leading ones, or all there are."""

LEAST_REAL = 4

Table = NDArray[np.float64]
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Separation:
    """How well a classifier tells real from simulated crops: mean AUC over the draws, 95 % interval.

    simulated_*: mean and 95 % range of the AUC between two simulated sets, where .5 is the truth.
    """

    classifier: str
    auc: float
    low: float
    high: float
    simulated_auc: float
    simulated_low: float
    simulated_high: float


@dataclass(frozen=True)
class Difference:
    """A statistic of real and simulated crops: medians and Cliff's delta (real above simulated: > 0), 95 % interval."""

    statistic: str
    real: float
    simulated: float
    delta: float
    low: float
    high: float


@dataclass(frozen=True)
class Comparison:
    """`real`: number of real crops; `draws`: simulated sets of as many each. Differences largest first."""

    real: int
    draws: int
    seed: int
    separations: tuple[Separation, ...]
    differences: tuple[Difference, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as the command prints them."""
        return asdict(self)

    def table(self, most: int = 15) -> str:
        """For the eye: the classifiers and the `most` different statistics."""
        separations, differences = (
            pd.DataFrame([asdict(row) for row in rows]) for rows in (self.separations, self.differences)
        )
        off = int(((differences.low > 0) | (differences.high < 0)).sum())
        return (
            f"{self.real} real crops, {self.draws} simulated sets of as many of the same kinds, seed {self.seed}\n"
            f"AUC real/simulated, 95 % interval; beside it simulated/simulated, 95 % range:\n{_printed(separations)}\n"
            f"Largest differences (Cliff's delta, 95 % interval off zero for {off} of {len(differences)}):\n"
            f"{_printed(differences.head(most))}"
        )


def _printed(rows: pd.DataFrame) -> str:
    return rows.to_string(index=False, float_format="{:.3f}".format)


def compare(
    path: Path,
    *,
    seed: int = 0,
    draws: int = 20,
    pool: int = 1200,
    published: bool = True,
    progress: Progress | None = None,
) -> Comparison:
    """Real crops of `path` (see `load_real`) against `draws` simulated sets out of `pool` crops rendered from `seed`.

    published: the real crops come from a figure, so the simulated ones are shown as in one.
    """
    real, kinds = load_real(path)
    if len(real) < LEAST_REAL:
        message = f"{path}: {len(real)} crops are too few to compare. Give at least {LEAST_REAL}."
        raise UserError(message)
    report = progress or (lambda *_: None)
    report(0, 0, f"rendering {pool} crops")
    crops, drawn, _ = render_crops(pool, seed, ctc_share=0.4, crops_per_patient=16)
    rng = np.random.default_rng([seed, 13])
    simulated, statistics = measure(as_published(crops, rng) if published else crops), measure(real)
    halves = np.arange(0, pool, 2), np.arange(1, pool, 2)
    sets = [half[matching(drawn[half], kinds, len(real), rng)] for half in halves for _ in range(draws)]
    within_real, within_simulated = within_kind(statistics.to_numpy(), kinds, simulated.to_numpy(), drawn)
    separations = []
    for classifier in COMPONENTS:
        report(0, 0, f"classifier of {classifier} components")
        separations.append(separation(classifier, within_real, [within_simulated[rows] for rows in sets], rng))
    found = differences(statistics, simulated.iloc[np.concatenate(sets)], rng)
    return Comparison(len(real), draws, seed, tuple(separations), tuple(found))


def within_kind(
    real: Table, wanted: NDArray[np.str_] | None, simulated: Table, drawn: NDArray[np.str_]
) -> tuple[Table, Table]:
    """Statistics of real and simulated crops minus the mean of simulated crops of the same kind.

    Kinds differ more than real and simulated crops do. With as many of each kind on both sides, the crop that is left
    out would be missing on its side, and a classifier that sees the kind would be wrong more often than not.
    """
    if wanted is None:
        return real, simulated
    means = {kind: simulated[drawn == kind].mean(axis=0) for kind in np.unique(drawn)}
    return real - np.array([means[kind] for kind in wanted]), simulated - np.array([means[kind] for kind in drawn])


# ---- the classifier -------------------------------------------------------------------------------------------------


def separation(classifier: str, real: Table, simulated: Sequence[Table], rng: np.random.Generator) -> Separation:
    """The first half of the `simulated` sets against `real`, and for comparison against the second half."""
    half, components = len(simulated) // 2, COMPONENTS[classifier]
    wins = np.array([pair_wins(real, table, components) for table in simulated[:half]])
    pairs = zip(simulated[:half], simulated[half:], strict=True)
    null = np.array([pair_wins(one, other, components).mean() for one, other in pairs])
    low, high = resampled(wins, rng)
    least, most = np.percentile(null, [2.5, 97.5])
    return Separation(classifier, float(wins.mean()), low, high, float(null.mean()), float(least), float(most))


def pair_wins(real: Table, simulated: Table, components: int | None) -> Table:
    """(n_real, n_simulated) 1 where, both left out of the fit, the real crop scores higher; .5 for a tie.

    Ridge regression to +1 (real) and -1; what leaving two crops out does to it follows from its hat matrix, exactly.
    The mean is the leave-pair-out AUC, which unlike pooled leave-one-out scores is not biased when groups are small
    (Airola et al. 2011, Comput. Stat. Data Anal. 55:1828).
    """
    hat = hat_matrix(np.concatenate([real, simulated]), components)
    labels = np.repeat([1.0, -1.0], [len(real), len(simulated)])
    wrong, left = labels - hat @ labels, 1 - np.diag(hat)
    i, j = np.arange(len(real))[:, None], len(real) + np.arange(len(simulated))[None, :]
    both = hat[i, j]
    missed = left[j] * wrong[i] + both * wrong[j], left[i] * wrong[j] + both * wrong[i]
    gap = 2 - (missed[0] - missed[1]) / (left[i] * left[j] - both**2)
    return np.asarray(0.5 * (1 + np.sign(np.round(gap, 12))))


def hat_matrix(values: Table, components: int | None) -> Table:
    """(n, n) what turns labels into the fit of ridge regression on the leading principal components of `values` (n, d).

    Statistics are standardised first; components know no labels. The penalty is the mean variance of those used.
    """
    scale = values.std(axis=0)
    scale[scale == 0] = np.inf
    left, spread, _ = np.linalg.svd((values - values.mean(axis=0)) / scale, full_matrices=False)
    left, power = left[:, :components], spread[:components] ** 2
    return np.asarray(1 / len(values) + (left * (power / (power + power.mean()))) @ left.T)


def resampled(wins: Table, rng: np.random.Generator, repeats: int = 2000) -> tuple[float, float]:
    """95 % interval of the mean of `wins` (draws, n_real, n_simulated): draws, real and simulated crops resampled.

    Percentile bootstrap without fitting again, so somewhat too narrow.
    """
    means = []
    for _ in range(repeats):
        weights = [np.bincount(rng.integers(0, size, size), minlength=size) / size for size in wins.shape]
        means.append(np.einsum("dij,d,i,j", wins, *weights, optimize=False))
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


# ---- single statistics ----------------------------------------------------------------------------------------------


def differences(real: pd.DataFrame, simulated: pd.DataFrame, rng: np.random.Generator) -> list[Difference]:
    """Every statistic compared, largest difference first; intervals by resampling the real crops."""
    resample = rng.integers(0, len(real), (2000, len(real)))
    found = []
    for name in real.columns:
        one, other = real[name].to_numpy(), simulated[name].to_numpy()
        share = dominance(one, other)
        low, high = np.percentile(share[resample].mean(axis=1), [2.5, 97.5])
        medians = float(np.median(one)), float(np.median(other))
        found.append(Difference(str(name), *medians, float(share.mean()), float(low), float(high)))
    return sorted(found, key=lambda difference: -abs(difference.delta))


def dominance(one: Table, other: Table) -> Table:
    """(n,) for each value of `one`: share of `other` below it minus share above it. Their mean is Cliff's delta."""
    ordered = np.sort(other)
    below, upto = np.searchsorted(ordered, one, side="left"), np.searchsorted(ordered, one, side="right")
    return np.asarray((below + upto) / len(ordered) - 1)
