"""Candidates of the classifier beside CellSearch's events, matched one to one by position."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ctc_core.types import PIXEL_UM

MATCH_UM = 6.2
"""Largest distance between a cell's centroid and the centre of CellSearch's box: half of a CTC (median 12.4 um across),
so that the centre lies in the cell. On six simulated cartridges (1,074 events, 169 of them CTCs that were segmented) a
CTC's own cell lay within 3.5 um of its event and another cell never within 6.8 um; within 10 um three times as many
events (16 of 1,074) got a neighbour's cell as within 6 um (5)."""


def located(events: pd.DataFrame) -> pd.DataFrame:
    """Add y, x (centre of each event's box, frame pixels) and reach_um: how near a cell must be to be the event's.

    events: x0, y0, x1, y1. The reach is `MATCH_UM`, or half of the box's longer side where that is more: what lies in a
    large box is the event's, though its centroid may be far from the middle.
    """
    longer = np.maximum(events.y1 - events.y0, events.x1 - events.x0)
    return events.assign(
        y=(events.y0 + events.y1) / 2,
        x=(events.x0 + events.x1) / 2,
        reach_um=np.maximum(MATCH_UM, longer * PIXEL_UM / 2),
    )


def match(
    cells: NDArray[np.float64],
    events: NDArray[np.float64],
    max_distance_um: float | NDArray[np.float64] = MATCH_UM,
) -> list[tuple[int, int]]:
    """One-to-one pairs (cell index, event index) by position, optimal in each group of neighbours.

    Args:
        cells: (n, 2) [y, x] in cartridge pixels.
        events: (m, 2) [y, x] in cartridge pixels.
        max_distance_um: pairs further apart are never matched; one number, or (m,) for each event its own.

    As many pairs as possible are made, and among those the total distance is smallest.
    """
    if len(cells) == 0 or len(events) == 0:
        return []
    from scipy.optimize import linear_sum_assignment

    distance = _possible(cells, events, np.broadcast_to(np.asarray(max_distance_um) / PIXEL_UM, len(events)))
    pairs: list[tuple[int, int]] = []
    for rows, columns in _neighbour_groups(list(distance), len(cells)):
        # A forbidden pair costs more than all allowed ones together, so it is only taken when none is left.
        forbidden = 1.0 + len(rows) * len(columns) * max(distance.values())
        cost = np.array([[distance.get((i, j), forbidden) for j in columns] for i in rows])
        chosen = zip(*linear_sum_assignment(cost), strict=True)
        pairs += [(rows[a], columns[b]) for a, b in chosen if (rows[a], columns[b]) in distance]
    return sorted(pairs)


def _possible(
    cells: NDArray[np.float64], events: NDArray[np.float64], reach: NDArray[np.float64]
) -> dict[tuple[int, int], float]:
    """Distance in pixels of each (cell, event) within the event's reach (m,)."""
    from scipy.spatial import KDTree

    near = KDTree(cells).sparse_distance_matrix(KDTree(events), float(reach.max()), output_type="coo_matrix")
    found = zip(near.row, near.col, near.data, strict=True)
    return {(int(i), int(j)): float(d) for i, j, d in found if d <= reach[j]}


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

GROUPS = ("agreed", "model", "cellsearch", "less")
"""Proposed by both, by the classifier only, shown by CellSearch only, shown by neither and decided all the same."""


def proposed(table: pd.DataFrame) -> NDArray[np.bool_]:
    """(n,) whether a row of `candidate_table` is a candidate of the classifier."""
    return np.asarray(table.group.isin(("agreed", "model")))


def candidate_table(
    cells: pd.DataFrame, events: pd.DataFrame, threshold: float, also: Collection[str] = ()
) -> pd.DataFrame:
    """Everything a reviewer may want to see of one cartridge: candidates of the classifier and CellSearch's events.

    Args:
        cells: cell_id, frame, y, x, cartridge_y, cartridge_x, probability (NaN: not scored) and any measurements.
        events: rid, frame, cartridge_y, cartridge_x, assigned, and y, x, reach_um as from `located`.
        threshold: P(CTC) from which a cell is a candidate.
        also: cell_id of cells to list wherever they are, since somebody decided about them.

    Returns:
        One row per candidate or event, most probable first within each group: candidate_id, cell_id, event_rid, group,
        frame, y, x, cartridge_y, cartridge_x, probability, assigned, and the measurements. A cell below the threshold
        appears only where an event was matched to it, or where it is in `also`.
    """
    cells, events = cells.reset_index(drop=True), events.reset_index(drop=True)
    position = ["cartridge_y", "cartridge_x"]
    pairs = match(cells[position].to_numpy(float), events[position].to_numpy(float), events.reach_um.to_numpy(float))
    event_of_cell = dict(pairs)
    matched = set(event_of_cell.values())
    table = cells.copy()
    rids, assigned = events.rid.tolist(), events.assigned.tolist()
    table["event_rid"] = [rids[event_of_cell[i]] if i in event_of_cell else None for i in table.index]
    table["assigned"] = [bool(assigned[event_of_cell[i]]) if i in event_of_cell else None for i in table.index]
    table["group"], table["candidate_id"] = _group(table, threshold), table.cell_id
    listed = (table.group != "less") | table.cell_id.isin(also)
    alone = events[~events.index.isin(matched)].drop(columns="reach_um")
    alone = alone.rename(columns={"rid": "event_rid"})
    alone = alone.assign(group="cellsearch", candidate_id=event_ids(alone.event_rid), cell_id=None, probability=np.nan)
    return _sorted(_concat(table[listed], alone))


def _group(table: pd.DataFrame, threshold: float) -> NDArray[np.str_]:
    """Each row's group of `GROUPS`, from columns probability and event_rid."""
    called, shown = table.probability >= threshold, table.event_rid.notna()
    return np.select([called & shown, called, shown], GROUPS[:3], GROUPS[3])


def at_threshold(everything: pd.DataFrame, threshold: float, also: Collection[str] = ()) -> pd.DataFrame:
    """`candidate_table` at another threshold, from one of all cells; the same rows and order."""
    table = everything.assign(group=_group(everything, threshold))
    return _sorted(table[(table.group != "less") | table.cell_id.isin(also)])


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
    """In the order of `GROUPS`; within each the most probable first, then CellSearch's assigned ones."""
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
        for row in table[proposed(table)].to_dict("records")
    ]
