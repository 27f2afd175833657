"""The map in use as the page shows it, with one cartridge on top."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ctc_core.assessment import Trust
from ctc_core.count_knowledge import drawn, trust
from ctc_core.errors import UserError
from ctc_core.map_view import ClusterRow, MapView, Mistake, Place
from ctc_core.reliability import DrawReliability
from ctc_core.store import Store
from ctc_core.types import CROP_PX, Role


def map_view(store: Store, cartridge_id: str | None, threshold: float) -> tuple[MapView | None, str]:
    """The map in use with the cells of a cartridge on it, and why nothing can be said of these where that is so.

    None where there is no map, or no classifier.
    """
    if store.active_model("map") is None or store.active_model("classifier") is None:
        return None, ""
    known = trust(store, threshold)
    cells = store.cells_on_map(known.built.model.model_id, known.classifier_id, cartridge_id)
    found, why_not = _draw(store, cartridge_id, threshold)
    return _view(known, cells, cartridge_id, found), why_not


def _draw(store: Store, cartridge_id: str | None, threshold: float) -> tuple[DrawReliability | None, str]:
    if cartridge_id is None:
        return None, ""
    try:
        return drawn(store, cartridge_id, threshold).reliability, ""
    except UserError as error:
        return None, str(error)


def _view(known: Trust, cells: pd.DataFrame, cartridge_id: str | None, found: DrawReliability | None) -> MapView:
    label = cells.label.map({"ctc": 1, "non-ctc": 0, "artifact": 0}).fillna(-1).to_numpy().astype(np.int8)
    probability = cells.probability.to_numpy(np.float32, na_value=np.nan)
    place = _places(cells, label, cartridge_id)
    called = probability >= known.threshold
    wrong = (place == Place.TEST) & ~np.isnan(probability) & (called != (label == 1))
    mistake = np.where(wrong, np.where(called, Mistake.FALSE_CTC, Mistake.MISSED_CTC), Mistake.NONE)
    cluster = cells.cluster.to_numpy().astype(np.int16)
    return MapView(
        map_id=known.built.model.model_id,
        cell_ids=tuple(cells.cell_id),
        xy=cells[["x", "y"]].to_numpy(np.float32),
        cluster=cluster,
        place=place,
        mistake=mistake.astype(np.uint8),
        label=label,
        probability=probability,
        rows=tuple(_rows(known, cluster, (cells.cartridge_id == cartridge_id).to_numpy())),
        weakest=known.reliability.weakest,
        draw=found,
    )


def _places(cells: pd.DataFrame, label: NDArray[np.int8], cartridge_id: str | None) -> NDArray[np.uint8]:
    labelled = np.where(cells.role == Role.TEST, Place.TEST, Place.TRAIN)
    place = np.where(label < 0, Place.UNLABELLED, labelled)
    of_patient = (cells.cartridge_id == cartridge_id) & (place != Place.TEST)
    return np.where(of_patient, Place.PATIENT, place).astype(np.uint8)


def _rows(known: Trust, cluster: NDArray[np.int16], patient: NDArray[np.bool_]) -> list[ClusterRow]:
    n = int(patient.sum())
    return [
        ClusterRow(
            cluster=figures.cluster,
            cells=int(((cluster == figures.cluster) & ~patient).sum()),
            test=figures,
            area=known.reliability.areas[figures.cluster],
            share=float(((cluster == figures.cluster) & patient).sum() / n) if n else None,
        )
        for figures in known.reliability.report
        if figures.cluster is not None
    ]


def map_crops(store: Store, cell_ids: Sequence[str]) -> NDArray[np.uint8]:
    """(n, 3, 48, 48) uint8, DAPI, CK, CD45, of cells of any cartridges, in the order asked for."""
    places = store.crop_places(list(cell_ids)).set_index("cell_id").loc[list(cell_ids)].reset_index()
    crops = np.zeros((len(places), 3, CROP_PX, CROP_PX), np.uint8)
    for cartridge_id, rows in places.groupby("cartridge_id"):
        crops[rows.index] = store.crops(str(cartridge_id))[rows.crop_index.to_numpy()]
    return crops
