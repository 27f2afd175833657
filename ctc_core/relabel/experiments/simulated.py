"""The published simulations: limited global data (sim1) and limited local data (sim2).

Draws of `cluster-specific` and `random` are the published ones. Any other strategy starts from the same cells and takes
as many in each loop.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ctc_core.errors import SettingsError
from ctc_core.features import FeaturesFolder
from ctc_core.relabel.allocation import inverse_f1_counts
from ctc_core.relabel.experiments.cells import Group, test_group, training_group
from ctc_core.relabel.experiments.draws import draw, split
from ctc_core.relabel.experiments.loop import Choose, Record, State, run
from ctc_core.relabel.registry import strategy
from ctc_core.relabel.validation import monte_carlo_splits, validate

CLUSTER_SPECIFIC = "cluster-specific"
"""The paper's strategy: `inverse-f1` in sim1, the main cluster only in sim2."""


def known_name(name: str) -> str:
    """The name, if it is the paper's or one of the registry; before any process is started for it.

    Raises:
        SettingsError: it is neither.
    """
    return name if name == CLUSTER_SPECIFIC else strategy(name).name


def ask(name: str, state: State, n: int) -> list[int]:
    """Rows that a strategy of the registry asks for."""
    chosen = strategy(name)
    picked = chosen.choose(state.evidence(by_f1=chosen.by_f1), n, state.seed)
    return [state.pool[i] for i in picked.rows.tolist()]


# ---- sim1 -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sim1:
    """How much is labelled when; published numbers."""

    start: int = 100
    step: int = 100
    loops: int = 4


def sim1(
    folder: FeaturesFolder, name: str, seed: int, plan: Sim1 = Sim1(), spent: list[float] | None = None
) -> list[Record]:
    """Start with few training cells drawn at random, add as many again in each loop. spent: as of `loop.run`.

    Raises:
        UserError: the strategy is unknown, the folder lacks clusters, or the plan needs more cells than there are.
    """
    cells = training_group(folder, real_clusters_only=True)
    if not 2 <= plan.start <= len(cells):
        message = f"--start {plan.start}: df_labeled_train has {len(cells)} cells. Start with 2 to {len(cells)}."
        raise SettingsError(message)
    start = draw(range(len(cells)), plan.start, seed)
    drawn = set(start)
    pool = [row for row in range(len(cells)) if row not in drawn]
    choose, about = _sim1_choice(name, plan.step), {"strategy": name, "seed": seed}
    return run(cells, test_group(folder), start, pool, choose, loops=plan.loops, about=about, spent=spent)


def _sim1_choice(name: str, step: int) -> Choose:
    if name in (CLUSTER_SPECIFIC, "inverse-f1"):
        return lambda state, loop: _inverse_f1_draw(state, step)
    if name == "random":
        return lambda state, loop: draw(state.pool, step, state.seed)
    known_name(name)
    return lambda state, loop: ask(name, state, step)


def _inverse_f1_draw(state: State, n: int) -> list[int]:
    """Every cluster of training cells and pool has its share, also one whose pool is dry."""
    train, clusters = np.array(state.train, np.int64), state.cells.clusters
    labels, features = state.cells.labels[train], state.cells.features[train]
    known = validate(features, labels, clusters[train], monte_carlo_splits(len(train)))
    by_cluster: dict[int, list[int]] = {cluster: [] for cluster in clusters[train].tolist()}
    for row in state.pool:
        by_cluster.setdefault(int(clusters[row]), []).append(row)
    counts = inverse_f1_counts(known.cluster_f1, {cluster: len(rows) for cluster, rows in by_cluster.items()}, n)
    return [row for cluster, number in counts.items() for row in draw(by_cluster[cluster], number, state.seed)]


# ---- sim2 -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sim2:
    """The cluster that lacks labels, and how its labels come back."""

    main_cluster: int
    cap_like_published: bool = False
    """Cut what the main cluster gives to the size of the random pool, and share it equally over the loops."""
    loops: int = 4


LEFT_OUT = 0.8
"""Share of the main cluster that is left out at the start, and of every other that is in."""


@dataclass(frozen=True)
class _Halves:
    """Rows of the start, and of both pools."""

    start: list[int]
    main: list[int]
    """The main cluster's rows that were left out."""
    random: list[int]
    """As many of these as the main cluster keeps, then the rows left out of the others."""
    others: list[int]
    kept: int
    """Rows of the main cluster in the start."""


def sim2(folder: FeaturesFolder, name: str, seed: int, plan: Sim2, spent: list[float] | None = None) -> list[Record]:
    """Take labels away from one cluster, and give them back: from it alone, or at random from everywhere.

    Other strategies than the two published ones choose from all rows that were left out.

    Raises:
        UserError: the strategy is unknown, or no training cell is in the main cluster.
    """
    cells = training_group(folder)
    halves = _halves(cells, plan.main_cluster, seed)
    main, per_loop = halves.main, halves.kept
    if plan.cap_like_published and len(main) > len(halves.random):
        main = draw(main, len(halves.random), 42)
        per_loop = round(len(main) / plan.loops)
    pools = {CLUSTER_SPECIFIC: main, "random": halves.random}
    about = {"strategy": name, "seed": seed}
    pool = pools.get(name, halves.main + halves.others)
    choose = _sim2_choice(name, _sizes(len(main), per_loop, plan.loops))
    test = test_group(folder)
    return run(cells, test, halves.start, pool, choose, loops=plan.loops, about=about, spent=spent)


def _halves(cells: Group, main_cluster: int, seed: int) -> _Halves:
    clusters = sorted(set(cells.clusters.tolist()))
    if main_cluster not in clusters:
        named = ", ".join(str(cluster) for cluster in clusters)
        message = f"--main-cluster {main_cluster}: no training cell is in that cluster. There are: {named}."
        raise SettingsError(message)

    def parts(cluster: int) -> tuple[list[int], list[int]]:
        return split(np.flatnonzero(cells.clusters == cluster).tolist(), LEFT_OUT, seed)

    main, kept = parts(main_cluster)
    others = [parts(cluster) for cluster in clusters if cluster != main_cluster]
    left_out = [row for _, rest in others for row in rest]
    start = kept + [row for drawn, _ in others for row in drawn]
    return _Halves(start, main, draw(main, len(kept), seed) + left_out, left_out, len(kept))


def _sizes(pool: int, per_loop: int, loops: int) -> list[int]:
    """Rows of each loop: `per_loop`, and all that is left in the last."""
    sizes = [min(per_loop, max(pool - loop * per_loop, 0)) for loop in range(loops - 1)]
    return [*sizes, pool - sum(sizes)]


def _sim2_choice(name: str, sizes: list[int]) -> Choose:
    if name in (CLUSTER_SPECIFIC, "random"):
        return lambda state, loop: draw(state.pool, sizes[loop - 1], state.seed)
    known_name(name)
    return lambda state, loop: ask(name, state, sizes[loop - 1])
