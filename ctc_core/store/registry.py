"""What is noted about models, jobs and runs."""

from __future__ import annotations

import uuid
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ctc_core.errors import StoreError
from ctc_core.store.audits import Audits
from ctc_core.store.journal import Draft, canonical
from ctc_core.store.provenance import code_version


def draft(kind: str, subject: str, reader: str, session: str, *, new: Any, old: Any = None, reason: str = "") -> Draft:
    """A journal entry that has no id of a client's making."""
    return Draft(
        id=uuid.uuid4().hex, kind=kind, reader=reader, session=session, subject=subject, new=new, old=old, reason=reason
    )


class Registry(Audits):
    """The part of the store that keeps models, predictions, jobs and runs."""

    @abstractmethod
    def _exclusive(self) -> AbstractContextManager[None]:
        """Keep what was read true until it is written."""

    @abstractmethod
    def _record(self, *drafts: Draft) -> None:
        """Write to the journal, then to the database."""

    def add_model(
        self, model_id: str, kind: str, folder: Path, parameters: Mapping[str, Any], reader: str, session: str = ""
    ) -> None:
        """Make a model known; it is not in use before `activate_model`. The same id again is harmless."""
        with self._exclusive():
            if all(model.model_id != model_id for model in self.models()):
                new = {"kind": kind, "folder": self._portable(folder), "parameters": dict(parameters)}
                self._record(draft("model", model_id, reader, session, new=new))

    def activate_model(self, model_id: str, reader: str, session: str, reason: str = "") -> None:
        """Use this model from now on for its kind.

        Raises:
            StoreError: unknown model.
        """
        with self._exclusive():
            model = next((model for model in self.models() if model.model_id == model_id), None)
            if model is None:
                message = f"{model_id}: no such model in the store. Add it first."
                raise StoreError(message)
            active = self.active_model(model.kind)
            old = active.model_id if active else None
            if old != model_id:
                self._record(draft("activate", model_id, reader, session, old=old, new=model_id, reason=reason))

    def save_predictions(
        self, model_id: str, cell_ids: Sequence[str], probabilities: NDArray[np.floating[Any]]
    ) -> None:
        """Keep P(CTC) per cell, (n,) in 0..1, in place of what the same model said before.

        Not in the journal: a store filled again from nothing has none, and the cells are scored again.
        """
        values = np.asarray(probabilities, dtype=np.float64)
        table = pa.table({"cell_id": pa.array(cell_ids, pa.string()), "probability": values})
        with self._database.write() as cur:
            cur.register("incoming", table)
            cur.execute("INSERT OR REPLACE INTO prediction BY NAME SELECT *, ? AS model_id FROM incoming", [model_id])

    def record_job(self, job_id: str, kind: str, parameters: Mapping[str, Any], status: str, message: str = "") -> None:
        """Note the state of a job: queued, running, finished, failed or cancelled."""
        now = datetime.now(UTC).replace(tzinfo=None)
        finished = now if status in ("finished", "failed", "cancelled") else None
        with self._database.write() as cur:
            cur.execute(
                """
                INSERT INTO job VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (job_id) DO UPDATE
                SET status = excluded.status, message = excluded.message, finished = excluded.finished
                """,
                [job_id, kind, canonical(dict(parameters)), status, message, now, finished],
            )

    def record_run(
        self,
        kind: str,
        parameters: Mapping[str, Any],
        inputs: Mapping[str, Any],
        artefact: str,
        reader: str,
        session: str = "",
    ) -> str:
        """Note how an artefact was made (provenance); returns the run's id."""
        run_id = uuid.uuid4().hex
        new = {"kind": kind, "parameters": dict(parameters), "inputs": dict(inputs)}
        new |= {"artefact": artefact, "code_version": code_version()}
        self._record(draft("run", run_id, reader, session, new=new))
        return run_id

    def _portable(self, folder: Path) -> str:
        """Relative where it lies in the data folder, so that the data folder can move."""
        inside = folder.resolve().is_relative_to(self._folder.resolve())
        return str(folder.resolve().relative_to(self._folder.resolve()) if inside else folder.resolve())
