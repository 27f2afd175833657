"""One cartridge's candidates and CellSearch's events, matched once and given today's labels each time they are asked.

Matching thousands of cells takes a hundred times as long as looking up what was said of them, and no decision changes
it. So that a page can ask after every key, only the labels are read again (`count_memory`).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from ctc_core.cartridge import Grid
from ctc_core.count_memory import imported, kept
from ctc_core.enumeration import at_threshold, candidate_table, located
from ctc_core.errors import UserError
from ctc_core.store import Said, Store


def candidates(store: Store, cartridge_id: str, threshold: float) -> pd.DataFrame:
    """Candidates of the classifier and CellSearch's events of one cartridge, with what was decided about them.

    Columns of `enumeration.candidate_table` plus those of `Said` (None: undecided).

    Raises:
        UserError: there is no such cartridge.
    """
    words = said(store, cartridge_id)
    table = kept(
        store,
        f"listed/{cartridge_id}/{threshold}",
        store.basis(),
        lambda: at_threshold(_matched(store, cartridge_id), threshold),
    )
    decided = {target for target, word in words.items() if word.label is not None}
    if below := decided.difference(table.candidate_id.tolist()):
        cells = _matched(store, cartridge_id)
        more = at_threshold(cells[cells.candidate_id.isin(below)], threshold, also=below)
        table = pd.concat([table, more], ignore_index=True) if len(table) else more
    found = [words.get(target, _NOTHING) for target in table.candidate_id.tolist()]
    return pd.concat([table, pd.DataFrame(found, table.index, Said._fields, dtype=object)], axis=1)


_NOTHING = (None,) * len(Said._fields)


def said(store: Store, cartridge_id: str) -> Mapping[str, Said]:
    """What readers say together of the cells and events of a cartridge, by candidate_id; not to be changed."""
    return kept(store, f"said/{cartridge_id}", store.revision(), lambda: store.said(cartridge_id))


def cartridge_grid(store: Store, cartridge_id: str) -> Grid:
    """Grid of a cartridge in the store.

    Raises:
        UserError: there is no such cartridge.
    """
    rows = imported(store).query("cartridge_id == @cartridge_id")
    if rows.empty:
        message = f"{cartridge_id}: no such cartridge in the store. Ingest its archive first."
        raise UserError(message)
    row = rows.iloc[0]
    return Grid(int(row.rows), int(row.cols), int(row.width), int(row.height), bool(row.bottom_up))


def _matched(store: Store, cartridge_id: str) -> pd.DataFrame:
    """Every cell and every event of a cartridge: `candidate_table` at threshold 0, cells without a score included."""

    def made() -> pd.DataFrame:
        grid = cartridge_grid(store, cartridge_id)
        cells = _on_cartridge(_scored_cells(store, cartridge_id), grid)
        events = _on_cartridge(located(store.events(cartridge_id)), grid)
        return candidate_table(cells, events, 0.0, also=list(cells.cell_id))

    return kept(store, f"matched/{cartridge_id}", store.basis(), made)


def _scored_cells(store: Store, cartridge_id: str) -> pd.DataFrame:
    cells = store.cells(cartridge_id).rename(columns={"probability": "segmentation_probability"})
    active = store.active_model("classifier")
    if active is None:
        return cells.assign(probability=np.nan)
    predicted = store.predictions(cartridge_id, active.model_id)[["cell_id", "probability"]]
    return cells.merge(predicted, on="cell_id", how="left", validate="one_to_one")


def _on_cartridge(table: pd.DataFrame, grid: Grid) -> pd.DataFrame:
    """Add cartridge coordinates, in which neighbouring frames touch."""
    frames, of_row = np.unique(table.frame.to_numpy(np.int64), return_inverse=True)
    places = np.array([grid.position(frame) for frame in frames.tolist()], float).reshape(-1, 2)[of_row]
    return table.assign(
        cartridge_y=table.y.to_numpy(float) + grid.height * places[:, 0],
        cartridge_x=table.x.to_numpy(float) + grid.width * places[:, 1],
    )
