"""What the store holds of readers' words when a file of labels comes in: what is new, and what would be changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ctc_core.store import Store
from ctc_core.types import Decision


@dataclass(frozen=True)
class Kept:
    """Ids that are used, and what each reader says of each cell now."""

    ids: frozenset[str]
    said: Mapping[tuple[str | None, str], str]

    @classmethod
    def of(cls, store: Store) -> Kept:
        """As the store is now."""
        readings = store.readings()
        said = dict(zip(zip(readings.cell_id, readings.reader, strict=True), readings.label, strict=True))
        return cls(frozenset(row[0] for row in store.decisions()), said)

    def has(self, one: Decision) -> bool:
        """It is saved, or what its reader says anyway."""
        return one.id in self.ids or self.said.get((one.cell_id, one.reader)) == one.label

    def changed(self, one: Decision) -> str | None:
        """The label that it would change; None where its reader has said nothing, or the same."""
        return None if self.has(one) else self.said.get((one.cell_id, one.reader))
