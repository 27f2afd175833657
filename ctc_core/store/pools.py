"""Which cells may be fitted, measured or asked for. Nothing else in the desk decides that."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from ctc_core.errors import StoreError
from ctc_core.store.bundle import read_bundle, write_bundle
from ctc_core.store.files import keep
from ctc_core.store.journal import EVER
from ctc_core.store.readings import Readings
from ctc_core.store.registry import draft
from ctc_core.store.values import Pool, TrainingPool
from ctc_core.types import EMBEDDING_DIM, Role

if TYPE_CHECKING:
    import duckdb

NOISE = "noise"
"""Kind of the model that tells noise from cells, and of the bundles with the cells it rejects."""

_BATCH = 50_000
"""Vectors taken from the database at a time: 26 MB."""

_ASKABLE = """
SELECT cell_id, cartridge_id
FROM embedding JOIN cell USING (cell_id) JOIN cartridge USING (cartridge_id) JOIN patient USING (pseudonym)
ANTI JOIN current_label USING (cell_id) ANTI JOIN queued USING (cell_id) ANTI JOIN set_aside USING (cell_id)
WHERE role = 'train' AND embedding.encoder_id = $encoder
"""


class Pools(Readings):
    """The part of the store that hands out cells for fitting, measuring and asking."""

    def training_pool(self, encoder_id: str, until: int | None = None) -> TrainingPool:
        """Labels that a fit may see: the readers' consensus on cells of patients whose role is `train`.

        An adjudicated label counts, else one that all readers who are sure agree on. A conflict trains nothing, unsure
        never trains. `until`: labels and roles as they were after this entry of the journal; None: now.
        """
        return self._pool(Role.TRAIN, encoder_id, until)

    def evaluation_pool(self, encoder_id: str, until: int | None = None) -> TrainingPool:
        """The same of patients whose role is `test`: what a fit is measured on and never sees."""
        return self._pool(Role.TEST, encoder_id, until)

    def relabel_pool(self, encoder_id: str, *, at_most: int | None = None, seed: int = 0) -> Pool:
        """Cells that an expert may be asked about: unread cells of training patients.

        Without those that stand in an open round and those set aside as noise. `at_most`: so many of them at random,
        the same for the same seed and cells; all of a large store may not fit into memory (512 bytes a cell).
        """
        with self._database.read() as cur:
            chosen = cur.sql(
                f"""
                SELECT cell_id, cartridge_id, row_number() OVER (ORDER BY cell_id) - 1 AS position FROM (
                    {_ASKABLE}
                    ORDER BY CASE WHEN $most IS NULL THEN NULL ELSE md5(cell_id || ' ' || $seed) END, cell_id
                    LIMIT $most
                ) ORDER BY position
                """,
                params={"encoder": encoder_id, "most": at_most, "seed": seed},
            ).to_arrow_table()
            vectors = _vectors_of(cur, chosen, encoder_id)
        ids, cartridges = (chosen[name].to_pylist() for name in ("cell_id", "cartridge_id"))
        return Pool(tuple(ids), vectors, np.array(cartridges, dtype=np.str_))

    def askable(self, encoder_id: str) -> int:
        """Number of cells in the `relabel_pool`."""
        with self._database.read() as cur:
            found = cur.execute(f"SELECT count(*) FROM ({_ASKABLE})", {"encoder": encoder_id}).fetchone()
        return int(found[0]) if found else 0

    def save_rejects(self, model_id: str, cell_ids: Sequence[str], probabilities: NDArray[np.floating[Any]]) -> None:
        """Keep which cells a noise filter rejects, with P(noise) (n,) in 0..1; adds to what it rejected before.

        They are set aside while this model is the active one of the kind `noise`.

        Raises:
            StoreError: no such model.
        """
        if all((model.model_id, model.kind) != (model_id, NOISE) for model in self.models()):
            message = f"{model_id}: no model of the kind {NOISE} in the store. Add it first."
            raise StoreError(message)
        values = np.asarray(probabilities, dtype=np.float64)
        table = pd.DataFrame({"cell_id": pd.Series(list(cell_ids), dtype=str), "probability": values})
        made = write_bundle(
            self._bundles / f"{NOISE}.{uuid.uuid4().hex}",
            kind=NOISE,
            parameters={},
            inputs={"model_id": model_id},
            tables={"rejected": table},
            arrays={},
        )
        with self._exclusive():  # who compares store and bundles sees both or none
            self._import_rejects(keep(read_bundle(made), self._bundles))

    def set_aside(self, encoder_id: str) -> pd.DataFrame:
        """Cells that the active noise filter rejects and nobody gave back, the least certain first.

        cell_id, cartridge_id, frame, y, x, diameter_um, dapi_mean, ck_mean, cd45_mean, crop_index, probability (of
        being noise).
        """
        return self._rows(
            """
            SELECT cell_id, cartridge_id, frame, y, x, diameter_um, dapi_mean, ck_mean, cd45_mean, crop_index,
                set_aside.probability
            FROM set_aside JOIN cell USING (cell_id)
            SEMI JOIN (SELECT cell_id FROM embedding WHERE encoder_id = ?) AS known USING (cell_id)
            ORDER BY set_aside.probability, cell_id
            """,
            encoder_id,
        )

    def give_back(self, cell_ids: Sequence[str], *, reader: str, session: str, reason: str = "") -> int:
        """Let cells be asked for again although the noise filter, this or a later one, rejects them.

        Returns:
            How many were set aside until now; others are left as they are.

        Raises:
            DecisionRefused: no reason.
        """
        with self._exclusive():
            rows = self._rows(
                "SELECT cell_id FROM set_aside WHERE cell_id IN (SELECT unnest(?::VARCHAR[])) ORDER BY cell_id",
                list(cell_ids),
            )
            active = self.active_model(NOISE)
            if active is None or rows.empty:
                return 0
            given = list(rows.cell_id)
            drafted = draft("give-back", active.model_id, reader, session, old="set aside", new=given, reason=reason)
            self._record(drafted)
            return len(given)

    def given_back(self) -> set[str]:
        """Cells that somebody gave back, whatever a noise filter says."""
        return set(self._rows("SELECT cell_id FROM given_back").cell_id)

    def restore_rejects(self) -> tuple[str, ...]:
        """Import the bundles of every noise filter without a rejected cell; what went wrong. See `restore_points`."""
        empty = self._rows("SELECT model_id FROM model ANTI JOIN noise_reject USING (model_id) WHERE kind = ?", NOISE)
        problems = []
        for folder in self.bundles_of(NOISE, "model_id", set(empty.model_id)):
            try:
                self._import_rejects(folder)
            except StoreError as error:
                problems.append(f"Cells set aside as noise are asked for again. {error}")
        return tuple(problems)

    def _import_rejects(self, folder: Path) -> None:
        bundle = read_bundle(folder)
        with self._database.write() as cur:
            cur.register("incoming", bundle.table("rejected").select(["cell_id", "probability"]))
            cur.execute(
                "INSERT OR REPLACE INTO noise_reject BY NAME SELECT *, ? AS model_id FROM incoming",
                [bundle.manifest.inputs["model_id"]],
            )

    def _pool(self, role: Role, encoder_id: str, until: int | None) -> TrainingPool:
        """The one place that decides which label may be used for what. Only `TRAIN` is ever fitted."""
        ids, vectors, labels, patients = self._vectors(
            """
            SELECT cell_id, vector, known.label, pseudonym FROM (
                SELECT target AS cell_id, label FROM consensus_until($entry)
                WHERE what = 'label' AND label IN ('ctc', 'non-ctc', 'artifact')
            ) AS known
            JOIN embedding USING (cell_id) JOIN cell USING (cell_id) JOIN cartridge USING (cartridge_id)
            JOIN roles_until($entry) AS roles USING (pseudonym)
            WHERE roles.role = $role AND embedding.encoder_id = $encoder ORDER BY cell_id
            """,
            entry=EVER if until is None else until,
            role=role.value,
            encoder=encoder_id,
        )
        is_ctc = np.array([label == "ctc" for label in labels], dtype=np.int64)
        return TrainingPool(ids, vectors, is_ctc, np.array(patients, dtype=np.str_))


def _vectors_of(cur: duckdb.DuckDBPyConnection, chosen: pa.Table, encoder_id: str) -> NDArray[np.float32]:
    """(n, 128); sorted here and not by the database, whose memory is small."""
    vectors = np.empty((len(chosen), EMBEDDING_DIM), np.float32)
    cur.register("chosen", chosen)
    batches = cur.sql(
        "SELECT position, vector FROM embedding JOIN chosen USING (cell_id) WHERE encoder_id = ?", params=[encoder_id]
    ).to_arrow_reader(_BATCH)
    for batch in batches:
        vectors[batch["position"].to_numpy()] = batch["vector"].flatten().to_numpy().reshape(-1, EMBEDDING_DIM)
    cur.unregister("chosen")
    return vectors
