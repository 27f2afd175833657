"""OME-TIFF: the crops of one cartridge as a stack, cell by cell, with channel names and the size of a pixel.

OME knows no axis of objects. Cells follow each other on its time axis, where viewers show a slider; which cell each
step is stands in the file (a map annotation: step -> cell id) and in a CSV file beside it.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ctc_core.errors import UserError
from ctc_core.exports.about import about
from ctc_core.exports.cells import cell_table
from ctc_core.exports.choice import Choice
from ctc_core.exports.files import MARK, refuse_existing, refuse_folder, whole_file, whole_folder
from ctc_core.spreadsheet import safe
from ctc_core.store import Store
from ctc_core.types import CROP_CHANNELS, PIXEL_UM, Progress

NAMESPACE = "ctc-review-desk/cells"
_SUFFIX = re.compile(r"(\.ome)?\.tiff?$", re.IGNORECASE)
_TOLD = ["cell_id", "frame", "y", "x", "diameter_um", "p_ctc", "label"]


def export_ome_tiff(store: Store, choice: Choice, out: Path, *, force: bool, progress: Progress) -> dict[str, Any]:
    """Write one cartridge's crops to the file `out`; those of several to `out`/<cartridge>.ome.tif.

    Grey values are those of the stretched 8-bit frames, as the classifier saw them.

    Raises:
        UserError: no cell is chosen.
    """
    if len(choice.cartridge_ids) == 1:
        index = out.with_name(f"{_SUFFIX.sub('', out.name)}.cells.csv")
        refuse_existing([out, index], force=force)
        with whole_file(index) as table, whole_file(out) as path:
            n = _write(store, choice.cartridge_ids[0], choice, path, table)
        return {"cells": n, "files": [str(out), str(index)]}
    refuse_folder(out, force=force)
    n = 0
    with whole_folder(out) as folder:
        for i, cartridge_id in enumerate(choice.cartridge_ids, start=1):
            if len(cell_table(store, cartridge_id, choice)):
                paths = folder / f"{cartridge_id}.ome.tif", folder / f"{cartridge_id}.cells.csv"
                n += _write(store, cartridge_id, choice, *paths)
            progress(i, len(choice.cartridge_ids), cartridge_id)
        (folder / MARK).write_text(json.dumps({**about(store, choice), "format": "ome-tiff"}, indent=1) + "\n")
    return {"cells": n, "files": [str(out)]}


def _write(store: Store, cartridge_id: str, choice: Choice, path: Path, index: Path) -> int:
    cells = cell_table(store, cartridge_id, choice)
    if cells.empty:
        message = f"{cartridge_id}: no cell to export ({choice.which.value}). Choose other cells."
        raise UserError(message)
    crops = np.asarray(store.crops(cartridge_id)[cells.crop_index.to_numpy()])
    write_stack(path, crops, list(cells.cell_id), name=cartridge_id)
    table = pd.DataFrame({"step": range(len(cells))}).join(cells[_TOLD])
    table.assign(**{key: table[key].map(safe) for key in ("cell_id", "label")}).to_csv(index, index=False)
    return len(cells)


def write_stack(path: Path, crops: NDArray[np.uint8], cell_ids: list[str], *, name: str) -> None:
    """Write (n, 3, 48, 48) uint8 crops, DAPI, CK, CD45, as TCYX."""
    import tifffile

    metadata = {
        "axes": "TCYX",
        "Name": name,
        "Channel": {"Name": [channel.upper() for channel in CROP_CHANNELS]},
        "PhysicalSizeX": PIXEL_UM,
        "PhysicalSizeXUnit": "µm",
        "PhysicalSizeY": PIXEL_UM,
        "PhysicalSizeYUnit": "µm",
        "MapAnnotation": {
            "Namespace": NAMESPACE,
            "Description": "step on the time axis -> cell id",
            "Value": {str(step): cell_id for step, cell_id in enumerate(cell_ids)},
        },
    }
    per_cm = (1e4 / PIXEL_UM, 1e4 / PIXEL_UM)
    with tifffile.TiffWriter(path, ome=True) as tif:
        tif.write(crops, photometric="minisblack", metadata=metadata, resolution=per_cm, resolutionunit="CENTIMETER")
