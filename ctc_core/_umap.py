"""The only door to umap-learn: `umap_learn()`.

`import umap` tries to import its parametric variant, and with it TensorFlow, Keras, torch and torchvision: many seconds
for something that is not used, and an error beside a CPU build of torch. It goes on without when that module cannot be
found, so it cannot be found for the moment of the import.

Numba compiles UMAP's loops anew in every process, which takes far longer than a small map. They are told to keep their
machine code on disk (in numba's cache folder), as pynndescent's are by default.
"""

from __future__ import annotations

import functools
import sys
import warnings
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from types import ModuleType

HIDDEN = "umap.parametric_umap"


class _NoParametricUMAP(MetaPathFinder):
    """Finds that there is no parametric UMAP."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> None:
        if name == HIDDEN:
            message = f"{HIDDEN} is hidden while umap is imported"
            raise ModuleNotFoundError(message, name=name)


@functools.cache
def umap_learn() -> ModuleType:
    """The module `umap`, without TensorFlow and torch. Takes seconds the first time."""
    finder = _NoParametricUMAP()
    sys.meta_path.insert(0, finder)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it says that TensorFlow is missing
            import umap
    finally:
        sys.meta_path.remove(finder)
    for module in (umap.umap_, umap.layouts, umap.utils):
        _keep_machine_code(module)
    loaded: ModuleType = umap
    return loaded


def _keep_machine_code(module: ModuleType) -> None:
    from numba.core.dispatcher import Dispatcher

    for value in vars(module).values():
        if isinstance(value, Dispatcher) and not value.overloads:
            value.enable_caching()
