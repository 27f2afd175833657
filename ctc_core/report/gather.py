"""From the store to the content of a report."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ctc_core import workflows
from ctc_core.agreement import overall
from ctc_core.assessment import stale, trust
from ctc_core.counting import CountOptions, count_cartridge
from ctc_core.draw import draw, draw_cells
from ctc_core.enumeration import Summary, close_pairs
from ctc_core.errors import UserError
from ctc_core.matched import candidates
from ctc_core.models import read_config
from ctc_core.reliability import Shares
from ctc_core.report import words
from ctc_core.report.content import SCHEMA, Content, Neighbours, Picture, Reader, Reading, Sources, Subject, Trusted
from ctc_core.report.count import USUAL, counted
from ctc_core.settings import ROOT
from ctc_core.store import Store, code_version
from ctc_core.types import CROP_CHANNELS, CROP_PX, Label


def gather(store: Store, cartridge_id: str, threshold: float, options: CountOptions = USUAL) -> Content:
    """What there is to say about one cartridge now. Takes seconds where there is a map.

    Raises:
        UserError: there is no such cartridge.
    """
    with store.frozen():
        table = candidates(store, cartridge_id, threshold)
        summary = workflows.summary(store, cartridge_id, table)
        trusted, why_not = _trusted(store, cartridge_id, threshold)
        return Content(
            schema=SCHEMA,
            subject=_subject(store, cartridge_id),
            counted=counted(summary, count_cartridge(store, cartridge_id, threshold, options)),
            reading=_reading(store, cartridge_id, threshold, table, summary),
            trusted=trusted,
            why_not_trusted=why_not,
            stale=tuple(stale(store)) if store.active_model("classifier") else (),
            pictures=_pictures(table),
            neighbours=_neighbours(table),
            sources=_sources(store, cartridge_id),
        )


def counted_crops(store: Store, content: Content) -> dict[str, NDArray[np.uint8]]:
    """(3, 48, 48) uint8 crop of each counted CTC, by candidate_id."""
    cartridge_id = content.subject.cartridge_id
    cells = store.cells(cartridge_id).set_index("cell_id").crop_index
    events = store.events(cartridge_id).set_index("rid").crop_index
    of_cells, of_events = store.crops(cartridge_id), store.event_crops(cartridge_id)
    crops = {}
    for picture in content.pictures:
        of_cell = picture.candidate_id in cells.index
        crop = of_cells[cells[picture.candidate_id]] if of_cell else of_events[events[str(picture.event_rid)]]
        crops[picture.candidate_id] = np.asarray(crop).reshape(len(CROP_CHANNELS), CROP_PX, CROP_PX)
    return crops


def _subject(store: Store, cartridge_id: str) -> Subject:
    row = store.cartridges().query("cartridge_id == @cartridge_id").iloc[0]
    frames, events = store.frames(cartridge_id), store.quarantined_events(cartridge_id)
    lost, read = frames[frames.status == "quarantined"], frames[frames.status == "read"]
    odd = read[read["flags"].map(len) > 0]
    return Subject(
        pseudonym=str(row.pseudonym),
        role=str(row.role),
        cartridge_id=cartridge_id,
        frames=len(frames),
        lost_frames=tuple((int(n), str(why)) for n, why in zip(lost.frame, lost.reason, strict=True)),
        odd_frames=tuple((int(n), ", ".join(flags)) for n, flags in zip(odd.frame, odd["flags"], strict=True)),
        lost_events=tuple((str(rid), str(why)) for rid, why in zip(events.rid, events.reason, strict=True)),
        cells=int(row["cells"]),
        notes=tuple(str(note) for note in row.notes),
    )


def _reading(store: Store, cartridge_id: str, threshold: float, table: pd.DataFrame, summary: Summary) -> Reading:
    labels, said = store.current_labels(cartridge_id), store.read_twice()
    return Reading(
        threshold=threshold,
        shown=summary.model_shown,
        only_events=int((table.group == "cellsearch").sum()),
        decided=len(table) - summary.undecided,
        undecided=summary.undecided,
        conflicts=int(labels.label.isna().sum()),
        model_ppv=summary.model_ppv,
        cellsearch_ppv=summary.cellsearch_ppv,
        readers=_readers(store.cartridge_readings(cartridge_id)),
        agreement=words.agreement(overall(said[said.cartridge_id == cartridge_id])),
    )


def _readers(readings: pd.DataFrame) -> tuple[Reader, ...]:
    return tuple(
        Reader(str(name), len(rows), f"{rows.time.min():%Y-%m-%d}", f"{rows.time.max():%Y-%m-%d}")
        for name, rows in readings.groupby("reader")
    )


def _trusted(store: Store, cartridge_id: str, threshold: float) -> tuple[Trusted | None, str]:
    """Reliability of this draw, or the sentence that says why there is none."""
    try:
        known = trust(store, threshold)
        found = draw(known, draw_cells(store, known, cartridge_id)).reliability
    except UserError as error:
        return None, str(error)
    return Trusted(
        candidates=_areas(found.candidates),
        cells=_areas(found.cells),
        wrong=found.errors.wrong,
        missed=found.errors.missed,
        alarm=bool(found.alarm),
        unlike=int(found.unlike.sum()),
    ), ""


def _areas(shares: Shares) -> tuple[int, int, int]:
    return shares.strong, shares.weak, shares.unknown


def _pictures(table: pd.DataFrame) -> tuple[Picture, ...]:
    """Counted CTCs in the order in which they lie on the cartridge's scan."""
    ctcs = table[table.label == Label.CTC.value].sort_values(["frame", "y", "x", "candidate_id"])
    return tuple(_picture(row) for row in ctcs.to_dict("records"))


def _neighbours(table: pd.DataFrame) -> tuple[Neighbours, ...]:
    """Counted CTCs that may be one cell, nearest first."""
    found = [Neighbours(pair.first, pair.second, round(pair.distance_um, 2)) for pair in close_pairs(table)]
    return tuple(sorted(found, key=lambda pair: (pair.distance_um, pair.first, pair.second)))


def _picture(row: dict[Any, Any]) -> Picture:
    dapi, ck, cd45 = (_number(row.get(f"{channel}_mean")) for channel in CROP_CHANNELS)
    return Picture(
        candidate_id=str(row["candidate_id"]),
        event_rid=row["event_rid"],
        assigned=row["assigned"],
        frame=int(row["frame"]),
        y=float(row["y"]),
        x=float(row["x"]),
        diameter_um=_number(row.get("diameter_um")),
        probability=_number(row["probability"]),
        means=(dapi, ck, cd45),
        readers=str(row["reader"]),
    )


def _number(value: Any) -> float | None:
    return None if value is None or pd.isna(value) else float(value)


def _sources(store: Store, cartridge_id: str) -> Sources:
    row = store.cartridges().set_index("cartridge_id").loc[cartridge_id]
    classifier, latent_map = store.active_model("classifier"), store.active_model("map")
    return Sources(
        segmenter_id=str(row.segmenter_id),
        encoder_id=str(row.encoder_id),
        classifier_id=classifier.model_id if classifier else None,
        classifier_sha256=_sha256(classifier.folder) if classifier else None,
        map_id=latent_map.model_id if latent_map else None,
        map_bundle=latent_map.folder.name if latent_map else None,
        cartridge_bundle=str(row.bundle_id),
        manifest_sha256=store.manifest_sha256(cartridge_id),
        software=f"CTC review desk {_version()}, code {code_version()}",
    )


def _sha256(folder: Path) -> str | None:
    """Hash of a classifier's file, as its config says; None where it has no config."""
    if not (folder / "config.json").is_file():
        return None
    return ", ".join(read_config(folder)["sha256"].values())


def _version() -> str:
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"])
