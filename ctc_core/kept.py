"""Arrays that take long to make and depend on nothing but their file's name: made once, then read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def kept_arrays(path: Path | None, make: Callable[[], Mapping[str, NDArray[Any]]]) -> dict[str, NDArray[Any]]:
    """What `make` gives, from `path` (.npz) if it was made before; without a path nothing is kept.

    The file appears whole or not at all.
    """
    if path is not None and path.exists():
        with np.load(path, allow_pickle=False) as kept:
            return dict(kept)
    arrays = dict(make())
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial.npz")
        np.savez(partial, allow_pickle=False, **arrays)
        partial.replace(path)
    return arrays
