"""What an export says of itself: what made it, from what."""

from __future__ import annotations

from typing import Any

from ctc_core.exports.choice import Choice
from ctc_core.store import Store, code_version
from ctc_core.types import PIXEL_UM

SCHEMA = 1
"""Version of the exported tables and files."""
RESEARCH = "For research use only. Not for use in diagnostic procedures."


def about(store: Store, choice: Choice) -> dict[str, Any]:
    """Schema version, software, models and journal, as plain values."""
    active = {kind: store.active_model(kind) for kind in ("classifier", "map")}
    seq, digest = store.journal.head
    return {
        "schema_version": SCHEMA,
        "software": f"CTC review desk {code_version()}",
        "note": RESEARCH,
        "cartridges": list(choice.cartridge_ids),
        "which_cells": choice.which.value,
        "threshold": choice.threshold,
        "classifier_id": active["classifier"].model_id if active["classifier"] else None,
        "map_id": active["map"].model_id if active["map"] else None,
        "pixel_um": PIXEL_UM,
        "journal_entry": seq,
        "journal_hash": digest,
    }
