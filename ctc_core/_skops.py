"""skops without torch.

Importing skops walks through all of scikit-learn's packages, and one of those imports torch where it is installed
(`sklearn.externals.array_api_compat.torch`): four seconds and 300 MB that the desk's server must not spend. The walk
passes over packages that cannot be imported, so torch cannot be found for the moment of the import. (Writing None into
`sys.modules` would hide it, too, but SciPy takes any entry there for the real module.)
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from types import ModuleType


class _NoTorch(MetaPathFinder):
    """Finds that there is no torch."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> None:
        if name == "torch":
            message = "torch is hidden while skops is imported"
            raise ModuleNotFoundError(message, name=name)


@contextmanager
def _torch_hidden() -> Iterator[None]:
    finder = _NoTorch()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


def skops_io() -> ModuleType:
    """The module `skops.io`."""
    with _torch_hidden():
        import skops.io
    module: ModuleType = skops.io
    return module
