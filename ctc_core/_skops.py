"""skops without torch.

Importing skops walks through all of scikit-learn's packages, and one of those imports torch where it is installed
(`sklearn.externals.array_api_compat.torch`): four seconds and 300 MB that the desk's server must not spend. The walk
passes over packages that cannot be imported, so torch is made unimportable for the moment of the import.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType


@contextmanager
def _torch_hidden() -> Iterator[None]:
    if "torch" in sys.modules:
        yield
        return
    sys.modules["torch"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules["torch"]


def skops_io() -> ModuleType:
    """The module `skops.io`."""
    with _torch_hidden():
        import skops.io
    module: ModuleType = skops.io
    return module
