"""What can be exported, by name."""

from __future__ import annotations

from enum import StrEnum


class Format(StrEnum):
    """What is written."""

    PARQUET = "parquet"
    CSV = "csv"
    H5AD = "h5ad"
    GEOJSON = "geojson"
    OME_TIFF = "ome-tiff"
    FEATURES = "features"


FORMATS = {
    Format.PARQUET: "Cells with their outlines, CellSearch events and a data dictionary beside",
    Format.CSV: "The same without outlines, safe to open in a spreadsheet program",
    Format.H5AD: "AnnData, for scanpy: the cell table, vectors, principal components, map and place on the cartridge",
    Format.GEOJSON: "Outlines with class and measurements, for QuPath",
    Format.OME_TIFF: "The cells' pictures with channel names and pixel size, for Fiji, napari and QuPath",
    Format.FEATURES: "The published features folder, of all cells of the map in use",
}
"""What each is, in one line."""


class Which(StrEnum):
    """Part of a cartridge's cells."""

    ALL = "all"
    CANDIDATES = "candidates"
    LABELLED = "labelled"
    CTC = "ctc"
