"""All query strategies by name, with the sentence that the desk shows for each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ctc_core.errors import SettingsError
from ctc_core.relabel.evidence import Evidence, Selection
from ctc_core.relabel.strategies.cluster_margin import cluster_margin
from ctc_core.relabel.strategies.committee import committee
from ctc_core.relabel.strategies.coverage import core_set, probcover
from ctc_core.relabel.strategies.ours import ours
from ctc_core.relabel.strategies.published import inverse_f1, random, real_world
from ctc_core.relabel.strategies.typical import typiclust
from ctc_core.relabel.strategies.uncertainty import entropy, margin

Choose = Callable[[Evidence, int, int], Selection]
"""choose(evidence, n, seed): at most `n` cells of the pool, first the most wanted; equal arguments, equal answer."""


@dataclass(frozen=True)
class Strategy:
    """A way of choosing the cells that an expert is asked for."""

    name: str
    title: str
    sentence: str
    """What it does, for the page."""
    choose: Choose
    by_f1: bool = False
    """It looks at `Evidence.cluster_f1`, `cluster_n` or `wrong_class`, for which the classifier has to be validated."""


def _table(*strategies: Strategy) -> dict[str, Strategy]:
    return {strategy.name: strategy for strategy in strategies}


STRATEGIES: dict[str, Strategy] = _table(
    Strategy(
        "ours",
        "Where labels help most",
        "Takes the cells whose labels tell the most about cells like them, above all unsure ones in areas with errors.",
        ours,
        by_f1=True,
    ),
    Strategy(
        "real-world",
        "Weakest cluster (published, real-world)",
        "Takes random cells of the weakest cluster that were called what is most often called wrongly there.",
        real_world,
        by_f1=True,
    ),
    Strategy(
        "inverse-f1",
        "All clusters, weak ones more (published, simulated)",
        "Takes random cells of all clusters, the more the lower the F1 of the cluster.",
        inverse_f1,
        by_f1=True,
    ),
    Strategy("random", "Random", "Takes cells at random from all that are not labelled.", random),
    Strategy("margin", "Closest to the limit", "Takes the cells whose P(CTC) is nearest to one half.", margin),
    Strategy("entropy", "Highest entropy", "Takes the cells whose predicted class carries the most doubt.", entropy),
    Strategy(
        "committee",
        "Divided votes (ensemble)",
        "Fits ten classifiers to resampled labels and takes the cells on which they disagree most.",
        committee,
    ),
    Strategy(
        "core-set",
        "Farthest from labels (core-set)",
        "Takes one cell after the other, each the farthest from all that are labelled or taken.",
        core_set,
    ),
    Strategy(
        "typiclust",
        "Typical cells of unlabelled groups (TypiClust)",
        "Groups all cells by likeness and takes the most typical cell of each large group that has no label yet.",
        typiclust,
    ),
    Strategy(
        "probcover",
        "Most cells covered (ProbCover)",
        "Takes one cell after the other, each the one with the most cells close to it that are like no labelled cell.",
        probcover,
    ),
    Strategy(
        "cluster-margin",
        "Unsure cells of many groups (cluster-margin)",
        "Takes the cells nearest to the limit in turn from many small groups, so that they are not all alike.",
        cluster_margin,
    ),
)


def strategy(name: str) -> Strategy:
    """A strategy by name.

    Raises:
        SettingsError: there is none of this name.
    """
    if name not in STRATEGIES:
        message = f"{name}: no strategy of this name. There are: {', '.join(STRATEGIES)}."
        raise SettingsError(message)
    return STRATEGIES[name]


def recommended(*, classifier: bool) -> str:
    """Name of the strategy that the desk proposes; `classifier`: there is one.

    Near the limit lie the cells that would be false candidates: asking for them, or for those an ensemble disagrees
    on, which takes longer, leaves the fewest images to read on patients nobody has seen (`experiment final`). Before
    there is a classifier no cell is near a limit; ours then asks for typical cells.
    """
    return "margin" if classifier else "ours"
