"""What was measured of candidates: size, shape, grey values above the background, nucleus to cell."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from ctc_core.count_memory import imported
from ctc_core.enumeration.gates import quantities
from ctc_core.enumeration.nucleus import nucleus_ratio
from ctc_core.store import Store, read_bundle
from ctc_core.types import Channel

MARKER_COLUMNS = tuple(f"{Channel.MARKER}_{statistic}" for statistic in ("mean", "max", "sd", "background"))


def measured(store: Store, cartridge_id: str, cell_ids: Sequence[str]) -> pd.DataFrame:
    """`gates.quantities` of some cells of a cartridge, and `ratio` (nucleus to cell), index cell_id as asked for.

    Grey values are restored ones (0 to 4095), the background subtracted from means and maxima. Columns of the marker
    only where the cartridge has such a page; ratio is NaN where a crop lacks contrast.
    """
    cells = store.cells(cartridge_id).set_index("cell_id").loc[list(cell_ids)]
    cells = cells.join(marker_values(store, cartridge_id))
    ratio = nucleus_ratio(store.crops(cartridge_id)[cells.crop_index.to_numpy(int)]).ratio
    return quantities(cells).assign(ratio=ratio.to_numpy(float))


def marker_values(store: Store, cartridge_id: str) -> pd.DataFrame:
    """`MARKER_COLUMNS` by cell_id, from the cartridge's bundle; no column where it has no marker page.

    Raises:
        StoreError: the bundle is damaged.
    """
    row = imported(store).set_index("cartridge_id").loc[cartridge_id]
    if Channel.MARKER not in list(row.channels):
        return pd.DataFrame(index=pd.Index([], name="cell_id"))
    table = read_bundle(store.folder / "bundles" / str(row.bundle_id)).table("cells")
    known = [name for name in MARKER_COLUMNS if name in table.column_names]
    found: pd.DataFrame = table.select(["cell_id", *known]).to_pandas().set_index("cell_id")
    return found if len(known) == len(MARKER_COLUMNS) else found[[]]
