"""From vectors to scored candidates: a store of the desk, and the plain way (SQLite, scikit-learn as it is)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ctc_core import classify
from ctc_core.bench.made import labelled_vectors
from ctc_core.classify import Classifier
from ctc_core.store import Store
from ctc_core.types import Role

THRESHOLD = 0.5
"""P(CTC) of a candidate."""


def made_classifier(labelled: int, encoder_id: str) -> Classifier:
    """One that costs what one of so many labels costs, and says nothing: its vectors are made up."""
    vectors, labels = labelled_vectors(labelled, seed=0)
    ids = tuple(f"c-{k:06d}" for k in range(labelled))
    return classify.fit(vectors, labels, ids, encoder_id=encoder_id)


@contextmanager
def desk_store(folder: Path, labelled: int, encoder_id: str) -> Iterator[Store]:
    """An empty store with a patient and an active classifier."""
    classifier = made_classifier(labelled, encoder_id)
    with Store.open(folder) as store:
        store.add_patient("bench", Role.REVIEW, "bench", "bench")
        saved = classify.save(classifier, folder / "models" / classifier.id)
        store.add_model(classifier.id, "classifier", saved, {"encoder_id": encoder_id}, reader="bench", session="bench")
        store.activate_model(classifier.id, reader="bench", session="bench", reason="bench")
        yield store


class PlainStore:
    """One table of a SQLite file: a row for each cell with outline, crops, vector and P(CTC), in one transaction."""

    def __init__(self, file: Path, labelled: int) -> None:
        self.pipeline = made_classifier(labelled, "plain").pipeline
        self.database = sqlite3.connect(file)
        columns = "cartridge TEXT, frame INTEGER, outline BLOB, crops BLOB, vector BLOB, probability REAL"
        self.database.execute(f"CREATE TABLE cell ({columns})")

    def score(self, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
        """P(CTC) of (n, 128) vectors in 64 bits, all in one call of scikit-learn."""
        if not len(vectors):
            return np.zeros(0)
        return np.asarray(self.pipeline.predict_proba(vectors.astype(np.float64))[:, 1])

    def add(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """Insert cells, each a tuple of the table's columns."""
        with self.database:
            self.database.executemany("INSERT INTO cell VALUES (?, ?, ?, ?, ?, ?)", rows)

    def candidates(self, cartridge: str) -> list[Any]:
        """Cells of a cartridge that may be CTCs, the likeliest first."""
        found = "SELECT rowid, * FROM cell WHERE cartridge = ? AND probability >= ? ORDER BY probability DESC"
        return self.database.execute(found, (cartridge, THRESHOLD)).fetchall()
