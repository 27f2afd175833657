"""skops without torch and dask.

Importing skops walks through all of scikit-learn's packages, and some of those import torch and dask where they are
installed (`sklearn.externals.array_api_compat`): four seconds and 300 MB that the desk's server must not spend. The
walk passes over packages that cannot be imported, so these cannot be found for the moment of the import. (Writing None
into `sys.modules` would hide them, too, but SciPy takes any entry there for the real module.)
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from types import ModuleType

HIDDEN = ("torch", "dask")


class _Hiding(MetaPathFinder):
    """Finds that they are not there."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> None:
        if name in HIDDEN:
            message = f"{name} is hidden while skops is imported"
            raise ModuleNotFoundError(message, name=name)


@contextmanager
def _hidden() -> Iterator[None]:
    finder = _Hiding()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


def skops_io() -> ModuleType:
    """The module `skops.io`."""
    with _hidden():
        import skops.io
    module: ModuleType = skops.io
    return module
