"""The desk with a store of the paper's size: what each page asks of the server, timed."""

from __future__ import annotations

import itertools
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ctc_core import count_memory, fitting, mapping, workflows
from ctc_core.bench.loop import seconds
from ctc_core.bench.made import CTC_KINDS, LABELLED, centres, make_cartridge
from ctc_core.counting import CountOptions, count_cartridge
from ctc_core.errors import UserError
from ctc_core.job import Kind
from ctc_core.jobs import Jobs
from ctc_core.latent import load
from ctc_core.mapped import map_view
from ctc_core.matched import candidates
from ctc_core.nearest import LabelledCells
from ctc_core.rounds.situation import left_to_ask, situation
from ctc_core.settings import ROOT
from ctc_core.store import Store, write_bundle
from ctc_core.types import Decision, Label, Progress, Role

PAPER = 1_300_000
"""Cells of the paper's cohort."""

CARTRIDGE = 15_000
"""Cells of one cartridge."""

LIMIT = 0.3
"""Seconds that the server may take for a page."""

HEAVY = ("torch", "tensorflow", "stardist", "openvino", "umap", "hdbscan", "numba", "dask")
"""What must not be in the server."""

SMALL = 3000
"""Cells of those whose labels are fitted and measured."""

ROLES = {0: Role.TRAIN, 1: Role.TEST}
"""Of the first cartridges' patients; all others are for review."""


def make_store(folder: Path, cells: int, progress: Progress) -> None:
    """A store of so many cells: two small cartridges with labels, a classifier, a map; the others scored and placed.

    Raises:
        UserError: there is a store already.
    """
    if (folder / "store.duckdb").exists():
        message = f"{folder}: there is a store already. Give another folder with --data, or leave --make away."
        raise UserError(message)
    n = max(round(cells / CARTRIDGE), 3)
    sizes = [min(SMALL, cells // n)] * len(ROLES)
    sizes += [(cells - sum(sizes)) // (n - len(ROLES))] * (n - len(ROLES))
    with Store.open(folder) as store:
        for k, size in enumerate(sizes):
            progress(k, n + 1, f"Cartridge {k + 1} of {n}")
            _add(store, k, size)
            if k == len(ROLES) - 1:
                _fit(store, progress)
        progress(n, n + 1, "Scores and places")
        fitting.score_unscored(store)
        _place(store, folder / "made")
        progress(n + 1, n + 1, "Made")


def _add(store: Store, k: int, cells: int) -> None:
    pseudonym = f"patient-{k:03d}"
    store.add_patient(pseudonym, ROLES.get(k, Role.REVIEW), "bench", "bench")
    store.add_bundle(make_cartridge(store.folder / "made" / "bundle", f"c{k:03d}", pseudonym, cells, seed=k))
    if k in ROLES:
        _label(store, f"c{k:03d}", seed=k)


def _label(store: Store, cartridge_id: str, seed: int) -> None:
    """As many labels as the paper's classifier has, by the kinds that the vectors were drawn from."""
    ids, vectors = store.vectors(cartridge_id, "made")
    rows = np.random.default_rng(seed).choice(len(ids), min(LABELLED, len(ids)), replace=False)
    kinds = ((vectors[rows][:, None] - centres()[None]) ** 2).sum(axis=2).argmin(axis=1)
    decisions = []
    for row, kind in zip(rows, kinds, strict=True):
        label = Label.CTC if kind < CTC_KINDS else Label.NON_CTC
        decisions.append(Decision(uuid.uuid4().hex, cartridge_id, ids[row], None, label, "bench", "bench"))
    store.decide(decisions)


def _fit(store: Store, progress: Progress) -> None:
    """Classifier and map, as the desk makes them."""
    fitting.fit(store, store.folder / "models", "made", reader="bench", session="bench")
    mapping.here(store, Jobs(store.folder), Kind.MAP, "bench", progress=progress)


def _place(store: Store, folder: Path) -> None:
    """Every other cell at its vector's first two principal components: no page minds where cells lie."""
    active = mapping.active_map(store)
    reduction, tables = load(active.folder).reduction, []
    new = store.unplaced(active.model_id, "made")
    for cartridge_id in dict.fromkeys(new.cartridge_id):
        ids, vectors = store.vectors(cartridge_id, "made")
        xy = reduction.transform(vectors)[:, :2]
        columns = {"x": xy[:, 0], "y": xy[:, 1], "cluster": np.zeros(len(ids), np.int32)}
        tables.append(pd.DataFrame({"cell_id": pd.Series(ids, dtype=str), **columns}))
    inputs = {"map_id": active.model_id}
    points = {"points": pd.concat(tables, ignore_index=True)}
    store.add_points(
        write_bundle(folder / "points", kind="points", parameters={}, inputs=inputs, tables=points, arrays={})
    )


def measure(folder: Path, repeats: int, progress: Progress) -> dict[str, Any]:
    """What the pages ask of an existing store, and how long the server's own modules take to load."""
    with Store.open(folder) as store:
        cartridges = store.cartridges()
        cells, chosen = int(cartridges.cells.sum()), str(cartridges.cartridge_id.iloc[-1])
        asked = _questions(store, chosen)
        rows = []
        for k, (name, question) in enumerate(asked.items()):
            progress(k, len(asked) + 1, name)
            rows.append(asked_row(store, name, cells, question, repeats))
    progress(len(asked), len(asked) + 1, "Starting a server's process")
    rows.append(start_row(repeats))
    about = (
        f"{cells:,} cells in {len(cartridges)} cartridges; medians of {repeats}. ms: asked the first time after a "
        "decision (none is written: what is kept of the store is told that there was one); in brackets: the first time "
        "of all, and again without a decision."
    )
    return {"rows": rows, "about": about}


def asked_row(store: Store, name: str, cells: int, question: Callable[[], Any], repeats: int) -> dict[str, Any]:
    """Median seconds of a question when somebody has decided in between, and what it takes otherwise."""
    count_memory.forget(store)
    first, decided, again = seconds(question), [], []
    with next_revision(store) as decide:
        for _ in range(repeats):
            decide()
            decided.append(seconds(question))
            again.append(seconds(question))
    median = float(np.median(decided))
    note = f"(first {1000 * first:.0f}, again {1000 * float(np.median(again)):.1f})"
    slow = f"above {LIMIT} s " if max(median, first) > LIMIT else ""
    return {"name": name, "size": cells, "seconds": median, "first": first, "note": slow + note}


@contextmanager
def next_revision(store: Store) -> Iterator[Callable[[], None]]:
    """A function after which everything kept of a store is out of date as after a decision, which is never written."""
    said, known = itertools.count(1), store.revision

    def decide() -> None:
        revision = known() + next(said)
        vars(store)["revision"] = lambda: revision

    try:
        yield decide
    finally:
        vars(store).pop("revision", None)


def _questions(store: Store, chosen: str) -> dict[str, Callable[[], Any]]:
    """What the pages ask, by page."""
    table = candidates(store, chosen, 0.5)
    known = LabelledCells.of(store, "made")
    _, vectors = store.vectors(chosen, "made")
    return {
        "all pages: cartridges": store.cartridges,
        "candidates: rows": lambda: candidates(store, chosen, 0.5),
        "candidates: pictures of 100": lambda: workflows.candidate_crops(store, chosen, table.head(100)),
        "candidates: summary": lambda: workflows.summary(store, chosen, table),
        "candidates: labelled cells like one": lambda: known.nearest(vectors[0]),
        "candidates, report: the count": lambda: count_cartridge(store, chosen, 0.5, CountOptions()),
        "map: points and figures": lambda: map_view(store, chosen, 0.5),
        "relabel: where the classifier stands": lambda: situation(store),
        "relabel: cells left to ask": lambda: left_to_ask(store),
        "system: last 1,000 journal entries": store.audit,
        "system: models": store.models,
    }


def start_row(repeats: int) -> dict[str, Any]:
    """Seconds to import what the server imports, in a process of its own, and which heavy package came along."""
    code = (
        "import sys; import streamlit, ctc_core.workflows, ctc_core.ui.desk, ctc_core.counting, ctc_core.mapped; "
        f"print(*({set(HEAVY)!r} & set(sys.modules)))"
    )
    taken, heavy = [], ""
    for _ in range(repeats):
        began = time.perf_counter()
        done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
        taken.append(time.perf_counter() - began)
        heavy = done.stdout.strip()
    note = f"loads {heavy}" if heavy else "no torch, TensorFlow, OpenVINO, umap in it"
    return {"name": "server: imports until the first page", "size": 0, "seconds": float(np.median(taken)), "note": note}
