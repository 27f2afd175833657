"""Results for other programs: tables, AnnData, GeoJSON for QuPath, OME-TIFF, and the published features folder.

No export holds more about a patient than the pseudonym, and none names a reader. Import what is needed from the
modules: commands read only `names`, which costs nothing.
"""
