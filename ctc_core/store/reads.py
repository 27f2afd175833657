"""What the other rooms ask the store. Every method takes one cursor, runs one statement and returns values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ctc_core.errors import StoreError
from ctc_core.store.bundle import mapped
from ctc_core.store.database import Database
from ctc_core.store.files import CROPS
from ctc_core.store.journal import EVER
from ctc_core.store.values import ModelRecord, Said
from ctc_core.types import EMBEDDING_DIM

CANDIDATE_ID = "CASE what WHEN 'review' THEN 'event:' || target ELSE target END"
"""How rows of `reading`, `readings_until` and `consensus_until` are called on the pages: cell_id, or event:<rid>."""

_TOGETHER = """
SELECT {}, label, CASE WHEN conflict THEN reader || ' disagree' ELSE reader END AS reader, reason, time
FROM {} WHERE cartridge_id = ?
"""


class Reads:
    """The store's queries. DataFrames have one row per thing, ordered by its key; an unknown id gives no rows."""

    def __init__(self, folder: Path, database: Database) -> None:
        self._folder = folder
        self._database = database

    def patients(self) -> pd.DataFrame:
        """pseudonym, role, cartridges (count)."""
        return self._rows(
            """
            SELECT pseudonym, role, count(cartridge_id) AS cartridges FROM patient LEFT JOIN cartridge USING (pseudonym)
            GROUP BY pseudonym, role ORDER BY pseudonym
            """
        )

    def cartridges(self) -> pd.DataFrame:
        """Columns of table cartridge, role, and counts: cells, events, assigned, quarantined_frames, decided.

        `decided` counts cells and events with a decision on which their readers agree.
        """
        return self._rows(
            """
            SELECT cartridge.*, role, coalesce(cells, 0) AS cells, coalesce(events, 0) AS events,
                coalesce(assigned, 0) AS assigned, coalesce(quarantined_frames, 0) AS quarantined_frames,
                coalesce(decided, 0) AS decided
            FROM cartridge JOIN patient USING (pseudonym)
            LEFT JOIN (SELECT cartridge_id, count(*) AS cells FROM cell GROUP BY ALL) USING (cartridge_id)
            LEFT JOIN (
                SELECT cartridge_id, count(*) AS events, count(*) FILTER (assigned) AS assigned FROM event GROUP BY ALL
            ) USING (cartridge_id)
            LEFT JOIN (
                SELECT cartridge_id, count(*) AS quarantined_frames FROM frame WHERE status = 'quarantined' GROUP BY ALL
            ) USING (cartridge_id)
            LEFT JOIN (
                SELECT cartridge_id, count(*) AS decided FROM (
                    SELECT cartridge_id, label FROM current_label
                    UNION ALL SELECT cartridge_id, label FROM current_review
                ) WHERE label IS NOT NULL GROUP BY ALL
            ) USING (cartridge_id)
            ORDER BY cartridge_id
            """
        )

    def frames(self, cartridge_id: str) -> pd.DataFrame:
        """frame, status, reason, flags."""
        return self._rows(
            "SELECT * EXCLUDE cartridge_id FROM frame WHERE cartridge_id = ? ORDER BY frame", cartridge_id
        )

    def events(self, cartridge_id: str) -> pd.DataFrame:
        """rid, frame, x0, y0, x1, y1 (frame pixels), assigned, numselected, crop_index; ordered by crop_index."""
        return self._rows(
            "SELECT * EXCLUDE cartridge_id FROM event WHERE cartridge_id = ? ORDER BY crop_index", cartridge_id
        )

    def quarantined_events(self, cartridge_id: str) -> pd.DataFrame:
        """rid, reason."""
        return self._rows("SELECT rid, reason FROM quarantined_event WHERE cartridge_id = ? ORDER BY rid", cartridge_id)

    def cells(self, cartridge_id: str, *, polygons: bool = False) -> pd.DataFrame:
        """Columns of table cell, ordered by crop_index; `polygon` (list of [y, x], frame pixels) only if asked for."""
        without = "cartridge_id" if polygons else "cartridge_id, polygon"
        return self._rows(
            f"SELECT * EXCLUDE ({without}) FROM cell WHERE cartridge_id = ? ORDER BY crop_index", cartridge_id
        )

    def vectors(self, cartridge_id: str, encoder_id: str) -> tuple[tuple[str, ...], NDArray[np.float32]]:
        """Cell ids in the order of crop_index and their vectors (n, 128) float32."""
        ids, matrix = self._vectors(
            """
            SELECT cell_id, vector FROM embedding JOIN cell USING (cell_id)
            WHERE cartridge_id = ? AND encoder_id = ? ORDER BY crop_index
            """,
            cartridge_id,
            encoder_id,
        )
        return ids, matrix

    def crops(self, cartridge_id: str) -> NDArray[np.uint8]:
        """(n, 3, 48, 48) uint8, DAPI/CK/CD45, one per cell at its crop_index; memory-mapped, read-only."""
        return self._crops("crops", cartridge_id)

    def event_crops(self, cartridge_id: str) -> NDArray[np.uint8]:
        """(n, 3, 48, 48) uint8, DAPI/CK/CD45, one per CellSearch event at its crop_index; memory-mapped, read-only."""
        return self._crops("event_crops", cartridge_id)

    def current_labels(self, cartridge_id: str) -> pd.DataFrame:
        """cell_id, label, reader, reason, time (UTC): what the readers of a cell say together.

        That is the adjudicated label, else the one that all who are sure agree on; `reader` names them, "ann, bob".
        Where they do not agree, label is missing and `reader` says "ann, bob disagree".
        """
        return self._rows(f"{_TOGETHER.format('cell_id', 'current_label')} ORDER BY cell_id", cartridge_id)

    def current_reviews(self, cartridge_id: str) -> pd.DataFrame:
        """rid, label, reader, reason, time (UTC): the same of CellSearch's events that no cell matches."""
        return self._rows(f"{_TOGETHER.format('rid', 'current_review')} ORDER BY rid", cartridge_id)

    def said(self, cartridge_id: str) -> dict[str, Said]:
        """Both of them in one, by candidate_id: a cell's id, or event:<rid>."""
        with self._database.read() as cur:
            rows = cur.execute(
                f"""
                SELECT {CANDIDATE_ID}, label, reader, time
                FROM ({_TOGETHER.format("what, target", f"consensus_until({EVER})")})
                """,
                [cartridge_id],
            ).fetchall()
        return {target: Said(*rest) for target, *rest in rows}

    def label_history(self, cell_id: str) -> pd.DataFrame:
        """id, seq, label (missing: withdrawn), previous, reader, reason, session, time; oldest first."""
        return self._rows(
            """
            SELECT id, seq, label, previous, reader, reason, session, time FROM label_event
            WHERE cell_id = ? ORDER BY seq
            """,
            cell_id,
        )

    def predictions(self, cartridge_id: str, model_id: str) -> pd.DataFrame:
        """cell_id, probability of being a CTC (0..1); ordered by crop_index."""
        return self._rows(
            """
            SELECT cell_id, prediction.probability FROM prediction JOIN cell USING (cell_id)
            WHERE cartridge_id = ? AND model_id = ? ORDER BY crop_index
            """,
            cartridge_id,
            model_id,
        )

    def unscored(self, model_id: str, encoder_id: str) -> list[str]:
        """Cartridges of an encoder with cells that a classifier has not scored."""
        rows = self._rows(
            """
            SELECT DISTINCT cartridge_id FROM cell JOIN cartridge USING (cartridge_id)
            ANTI JOIN (SELECT cell_id FROM prediction WHERE model_id = ?) AS scored USING (cell_id)
            WHERE encoder_id = ? ORDER BY cartridge_id
            """,
            model_id,
            encoder_id,
        )
        return list(rows.cartridge_id)

    def active_model(self, kind: str) -> ModelRecord | None:
        """The model in use for `kind`."""
        return next((model for model in self.models() if model.active and model.kind == kind), None)

    def models(self) -> tuple[ModelRecord, ...]:
        """All models, oldest first."""
        with self._database.read() as cur:
            rows = cur.execute(
                "SELECT model_id, kind, folder, parameters, active, created FROM model ORDER BY created, model_id"
            ).fetchall()
        return tuple(
            ModelRecord(id_, kind, self._folder / path, json.loads(text), *rest)
            for id_, kind, path, text, *rest in rows
        )

    def jobs(self) -> pd.DataFrame:
        """job_id, kind, parameters (JSON text), status, message, created, finished; newest first."""
        return self._rows("SELECT * FROM job ORDER BY created DESC, job_id")

    def runs(self) -> pd.DataFrame:
        """run_id, kind, parameters, inputs (JSON text), code_version, artefact, time; newest first."""
        return self._rows("SELECT * FROM run ORDER BY time DESC, run_id")

    def decisions(self) -> list[tuple[Any, ...]]:
        """Every decision and adjudication ever: id, seq, kind of entry, subject, label, previous, who and when."""
        with self._database.read() as cur:
            return cur.execute(
                """
                SELECT id, seq, CASE what WHEN 'label' THEN own ELSE other END, cartridge_id || '/' || target,
                    label, previous, reader, reason, session, time
                FROM (
                    SELECT 'label' AS own, 'review' AS other, * FROM reading
                    UNION ALL BY NAME SELECT 'adjudicate' AS own, 'adjudicate-event' AS other, * FROM judgement
                ) ORDER BY seq
                """
            ).fetchall()

    def _rows(self, sql: str, *parameters: object, **named: object) -> pd.DataFrame:
        with self._database.read() as cur:
            return cur.execute(sql, named or parameters).df()

    def _vectors(self, sql: str, *parameters: object, **named: object) -> tuple[Any, ...]:
        """Cell ids, matrix and further columns (lists) of a query for `cell_id, vector, ...`."""
        with self._database.read() as cur:
            table = cur.sql(sql, params=named or list(parameters)).to_arrow_table()
        ids, vectors, *more = (column.combine_chunks() for column in table.columns)
        matrix: NDArray[np.float32] = vectors.flatten().to_numpy().reshape(-1, EMBEDDING_DIM)
        return tuple(ids.to_pylist()), matrix, *(column.to_pylist() for column in more)

    def _crops(self, name: str, cartridge_id: str) -> NDArray[np.uint8]:
        with self._database.read() as cur:
            known = cur.execute("SELECT 1 FROM cartridge WHERE cartridge_id = ?", [cartridge_id]).fetchall()
        if not known:
            message = f"{cartridge_id}: no such cartridge in the store. Ingest it first."
            raise StoreError(message)
        path = self._folder / "crops" / CROPS[name].format(cartridge_id)
        return mapped(path)
