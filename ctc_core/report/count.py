"""The count as a report states it."""

from __future__ import annotations

from collections.abc import Iterator

from ctc_core.counting import CountOptions, CountReport
from ctc_core.enumeration import Summary
from ctc_core.report.content import Counted

USUAL = CountOptions()


def counted(summary: Summary, found: CountReport) -> Counted:
    """What readers confirmed, and what the model of the draw makes of it."""
    count, unseen = found.count, found.unseen
    return Counted(
        confirmed=summary.confirmed,
        confirmed_on_events=summary.cellsearch_confirmed,
        cellsearch_assigned=summary.cellsearch_assigned,
        cellsearch_events=summary.cellsearch_events,
        volume_ml=found.options.volume_ml,
        cut_off=found.options.cut_off,
        per_7_5_ml=count.per_7_5_ml,
        concentration=count.concentration,
        p_draw=count.p_tube,
        p_patient=count.p_patient,
        unseen=unseen.unread + unseen.below,
        unseen_bound=float(unseen.bound),
        found_below=found.found_below,
        sentences=tuple(_sentences(found)),
    )


def _sentences(found: CountReport) -> Iterator[str]:
    yield (
        f"The mean with its 95 % interval and P(at least {found.options.cut_off}) are about the patient's mean in "
        "7.5 ml of blood, not about this tube alone. They are estimated by simulation from the decisions, readers' "
        "error rates, how likely images nobody has decided on are CTCs, CTCs below the threshold, and the chance in "
        "drawing blood (Poisson)."
    )
    if found.reviews:
        yield f"How likely images are CTCs was learned from {found.reviews} earlier draws of other patients."
    yield found.unseen.sentence
    yield from found.notes
