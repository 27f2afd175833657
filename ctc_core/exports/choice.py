"""Which cells are exported."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from ctc_core.errors import UserError
from ctc_core.exports.names import Which
from ctc_core.store import Store
from ctc_core.types import Label


@dataclass(frozen=True)
class Choice:
    """Cells of some cartridges at one threshold."""

    cartridge_ids: tuple[str, ...]
    threshold: float
    """P(CTC) from which a cell is a candidate."""
    which: Which = Which.ALL

    @classmethod
    def of(cls, store: Store, what: str, threshold: float, which: Which = Which.ALL) -> Choice:
        """`what` is a cartridge id, or `all`.

        Raises:
            UserError: there is no such cartridge, or none at all.
        """
        known = tuple(store.cartridges().cartridge_id)
        if what == "all" and not known:
            message = "There is no cartridge in the store. Ingest an archive first."
            raise UserError(message)
        if what != "all" and what not in known:
            message = f"{what}: no such cartridge in the store. Give the id of one of its cartridges, or: all."
            raise UserError(message)
        return cls(known if what == "all" else (what,), threshold, which)

    def of_cells(self, cells: pd.DataFrame) -> pd.DataFrame:
        """Those rows of a table of cells (columns label, is_candidate) that are chosen."""
        match self.which:
            case Which.ALL:
                return cells
            case Which.CANDIDATES:
                return cells[cells.is_candidate.fillna(False).astype(bool)]
            case Which.LABELLED:
                return cells[cells.label.notna()]
            case Which.CTC:
                return cells[cells.label == Label.CTC.value]
