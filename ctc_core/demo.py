"""The demo cohort: simulated patients through the whole path, to try the desk before the first real draw."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ctc_core import rounds
from ctc_core.cartridge import open_cartridge
from ctc_core.enumeration import MATCH_UM, match
from ctc_core.fitting import fit
from ctc_core.jobs import Jobs, Kind
from ctc_core.mapping import here
from ctc_core.matched import candidates
from ctc_core.networks import Networks
from ctc_core.settings import Settings
from ctc_core.store import Store
from ctc_core.types import Decision, Label, Progress, Role, silent
from ctc_core.workflows import decide, receive, run_ingest

READER = "simulated-reader"
ROLES = (Role.TRAIN, Role.TRAIN, Role.TRAIN, Role.TEST, Role.REVIEW, Role.REVIEW)
"""Roles of the demo's patients. One more archive stays in the inbox, to try the ingest page with."""
FRAMES = 6
CTCS = (12, 40)
"""CTCs of each cartridge: as many as a whole cartridge of the paper's patients, on fewer frames."""
LABELS_PER_CLASS = 150
ERROR_RATE = 0.02
"""Share of labels that the simulated reader gets wrong."""
EXPERT = "simulated-expert"
STRATEGY, CELLS, MINUTES = "inverse-f1", 40, 5.0
"""Of the demo's round of relabelling."""


@dataclass(frozen=True)
class Demo:
    """Where and how the cohort is made."""

    settings: Settings
    seed: int = 7

    @property
    def truth_dir(self) -> Path:
        """Truth of the simulated cartridges; the desk never reads it."""
        return self.settings.data_dir / "demo-truth"


def build(demo: Demo, progress: Progress = silent) -> dict[str, Any]:
    """Simulate, ingest, label, fit, score, map, relabel; returns what was made, and the figures on a test patient."""
    settings = demo.settings
    archives = _simulate(demo, progress)
    with Store.open(settings.data_dir) as store:
        jobs, networks = Jobs(settings.data_dir), Networks(settings)
        ids = [_ingest(store, jobs, networks, path, i, progress) for i, path in enumerate(archives[: len(ROLES)])]
        roles = dict(zip(ids, ROLES, strict=True))
        rng = np.random.default_rng(demo.seed)
        labelled = [i for i in ids if roles[i] in (Role.TRAIN, Role.TEST)]
        n_labels = sum(_label(store, demo, cartridge_id, rng) for cartridge_id in labelled)
        progress(0, 0, f"Fitting the classifier on {n_labels} labels")
        models = settings.data_dir / "models"
        model = fit(store, models, networks.embedder.id, reader=READER, session="demo")
        reviewed = ids[-2]
        n_read = _review(store, demo, reviewed, settings.threshold)
        here(store, jobs, Kind.MAP, READER, progress=progress)
        training = [i for i in ids if roles[i] is Role.TRAIN]
        relabelled = _relabel(store, jobs, demo, training, progress)
        latent_map = here(store, jobs, Kind.MAP, READER, progress=progress)  # again, with the round's labels
        shown = {i: len(candidates(store, i, settings.threshold).query("group != 'cellsearch'")) for i in ids}
    waiting = [path.name for path in archives[len(ROLES) :]]
    return {
        "cartridges": [{"cartridge_id": i, "role": roles[i], "candidates": shown[i]} for i in ids],
        "labels": n_labels,
        "reviewed": {"cartridge_id": reviewed, "decisions": n_read},
        "model": model,
        "map": {"state": latent_map.state, **{k: latent_map.result.get(k) for k in ("map_id", "clusters", "notes")}},
        "round": relabelled,
        "in_inbox": waiting,
    }


def _relabel(store: Store, jobs: Jobs, demo: Demo, training: list[str], progress: Progress) -> dict[str, Any]:
    """One round, read by a simulated expert. Whether its classifier is put in use is left to whoever opens the desk."""
    progress(0, 0, "A round of relabelling")
    opened = rounds.start_round(
        store, strategy=STRATEGY, n=CELLS, minutes=MINUTES, seed=demo.seed, reader=EXPERT, session="demo"
    )
    truth: dict[str, Label] = {}
    for cartridge_id in training:
        cells = store.cells(cartridge_id)
        is_ctc = truth_of_cells(cells, _truth(demo, cartridge_id))
        truth |= {c: Label.CTC if yes else Label.NON_CTC for c, yes in zip(cells.cell_id, is_ctc, strict=True)}
    read = rounds.simulated_expert(store, opened.round_id, truth, error_rate=ERROR_RATE, seed=demo.seed)
    state = rounds.finish_here(store, jobs, opened.round_id, EXPERT, progress)
    outcome = store.outcome(opened.round_id)
    f1 = {when: (outcome.get(when) or {}).get("total") for when in ("before", "after")}
    return {
        "round_id": opened.round_id,
        "state": state.state,
        "strategy": opened.strategy,
        "summary": opened.summary,
        "read": read,
        "model_after": store.round(opened.round_id).model_after,
        "test_f1": {when: total["f1"] if total else None for when, total in f1.items()},
    }


def _simulate(demo: Demo, progress: Progress) -> list[Path]:
    from ctc_core.simulate import simulate

    inbox = demo.settings.inbox
    paths = simulate(inbox, cartridges=len(ROLES) + 1, frames=FRAMES, seed=demo.seed, ctcs=CTCS, progress=progress)
    demo.truth_dir.parent.mkdir(parents=True, exist_ok=True)
    (inbox / "truth").rename(demo.truth_dir)
    return paths


def _ingest(store: Store, jobs: Jobs, networks: Networks, path: Path, index: int, progress: Progress) -> str:
    job_id = jobs.create(path, f"demo-{index + 1:02d}", ROLES[index], READER)
    run_ingest(jobs, job_id, networks, progress)
    receive(store, jobs, job_id)
    return str(jobs.state(job_id).result["cartridge_id"])


def truth_of_cells(cells: pd.DataFrame, truth: pd.DataFrame) -> pd.Series:
    """True class of each cell by position: True CTC, False anything else or nothing. Index as `cells`."""
    is_ctc = pd.Series(False, index=cells.index)
    for frame, rows in cells.groupby("frame"):
        there = truth[truth.frame == frame]
        pairs = match(rows[["y", "x"]].to_numpy(float), there[["y", "x"]].to_numpy(float), MATCH_UM)
        for i, j in pairs:
            is_ctc[rows.index[i]] = bool(there.is_ctc.iloc[j])
    return is_ctc


def _truth(demo: Demo, cartridge_id: str) -> pd.DataFrame:
    truth = pd.read_parquet(demo.truth_dir / f"{cartridge_id}.parquet")
    return truth[truth.ck_positive]


def _label(store: Store, demo: Demo, cartridge_id: str, rng: np.random.Generator) -> int:
    """Label up to `LABELS_PER_CLASS` cells of each class, a few of them wrongly."""
    cells = store.cells(cartridge_id)
    is_ctc = truth_of_cells(cells, _truth(demo, cartridge_id))
    chosen = [
        index
        for value in (True, False)
        for index in rng.permutation(np.flatnonzero(is_ctc == value))[:LABELS_PER_CLASS]
    ]
    wrong = rng.random(len(chosen)) < ERROR_RATE
    decisions = [
        _decision(
            f"{demo.seed}-{cells.cell_id[i]}", cartridge_id, cells.cell_id[i], None, bool(is_ctc[i]) != bool(flip)
        )
        for i, flip in zip(chosen, wrong, strict=True)
    ]
    return len(decide(store, decisions))


def _review(store: Store, demo: Demo, cartridge_id: str, threshold: float) -> int:
    """Read one patient as a clinician would: every candidate and every event."""
    table = candidates(store, cartridge_id, threshold)
    is_ctc = truth_of_cells(table, _truth(demo, cartridge_id))
    decisions = [
        _decision(f"review-{row['candidate_id']}", cartridge_id, row["cell_id"], row["event_rid"], bool(truth))
        for row, truth in zip(table.to_dict("records"), is_ctc, strict=True)
    ]
    return len(decide(store, decisions))


def _decision(key: str, cartridge_id: str, cell_id: Any, event_rid: Any, is_ctc: bool) -> Decision:
    """The same demo makes the same ids, so building it twice saves each decision once."""
    label = Label.CTC if is_ctc else Label.NON_CTC
    event = None if cell_id is not None else str(event_rid)
    return Decision(f"demo-{cartridge_id}-{key}", cartridge_id, cell_id, event, label, READER, "demo")


def archive_frames(path: Path) -> int:
    """Number of frames of an archive, for a progress bar."""
    return len(open_cartridge(path).frame_numbers)
