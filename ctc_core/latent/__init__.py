"""The map of the latent space: PCA, UMAP, HDBSCAN; placing new cells; a map as an artefact.

Importing this package is cheap: umap-learn and hdbscan are loaded when a map is fitted or cells are placed.
"""

from ctc_core.latent.artefact import load, save
from ctc_core.latent.clusters import find_clusters, nearest_clusters
from ctc_core.latent.map import Cells, LatentMap, Placed, fit_map, locate, map_id, place
from ctc_core.latent.parameters import BACKGROUND, PUBLISHED, MapParameters
from ctc_core.latent.reduction import Reduction

__all__ = [
    "BACKGROUND",
    "PUBLISHED",
    "Cells",
    "LatentMap",
    "MapParameters",
    "Placed",
    "Reduction",
    "find_clusters",
    "fit_map",
    "load",
    "locate",
    "map_id",
    "nearest_clusters",
    "place",
    "save",
]
