"""What the desk knows of a draw beside the decisions in it: from earlier draws, readers' agreement and the map.

All of it is kept in memory for as long as what it was made from stays the same (`count_memory`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import pandas as pd

from ctc_core.assessment import Trust, fingerprint, judged, labelled
from ctc_core.count_memory import imported, kept
from ctc_core.draw import Draw, draw, draw_cells
from ctc_core.enumeration.counts import Knowledge, decided, reviewed, shown
from ctc_core.enumeration.misses import UNKNOWN, Misses, misses
from ctc_core.enumeration.readers import ASSUMED, ReaderErrors, reader_errors
from ctc_core.enumeration.recalibration import Belief, learn
from ctc_core.enumeration.worth import less_certain
from ctc_core.errors import UserError
from ctc_core.matched import candidates
from ctc_core.store import Store
from ctc_core.types import Role

READ_SHARE = 0.8
"""Share of a draw's images that must be read before other draws learn from it: the first ones are the likeliest."""
REVIEWS = 20
"""Most reviewed draws that others learn from, the newest."""
LEARNED_AT = 0.5
"""Threshold at which earlier draws are looked at, whatever that of the draw to be counted."""


@dataclass(frozen=True, eq=False)
class Situation:
    """What a count starts from."""

    table: pd.DataFrame
    """Images at a threshold with label (`matched.candidates`) and cluster (NaN: not on the map)."""
    known: Knowledge
    notes: tuple[str, ...]
    """What could not be estimated, as sentences."""


UNTAUGHT_NOTE = (
    "Fewer than three draws of this lab were read to four fifths: how likely images are CTCs is assumed, not learned."
)
UNREAD_TWICE_NOTE = "No cell was read by two people: error rates of readers are assumed, not measured."


def situation(store: Store, cartridge_id: str, threshold: float) -> Situation:
    """What is known of a draw whose candidates begin at `threshold`."""
    table = candidates(store, cartridge_id, threshold)
    table = table.assign(cluster=table.cell_id.map(_clusters(store, cartridge_id)).astype(float))
    errors = errors_of_readers(store)
    belief = learned(store, cartridge_id, errors)
    notes = [] if belief.patients else [UNTAUGHT_NOTE]
    notes += [] if errors.n_ctc else [UNREAD_TWICE_NOTE]
    try:
        missed = _misses(store, cartridge_id, threshold)
    except UserError as error:
        missed = UNKNOWN
        notes.append(f"Expected misses rest on what CellSearch shows alone, because the map says nothing: {error}")
    return Situation(table, Knowledge(belief, errors, missed), tuple(notes))


def _clusters(store: Store, cartridge_id: str) -> pd.Series:
    """Cluster on the map in use, by cell_id; cells that are not on it are missing."""

    def made() -> pd.Series:
        active = store.active_model("map")
        points = store.points(active.model_id if active else "", cartridge_id)
        return points.set_index("cell_id").cluster.astype(float)

    return kept(store, f"clusters/{cartridge_id}", store.basis(), made)


def learned(store: Store, cartridge_id: str, errors: ReaderErrors) -> Belief:
    """How likely images are CTCs in draws of other patients that the classifier was not fitted on."""
    every = imported(store).sort_values("imported_at", ascending=False)
    own = every.pseudonym[every.cartridge_id == cartridge_id]
    others = every[~every.pseudonym.isin(own) & (every.role == Role.REVIEW)]
    words, basis = _last_words(store), store.basis()
    about = tuple((str(other), words[str(other)]) for other in others.cartridge_id if str(other) in words)
    key = (about, basis, errors.missed.mean.tobytes(), errors.false_positive.mean.tobytes())

    def made() -> Belief:
        return learn([reviewed(rows, errors) for rows in islice(_read_far_enough(store, about, basis), REVIEWS)])

    return kept(store, f"belief/{cartridge_id}", key, made)


def _read_far_enough(store: Store, about: Sequence[tuple[str, int]], basis: int) -> Iterator[pd.DataFrame]:
    """Decided images of each of these draws, (cartridge_id, number of its last decision), that was read far enough."""
    known: dict[str, tuple[int, pd.DataFrame | None]]
    for cartridge_id, word in about:
        known = kept(store, "read far enough", basis, dict)  # each time, or tables of many draws push it out
        if cartridge_id not in known or known[cartridge_id][0] != word:
            table = candidates(store, cartridge_id, LEARNED_AT)
            images = table[shown(table)]
            far = len(images) > 0 and images.label.notna().mean() >= READ_SHARE
            known[cartridge_id] = word, images[decided(images)] if far else None
        rows = known[cartridge_id][1]
        if rows is not None:
            yield rows


def errors_of_readers(store: Store) -> ReaderErrors:
    """Error rates from cells that two or more people read."""
    return kept(store, "errors", store.revision(), lambda: _errors_of_readers(store))


def _errors_of_readers(store: Store) -> ReaderErrors:
    read = store.read_twice()
    if read.empty:
        return ASSUMED
    consensus = store.consensus()
    labels = {str(cell): value for cell, value in zip(consensus.cell_id, consensus.label, strict=True)}
    classifier = store.active_model("classifier")
    model_id = classifier.model_id if classifier else ""
    scores = pd.concat([store.predictions(str(id_), model_id) for id_ in read.cartridge_id.unique()])
    return reader_errors(read.merge(scores[["cell_id", "probability"]], on="cell_id", how="left"), labels)


# ---- from the map ----------------------------------------------------------------------------------------------------


def trust(store: Store, threshold: float) -> Trust:
    """What is known of the classifier, kept while map, classifier and labels stay.

    Raises:
        UserError: there is no map or no classifier.
    """
    now = state(store)
    known = kept(store, "labelled", now, lambda: labelled(store))
    return kept(store, f"trust/{threshold}", now, lambda: judged(known, threshold))


def drawn(store: Store, cartridge_id: str, threshold: float) -> Draw:
    """What to think of one cartridge (`draw.draw`), kept as long."""
    now, known = state(store), trust(store, threshold)
    cells = kept(store, f"placed/{cartridge_id}", now, lambda: draw_cells(store, known, cartridge_id))
    return kept(store, f"draw/{cartridge_id}", (now, threshold), lambda: draw(known, cells))


def state(store: Store) -> str:
    """Of map, classifier, and labels that they are judged by (`assessment.fingerprint`); empty without either."""
    every = imported(store)
    judges = set(every.cartridge_id[every.role.isin((Role.TRAIN, Role.TEST))])
    words = tuple(sorted((name, seq) for name, seq in _last_words(store).items() if name in judges))
    return kept(store, "fingerprint", (store.basis(), words), lambda: fingerprint(store))


def _last_words(store: Store) -> Mapping[str, int]:
    return kept(store, "last words", store.revision(), store.last_words)


def _misses(store: Store, cartridge_id: str, threshold: float) -> Misses:
    rates, clusters = trust(store, threshold).rates, _clusters(store, cartridge_id)
    if nowhere := int(imported(store).set_index("cartridge_id").cells[cartridge_id]) - len(clusters):
        message = f"{cartridge_id}: {nowhere} cells have no place on it."
        raise UserError(message)
    return misses(rates, (clusters.to_numpy()[:, None] == rates.clusters).sum(axis=0))


def worth_a_look(store: Store, cartridge_id: str, table: pd.DataFrame, threshold: float) -> pd.DataFrame:
    """Cells below the threshold from weak and unknown areas that `table` does not show (`worth.less_certain`).

    Empty where the map says nothing.
    """
    try:
        cells = kept(
            store,
            f"less/{cartridge_id}",
            (state(store), threshold),
            lambda: _less_certain(store, cartridge_id, threshold),
        )
    except UserError:
        return pd.DataFrame(columns=["cell_id", "probability", "cluster", "area", "unlike", "chance"])
    return cells[~cells.cell_id.isin(table.cell_id)].reset_index(drop=True)


def _less_certain(store: Store, cartridge_id: str, threshold: float) -> pd.DataFrame:
    known = trust(store, threshold)
    found = drawn(store, cartridge_id, threshold)
    unlike = pd.Series(found.reliability.unlike, index=list(found.cell_ids))
    clusters = pd.Series(found.clusters.to_numpy(), index=list(found.cell_ids))
    cells = store.predictions(cartridge_id, known.classifier_id)
    cells = cells.assign(cluster=cells.cell_id.map(clusters), unlike=cells.cell_id.map(unlike).astype(bool))
    missed = dict(zip(known.rates.clusters, found.reliability.errors.missed_by_cluster.tolist(), strict=True))
    areas = {cluster: area.value for cluster, area in known.reliability.areas.items()}
    return less_certain(cells, areas, missed, threshold=threshold, at_most=len(cells))
