"""What the review page knows of each cell beside its pictures, kept while nothing that it rests on changes."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from ctc_core import count_knowledge, mapped
from ctc_core.review.details import Details, details
from ctc_core.store import Store


def load_details(store: Store, cartridge_id: str, cell_ids: Sequence[str], threshold: float) -> Details:
    """Details of some cells; made again when labels of training or test patients, the map or the classifier change."""
    active = store.active_model("classifier")
    state = count_knowledge.state(store) or f"{store.folder} {active.model_id if active else ''} {store.blind_to()}"
    return _load(state, cartridge_id, tuple(cell_ids), threshold, store)


@st.cache_resource(max_entries=4, show_spinner=False)
def _load(state: str, cartridge_id: str, cell_ids: tuple[str, ...], threshold: float, _store: Store) -> Details:
    return details(_store, cartridge_id, list(cell_ids), threshold)


def labelled_pictures(store: Store, found: Details) -> pd.DataFrame:
    """cell_id, is_ctc and crop of the labelled cells that are shown beside others."""
    crops = [crop.tobytes() for crop in mapped.map_crops(store, found.near_ids)] if found.near_ids else []
    return pd.DataFrame({"cell_id": list(found.near_ids), "is_ctc": list(found.near_is_ctc), "crop": crops})
