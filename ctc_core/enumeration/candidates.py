"""Candidates of the classifier beside CellSearch's events, matched one to one by position."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ctc_core.types import PIXEL_UM

MATCH_UM = 10.0
"""Largest distance between a cell's centroid and the centre of CellSearch's box: less than one CTC (median 12.4 um)."""


def match(
    cells: NDArray[np.float64], events: NDArray[np.float64], max_distance_um: float = MATCH_UM
) -> list[tuple[int, int]]:
    """One-to-one pairs (cell index, event index) by position, optimal in each group of neighbours.

    Args:
        cells: (n, 2) [y, x] in cartridge pixels.
        events: (m, 2) [y, x] in cartridge pixels.
        max_distance_um: pairs further apart are never matched.

    As many pairs as possible are made, and among those the total distance is smallest.
    """
    if len(cells) == 0 or len(events) == 0:
        return []
    from scipy.optimize import linear_sum_assignment
    from scipy.spatial import KDTree

    near = KDTree(cells).sparse_distance_matrix(KDTree(events), max_distance_um / PIXEL_UM, output_type="coo_matrix")
    distance = {(int(i), int(j)): float(d) for i, j, d in zip(near.row, near.col, near.data, strict=True)}
    pairs: list[tuple[int, int]] = []
    for rows, columns in _neighbour_groups(list(distance), len(cells)):
        # A forbidden pair costs more than all allowed ones together, so it is only taken when none is left.
        forbidden = 1.0 + len(rows) * len(columns) * max_distance_um / PIXEL_UM
        cost = np.array([[distance.get((i, j), forbidden) for j in columns] for i in rows])
        chosen = zip(*linear_sum_assignment(cost), strict=True)
        pairs += [(rows[a], columns[b]) for a, b in chosen if (rows[a], columns[b]) in distance]
    return sorted(pairs)


def _neighbour_groups(edges: list[tuple[int, int]], n_cells: int) -> list[tuple[list[int], list[int]]]:
    """(cells, events) of each group that possible pairs link."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    if not edges:
        return []
    cells, events = np.array(edges).T
    size = n_cells + int(events.max()) + 1
    graph = coo_matrix((np.ones(len(edges)), (cells, n_cells + events)), shape=(size, size))
    group_of = connected_components(graph, directed=False)[1]
    groups: dict[int, tuple[set[int], set[int]]] = {}
    for i, j in edges:
        members = groups.setdefault(int(group_of[i]), (set(), set()))
        members[0].add(i)
        members[1].add(j)
    return [(sorted(rows), sorted(columns)) for rows, columns in groups.values()]


EVENT_PREFIX = "event:"
"""Begins the candidate_id of a CellSearch event that no cell matches; a colon never occurs in a cell_id."""

GROUPS = ("agreed", "model", "cellsearch")
"""Proposed by both, by the classifier only, shown by CellSearch only."""


def candidate_table(cells: pd.DataFrame, events: pd.DataFrame, threshold: float) -> pd.DataFrame:
    """Everything a reviewer may want to see of one cartridge: candidates of the classifier and CellSearch's events.

    Args:
        cells: cell_id, frame, y, x, cartridge_y, cartridge_x, probability (NaN: not scored) and any measurements.
        events: rid, frame, y, x, cartridge_y, cartridge_x, assigned.
        threshold: P(CTC) from which a cell is a candidate.

    Returns:
        One row per candidate or event, most probable first within each group: candidate_id, cell_id, event_rid, group,
        frame, y, x, probability, assigned, and the measurements. A cell below the threshold appears only where an
        event was matched to it.
    """
    cells, events = cells.reset_index(drop=True), events.reset_index(drop=True)
    position = ["cartridge_y", "cartridge_x"]
    pairs = match(cells[position].to_numpy(float), events[position].to_numpy(float))
    event_of_cell = dict(pairs)
    matched = set(event_of_cell.values())
    table = cells.drop(columns=position)
    table["event_rid"] = [events.rid[event_of_cell[i]] if i in event_of_cell else None for i in range(len(cells))]
    table["assigned"] = [bool(events.assigned[event_of_cell[i]]) if i in event_of_cell else None for i in table.index]
    proposed, shown = (table.probability >= threshold), table.event_rid.notna()
    table["group"] = np.select([proposed & shown, proposed], ["agreed", "model"], "cellsearch")
    table["candidate_id"] = table.cell_id
    alone = events[~events.index.isin(matched)].drop(columns=position).rename(columns={"rid": "event_rid"})
    alone = alone.assign(group="cellsearch", candidate_id=event_ids(alone.event_rid), cell_id=None, probability=np.nan)
    return _sorted(_concat(table[proposed | shown], alone))


def event_ids(rids: pd.Series) -> pd.Series:
    """candidate_id of events that no cell matches."""
    return EVENT_PREFIX + rids.astype(str)


def _concat(table: pd.DataFrame, alone: pd.DataFrame) -> pd.DataFrame:
    """Rows of both; columns that events do not have stay empty."""
    filled = alone.reindex(columns=table.columns).astype({"assigned": object})
    both = table if filled.empty else filled if table.empty else pd.concat([table, filled], ignore_index=True)
    return none_for_missing(both, "cell_id", "event_rid", "assigned")


def none_for_missing(table: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """Turn pandas' several kinds of nothing into None, so that `is None` can be asked of a row."""
    objects = {name: table[name].astype(object) for name in columns}
    return table.assign(**{name: values.where(values.notna(), None) for name, values in objects.items()})


def _sorted(table: pd.DataFrame) -> pd.DataFrame:
    """Agreed, model only, CellSearch only; within each the most probable first, then CellSearch's assigned ones."""
    rank = table.group.map({name: i for i, name in enumerate(GROUPS)})
    assigned = table.assigned.map(lambda value: value is True)
    keys = table.assign(_rank=rank, _p=-table.probability.fillna(-1.0), _assigned=~assigned)
    order = keys.sort_values(["_rank", "_p", "_assigned", "frame", "candidate_id"], kind="stable").index
    return table.loc[order].reset_index(drop=True)


def candidate_rows(table: pd.DataFrame, clusters: Mapping[str, int]) -> list[dict[str, object]]:
    """The classifier's candidates as plain values, for scripts. `clusters` of the map by cell, -1 background."""
    return [
        {
            "cell_id": row["cell_id"],
            "frame": int(row["frame"]),
            "y": round(row["y"], 2),
            "x": round(row["x"], 2),
            "probability": round(row["probability"], 4),
            "cluster": clusters.get(row["cell_id"]),
            "event_rid": row["event_rid"],
            "label": row["label"],
        }
        for row in table[table.group != "cellsearch"].to_dict("records")
    ]
