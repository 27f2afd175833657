"""The count on the review page: what thresholds mean for this draw, the figures, and whether to read on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from ctc_core import workflows
from ctc_core.count_memory import paced
from ctc_core.counting import THRESHOLDS, AtThreshold, CountOptions, CountReport, at_threshold, count_cartridge
from ctc_core.enumeration import ClosePair, Summary, close_pairs
from ctc_core.enumeration.counts import METHOD
from ctc_core.enumeration.stopping import Verdict
from ctc_core.intervals import Proportion
from ctc_core.matched import candidates
from ctc_core.report import words
from ctc_core.review.choice import Sort
from ctc_core.store import Store
from ctc_core.ui.messages import plain
from ctc_core.ui.review_controls import SORT_NAMES

_REPORT = "candidates_report"
REFRESH = 2.0
"""Seconds between two looks at whether anything was decided."""

OURS = "CTCs that this desk's readers confirmed, each cell once; the others were found by this desk only."
THEIRS = "CTCs assigned by the CellSearch operator. Never changed here."
OUR_PPV = "Positive predictive value: confirmed CTCs among our candidates that are decided, with 95 % Wilson interval."
THEIR_PPV = "The same of CellSearch: CTCs assigned by the operator among all events shown, with 95 % Wilson interval."
UNSEEN = (
    "Upper 95 % bound of the CTCs nobody has decided about: in images not read, and in cells shown by neither side."
)
ICONS = {
    Verdict.READ_ON: ":material/visibility:",
    Verdict.REACHED: ":material/flag:",
    Verdict.OUT_OF_REACH: ":material/flag:",
    Verdict.POINTLESS: ":material/check_circle:",
    Verdict.STRANGE: ":material/warning:",
}


# ---- thresholds ------------------------------------------------------------------------------------------------------


def show_thresholds(store: Store, cartridge_id: str, threshold: float, *, key: str) -> None:
    """One button for each usual threshold with what it means; pressing it moves the slider `key`."""
    marks = [mark for mark in THRESHOLDS if mark != threshold]
    told = {mark: _told(at_threshold(store, cartridge_id, mark)) for mark in (*marks, threshold)}
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        for mark in sorted({*THRESHOLDS, threshold}):
            st.button(
                f"**{mark:.2f}**  {told[mark]}" if mark == threshold else f"{mark:.2f}  {told[mark]}",
                key=f"{key}_{mark}",
                type="secondary" if mark == threshold else "tertiary",
                on_click=_set,
                args=(key, mark),
                help="Images to read; CTCs expected among them, and missed below the threshold.",
            )


def _set(key: str, value: float) -> None:
    st.session_state[key] = value


def _told(at: AtThreshold) -> str:
    return f"{at.images:,} images, {at.expected_ctcs:.0f} CTCs expected, {at.expected_missed.estimate:.1f} missed"


# ---- the count -------------------------------------------------------------------------------------------------------


def load_count(store: Store, cartridge_id: str, threshold: float, options: CountOptions) -> CountReport:
    """The count as it stands; made again after every change of the store."""
    found = _load_count(store.state(), cartridge_id, threshold, options.cut_off, options.volume_ml, store)
    st.session_state[_REPORT] = found
    return found


@dataclass(frozen=True)
class Figures:
    """One cartridge as it has been read by now."""

    summary: Summary
    close: Sequence[ClosePair]
    report: CountReport


def load_figures(
    store: Store, cartridge_id: str, threshold: float, options: CountOptions, *, now: bool = True
) -> Figures:
    """All figures as they stand. Not `now`: perhaps a few seconds old, so that many readers do not wait for counts."""

    def made() -> Figures:
        table = candidates(store, cartridge_id, threshold)
        report = load_count(store, cartridge_id, threshold, options)
        return Figures(workflows.summary(store, cartridge_id, table), close_pairs(table), report)

    name = f"figures/{cartridge_id}/{threshold}/{options}"
    found = made() if now else paced(store, name, store.revision(), made)
    st.session_state[_REPORT] = found.report
    return found


def last_count(store: Store, cartridge_id: str, threshold: float, options: CountOptions) -> CountReport:
    """The count as it was shown last, which may lack the last decisions; made where it was about something else."""
    last = st.session_state.get(_REPORT)
    asked = (cartridge_id, threshold, options)
    if isinstance(last, CountReport) and (last.cartridge_id, last.threshold, last.options) == asked:
        return last
    return load_count(store, cartridge_id, threshold, options)


@st.cache_resource(max_entries=16, show_spinner=False)
def _load_count(
    state: str, cartridge_id: str, threshold: float, cut_off: int, volume_ml: float, _store: Store
) -> CountReport:
    return count_cartridge(_store, cartridge_id, threshold, CountOptions(cut_off=cut_off, volume_ml=volume_ml))


def show_count(summary: Summary, report: CountReport) -> None:
    """The figures in one row, and whether reading on can change them."""
    ours, theirs = _ppv(summary.model_ppv), _ppv(summary.cellsearch_ppv)
    count, unseen = report.count, report.unseen
    basis = " ".join([METHOD, *report.notes])
    in_theirs = f"{summary.cellsearch_confirmed} shown by CellSearch"
    figures = [
        ("Confirmed CTCs", f"{summary.confirmed}", in_theirs, OURS),
        (
            f"P(at least {count.cut_off} in 7.5 ml)",
            words.percent(count.p_patient),
            words.mean(count.concentration),
            basis,
        ),
        ("CTCs not seen yet", f"up to {unseen.bound}", f"{unseen.unread_bound} in images not read", UNSEEN),
        ("Undecided", f"{summary.undecided}", f"of {report.shown} images", "Candidates and events without a decision."),
        (
            "CellSearch's count",
            f"{summary.cellsearch_assigned}",
            f"of {summary.cellsearch_events} events shown",
            THEIRS,
        ),
        ("Our PPV", *ours, OUR_PPV),
        ("CellSearch's PPV", *theirs, THEIR_PPV),
    ]
    with st.container(horizontal=True, gap="small"):
        for label, value, below, meaning in figures:
            st.metric(label, value, below, delta_color="off", delta_arrow="off", help=plain(meaning), width="content")
    st.markdown(f"{ICONS[unseen.verdict]} {plain(unseen.sentence)}")


def show_close_pairs(pairs: Sequence[ClosePair]) -> None:
    """Ask about confirmed candidates that may show the same cell."""
    if not pairs:
        return
    told = "; ".join("{:.0f} µm apart in frame {}, y {}, x {}".format(pair.distance_um, *pair.place) for pair in pairs)
    look = f'In the order "{SORT_NAMES[Sort.PLACE]}" they stand near each other.'
    advice = "decide the event's image, or the worse cut of two cells, as Non-CTC, and say so in its comment."
    sentence = f"Confirmed CTCs that are perhaps counted twice: {told}. {look} If they show the same cell, {advice}"
    st.warning(sentence, icon=":material/warning:")


def _ppv(proportion: Proportion | None) -> tuple[str, str]:
    if proportion is None:
        return "–", "nothing decided yet"
    return f"{proportion.estimate:.2f}", f"{proportion.low:.2f} to {proportion.high:.2f}, n = {proportion.n}"
