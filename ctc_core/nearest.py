"""The labelled cells that look most like a given one, as the encoder sees them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ctc_core.errors import ModelError
from ctc_core.types import Label

if TYPE_CHECKING:
    from ctc_core.store import Store


@dataclass(frozen=True)
class LabelledCells:
    """Vectors that searches go through: made once for a state of the store and kept, 512 bytes a cell."""

    cell_ids: tuple[str, ...]
    vectors: NDArray[np.float32]
    """(n, 128)"""
    labels: tuple[Label, ...]

    @classmethod
    def of(cls, store: Store, encoder_id: str) -> LabelledCells:
        """Cells that the classifier learns from: the readers' consensus on patients whose role is `train`.

        Labels of other patients stay out, so that the cells of a patient under review are not shown their own answers.
        """
        pool = store.training_pool(encoder_id)
        labels = tuple(Label.CTC if label else Label.NON_CTC for label in pool.labels)
        return cls(tuple(pool.cell_ids), np.ascontiguousarray(pool.vectors, np.float32), labels)

    def __len__(self) -> int:
        return len(self.cell_ids)

    @cached_property
    def _halves(self) -> NDArray[np.float32]:
        """(n,) half the squared length of each vector."""
        halves: NDArray[np.float32] = np.einsum("nd,nd->n", self.vectors, self.vectors) / np.float32(2)
        return halves

    def nearest(self, vector: NDArray[np.float32], k: int = 6) -> pd.DataFrame:
        """cell_id, label, distance (Euclidean, 0..) of the `k` most similar cells to a (128,) vector, nearest first.

        The distance is the classifier's: of the encoder's vectors as they are. Fewer rows where fewer are labelled.

        Raises:
            ModelError: a vector of another length.
        """
        if self.vectors.shape[1:] != vector.shape:
            message = (
                f"a vector of {vector.shape} numbers among vectors of {self.vectors.shape[1:]}: another encoder's."
            )
            raise ModelError(message)
        # |a - b|^2 / 2 without |a|^2 / 2, which is the same for all b: one product of matrix and vector.
        rank = self._halves - self.vectors @ vector.astype(np.float32)
        few = np.argpartition(rank, min(k, len(rank)) - 1)[:k] if len(rank) else np.empty(0, np.int64)
        distances = np.linalg.norm(self.vectors[few].astype(np.float64) - vector, axis=1)
        order = np.lexsort((few, distances))
        rows = [(self.cell_ids[i], str(self.labels[i])) for i in few[order]]
        table = pd.DataFrame(rows, columns=["cell_id", "label"])
        return table.assign(distance=distances[order])
