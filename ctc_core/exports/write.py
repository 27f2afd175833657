"""One verb for all formats."""

from __future__ import annotations

import io
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

from ctc_core.errors import UserError
from ctc_core.exports.choice import Choice
from ctc_core.exports.names import Format, Which
from ctc_core.exports.published import export_features
from ctc_core.store import Store
from ctc_core.types import Progress, silent


def export(
    store: Store,
    what: str,
    form: Format,
    out: Path,
    *,
    threshold: float,
    which: Which = Which.ALL,
    per_frame: bool = False,
    images: bool = True,
    force: bool = False,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Export `what` (a cartridge id, or `all`) to `out`; what was written, as plain values.

    Args:
        threshold: P(CTC) from which a cell is a candidate.
        which: which cells, in every format but `features`.
        per_frame: GeoJSON only, one file for each frame in frame pixels.
        images: `features` only, the crops as PNG files as well.
        force: replace an earlier export.

    Raises:
        UserError: there is no such cartridge, `out` exists, or the format does not fit.
    """
    if form is Format.FEATURES:
        if what != "all":
            message = f"{what}: the format 'features' is of all cells of the map. Give: all."
            raise UserError(message)
        cells = export_features(store, out, images=images, force=force, progress=progress)
        return {"cells": cells, "files": [str(out)]}
    choice = Choice.of(store, what, threshold, which)
    if form is Format.GEOJSON:
        from ctc_core.exports.geojson import export_geojson

        return export_geojson(store, choice, out, per_frame=per_frame, force=force, progress=progress)
    written: dict[str, Any] = _writer(form)(store, choice, out, force=force, progress=progress)
    return written


def _writer(form: Format) -> Any:
    from ctc_core.exports.anndata import export_h5ad
    from ctc_core.exports.ometiff import export_ome_tiff
    from ctc_core.exports.tables import export_csv, export_parquet

    writers = {Format.PARQUET: export_parquet, Format.CSV: export_csv, Format.H5AD: export_h5ad}
    return {**writers, Format.OME_TIFF: export_ome_tiff}[form]


SUFFIXES = {Format.OME_TIFF: "ome.tif"}
"""Where a format's name is not what its files end with."""


def zipped(store: Store, cartridge_id: str, form: Format, *, threshold: float, which: Which = Which.ALL) -> bytes:
    """One cartridge's export with what stands beside it, as a zip file."""
    file = io.BytesIO()
    with TemporaryDirectory() as name, ZipFile(file, "w", ZIP_DEFLATED) as archive:
        out = Path(name) / f"{cartridge_id}.{SUFFIXES.get(form, form.value)}"
        for path in export(store, cartridge_id, form, out, threshold=threshold, which=which)["files"]:
            archive.write(path, Path(path).name)
    return file.getvalue()
