"""What to think of one cartridge, as plain values for scripts."""

from __future__ import annotations

from typing import Any

from ctc_core.assessment import Trust, stale, trust
from ctc_core.draw import Draw, draw, draw_cells
from ctc_core.intervals import Interval
from ctc_core.reliability import Area, ClusterMetrics, Shares
from ctc_core.reliability.published import as_json
from ctc_core.store import Store
from ctc_core.types import Role

TOO_FEW = "not enough labels"
SEEN = "Labels of this patient were used in fitting, so its own figures are better than a new patient's would be."


def report(store: Store, cartridge_id: str, threshold: float) -> dict[str, Any]:
    """Shares of one cartridge in weak, strong and unknown areas, flagged cells, expected errors, figures by cluster.

    Raises:
        UserError: no classifier, no map, no such cartridge, or not enough labels.
    """
    known = trust(store, threshold)
    found = draw(known, draw_cells(store, known, cartridge_id))
    reliability = found.reliability
    flagged = [cell_id for cell_id, unlike in zip(found.cell_ids, reliability.unlike.tolist(), strict=True) if unlike]
    return {
        "cartridge_id": cartridge_id,
        "map_id": known.built.model.model_id,
        "classifier_id": known.classifier_id,
        "threshold": threshold,
        "candidates": _shares(reliability.candidates),
        "cells": _shares(reliability.cells),
        "unlike": {
            "cells": len(flagged),
            "candidates": reliability.unlike_candidates,
            "alarm": reliability.alarm,
            "cell_ids": flagged,
        },
        "expected_wrong": _interval(reliability.errors.wrong),
        "expected_missed": _interval(reliability.errors.missed),
        "weakest": known.reliability.weakest,
        "all": _figures(known.reliability.test),
        "clusters": [_row(known, found, figures) for figures in known.reliability.report],
        "stale": stale(store),
        "notes": [*known.built.notes, *_about_patient(store, cartridge_id)],
    }


def _row(known: Trust, found: Draw, figures: ClusterMetrics) -> dict[str, Any]:
    assert figures.cluster is not None
    inside = found.clusters == figures.cluster
    place = known.rates.clusters.index(figures.cluster)
    errors = found.reliability.errors
    return {
        **_figures(figures),
        "area": known.reliability.areas[figures.cluster].value,
        "cells_here": int(inside.sum()),
        "candidates_here": int((inside & found.called).sum()),
        "expected_wrong": round(float(errors.wrong_by_cluster[place]), 2),
        "expected_missed": round(float(errors.missed_by_cluster[place]), 2),
    }


def _figures(figures: ClusterMetrics) -> dict[str, Any]:
    """Figures on test patients; no bare number where there are too few labels."""
    row = as_json(figures)
    if figures.enough:
        return {**{key: round(v, 4) if isinstance(v, float) else v for key, v in row.items()}, "note": None}
    told = ("cluster", "n", "n_ctc", "n_patients", "enough_labels")
    return {**{key: value if key in told else None for key, value in row.items()}, "note": TOO_FEW}


def _shares(shares: Shares) -> dict[str, Any]:
    counts = {"n": shares.n, "strong": shares.strong, "weak": shares.weak, "unknown": shares.unknown}
    found = {area: shares.share(area) for area in Area}
    return {**counts, **{f"{area}_share": None if s is None else round(s, 4) for area, s in found.items()}}


def _interval(interval: Interval) -> dict[str, float]:
    return {name: round(getattr(interval, name), 2) for name in ("estimate", "low", "high")}


def _about_patient(store: Store, cartridge_id: str) -> list[str]:
    role = store.cartridges().set_index("cartridge_id").role[cartridge_id]
    return [SEEN] if role == Role.TRAIN else []
