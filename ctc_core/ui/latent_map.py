"""What the map page shows around the map: this patient's share, the cells picked, the figures of each cluster."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from streamlit.runtime.scriptrunner import get_script_run_ctx

from ctc_core import count_knowledge, mapped
from ctc_core.intervals import Interval
from ctc_core.latent import BACKGROUND
from ctc_core.map_view import MapView, Mistake, Place, cluster_name, figures
from ctc_core.reliability import Area, DrawReliability
from ctc_core.settings import ROOT
from ctc_core.store import Store
from ctc_core.ui.cell_rows import CellRow, cell_rows
from ctc_core.ui.scatter import Points, Selection, scatter

CropsOf = Callable[[Sequence[str]], NDArray[np.uint8]]
"""cell ids -> (n, 3, 48, 48) uint8, DAPI, CK, CD45, in the same order."""

QUEUE_PAGE = "pages/relabel/queue.py"
CELLS_PER_ROW = 8
"""Pictures in a row of the gallery; they are spread evenly over the cells there are."""

MISTAKE_NAMES = {Mistake.FALSE_CTC: "false CTC", Mistake.MISSED_CTC: "missed CTC"}
LABEL_NAMES = {1: "CTC", 0: "non-CTC"}

STRONG = "Candidates in clusters where labelled cells prove that the classifier is seldom wrong."
WEAK = "Candidates in clusters where the classifier is often wrong on labelled cells."
UNKNOWN = "Candidates where labels are too few to tell strong from weak, and those unlike anything labelled."
UNLIKE = "Cells further from every labelled cell than labelled cells are from each other. Look at these yourself."
WRONG = "Candidates of this patient that are expected to be no CTC, from the error rates of each cluster."
MISSED = "CTCs of this patient that are expected to be no candidate, from the error rates of each cluster."
ALARM = (
    "More cells of this patient are unlike anything labelled than in other patients. What is said here about errors "
    "holds for the other cells only: look at the unlike ones yourself before you trust the count."
)
WHY_WEAKEST = " Weakest by cross-validation on training patients; the figures are of test patients."
NO_CLUSTERS = "No clusters were found on this map: all cells lie in the background."


@dataclass(frozen=True, eq=False)
class Loaded:
    """The map, and why nothing is said of the cartridge at hand where that is so."""

    view: MapView
    why_not: str = ""


def load_view(store: Store, cartridge_id: str | None, threshold: float) -> Loaded | None:
    """The map in use with the cells of a cartridge on it; None without a map. Kept while nothing changes."""
    state = count_knowledge.state(store)
    return _load(state, cartridge_id, threshold, store) if state else None


@st.cache_resource(max_entries=4, show_spinner=False)
def _load(state: str, cartridge_id: str | None, threshold: float, _store: Store) -> Loaded | None:
    view, why_not = mapped.map_view(_store, cartridge_id, threshold)
    return Loaded(view, why_not) if view else None


def load_crops(store: Store, cell_ids: Sequence[str]) -> NDArray[np.uint8]:
    """(n, 3, 48, 48) crops of cells of any cartridges, in the order asked for."""
    return mapped.map_crops(store, cell_ids)


# ------------------------------------------------------------------------------------------------------- one patient
def show_draw(draw: DrawReliability) -> None:
    """Where one patient's cells lie and what that means, in one row."""
    shown = [
        ("In strong clusters", *_share(draw, Area.STRONG), STRONG),
        ("In weak clusters", *_share(draw, Area.WEAK), WEAK),
        ("Not known", *_share(draw, Area.UNKNOWN), UNKNOWN),
        ("Unlike anything labelled", f"{draw.unlike.sum():,}", f"cells; {draw.unlike_candidates:,} candidates", UNLIKE),
        ("Expected false CTCs", *_expected(draw.errors.wrong), WRONG),
        ("Expected missed CTCs", *_expected(draw.errors.missed), MISSED),
    ]
    with st.container(horizontal=True, gap="small"):
        for label, value, below, meaning in shown:
            st.metric(label, value, below, delta_color="off", delta_arrow="off", help=meaning, width="content")
    if draw.alarm:
        st.warning(ALARM, icon=":material/warning:")


def _share(draw: DrawReliability, area: Area) -> tuple[str, str]:
    candidates, cells = draw.candidates.share(area), draw.cells.share(area)
    of = f"of {draw.candidates.n:,} candidates" + ("" if cells is None else f"; {100 * cells:.0f} % of all cells")
    return "–" if candidates is None else f"{100 * candidates:.0f} %", of


def _expected(errors: Interval) -> tuple[str, str]:
    return f"{errors.estimate:.1f}", f"95 % interval {errors.low:.0f} to {errors.high:.0f}"


# --------------------------------------------------------------------------------------------------- map and its cells
def show_map(view: MapView, points: Points, crops_of: CropsOf, *, key: str) -> None:
    """The map, and beside it the cells of what is picked on it. Belongs into a fragment: picking reruns it."""
    left, right = st.columns([5, 2], gap="medium")
    with left:
        selection = scatter(view, points, key=key)
        if all(row.cluster == BACKGROUND for row in view.rows):
            st.caption(NO_CLUSTERS)
    with right:
        if selection is None:
            st.subheader("Nothing selected")
            st.caption("Click a cluster on the map, pick it in the list, or drag a rectangle around cells to see them.")
        else:
            show_selection(view, selection, crops_of, key=key)


def show_selection(view: MapView, selection: Selection, crops_of: CropsOf, *, key: str) -> None:
    """Heading, figures, pictures and the way to the relabelling queue."""
    st.subheader(selection_name(view, selection))
    st.caption(about_selection(view, selection))
    _relabel_button(selection, key=f"{key}_relabel")
    rows = gallery_rows(view, selection.members)
    cell_rows(rows, crops_of([cell_id for row in rows for cell_id in row.cell_ids]), key=f"{key}_cells")


def selection_name(view: MapView, selection: Selection) -> str:
    """What is selected, in the words of the list."""
    if selection.cluster is None:
        return "Selected area"
    weakest = selection.cluster == view.weakest
    return f"{cluster_name(selection.cluster)}, weakest" if weakest else cluster_name(selection.cluster)


def about_selection(view: MapView, selection: Selection) -> str:
    """How many cells are in it and how well the classifier does there."""
    n, mistakes = len(selection.members), view.mistake[selection.members]
    cells = f"{n:,} cells" if n != 1 else "1 cell"
    if selection.cluster is None:
        tests = int((view.place[selection.members] == Place.TEST).sum())
        wrong = int((mistakes != Mistake.NONE).sum())
        return f"{cells}, {tests:,} of them labelled test cells; the classifier is wrong about {wrong:,} of these."
    row = next(row for row in view.rows if row.cluster == selection.cluster)
    share = "" if row.share is None else f" {100 * row.share:.1f} % of this patient's cells lie here."
    chosen = WHY_WEAKEST if selection.cluster == view.weakest else ""
    return f"{cells}. {figures(row)[:1].upper()}{figures(row)[1:]}.{share}{chosen}"


def gallery_rows(view: MapView, members: NDArray[np.intp]) -> list[CellRow]:
    """Labelled, misclassified and unlabelled cells among `members`, and the patient's where there are any."""
    place, wrong = view.place[members], view.mistake[members] != Mistake.NONE
    patient, unlabelled = place == Place.PATIENT, place == Place.UNLABELLED
    groups = {
        "Labelled": members[~patient & ~unlabelled & ~wrong],
        "Misclassified": members[~patient & wrong],
        "Not labelled": members[unlabelled],
    }
    if patient.any():
        groups["This patient"] = members[patient]
    return [_gallery_row(view, name, group) for name, group in groups.items()]


def _gallery_row(view: MapView, name: str, group: NDArray[np.intp]) -> CellRow:
    picked = spread(group, CELLS_PER_ROW)
    some = f"{len(picked)} of {len(group):,} shown" if len(picked) < len(group) else f"{len(group)}"
    ids = tuple(view.cell_ids[i] for i in picked)
    return CellRow(f"{name}: {some}", ids, tuple(caption(view, int(i)) for i in picked))


def spread(members: NDArray[np.intp], n: int) -> NDArray[np.intp]:
    """At most n of `members`, evenly spaced, always the same."""
    if len(members) <= n:
        return members
    picked: NDArray[np.intp] = members[np.linspace(0, len(members) - 1, n).round().astype(int)]
    return picked


def caption(view: MapView, i: int) -> str:
    """Label or mistake of one cell, and its P(CTC)."""
    mistake, p = int(view.mistake[i]), float(view.probability[i])
    name = MISTAKE_NAMES[Mistake(mistake)] if mistake else LABEL_NAMES.get(int(view.label[i]))
    score = "not scored" if np.isnan(p) else f"P {p:.2f}"
    return f"{name}, {score}" if name else score


# ------------------------------------------------------------------------------------------------------------- queue
def _relabel_button(selection: Selection, *, key: str) -> None:
    ready = registered(QUEUE_PAGE)
    enabled = ready and selection.cluster is not None
    if st.button("Relabel this cluster", icon=":material/edit:", disabled=not enabled, key=key):
        st.switch_page(QUEUE_PAGE, query_params={"cluster": str(selection.cluster)})
    if not ready:
        st.caption("Relabelling from the map is not available in this version of the desk.")
    elif selection.cluster is None:
        st.caption("Pick a cluster to relabel its cells; an area cannot be relabelled.")


def registered(page: str) -> bool:
    """The router of this run knows the page file (path from the folder of app.py)."""
    context = get_script_run_ctx()
    if context is None:
        return False
    return str(ROOT / page) in {info["script_path"] for info in context.pages_manager.get_pages().values()}
