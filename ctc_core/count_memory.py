"""What is kept of each open store, so that moving a slider or deciding one image does not start from nothing."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import pandas as pd

from ctc_core.store import Store

T = TypeVar("T")

_KEPT: WeakKeyDictionary[Store, dict[str, tuple[Hashable, Any]]] = WeakKeyDictionary()


def kept(store: Store, name: str, key: Hashable, make: Callable[[], T]) -> T:
    """What was made last under `name` if its key was the same, else made now. One value is kept for each name.

    The key holds all that the value depends on, such as `Store.revision`. Who reads a cell blind is told nothing that
    was made for others. Two threads may make the same value twice.
    """
    values, asked = _KEPT.setdefault(store, {}), (key, store.blind_to())
    if name not in values or values[name][0] != asked:
        values[name] = (asked, make())
    found: T = values[name][1]
    return found


def cartridges(store: Store) -> pd.DataFrame:
    """`Store.cartridges`, not to be changed: the query counts every cell and decision, and a count asks often."""
    return kept(store, "cartridges", store.revision(), store.cartridges)
