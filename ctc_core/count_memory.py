"""What is kept of each open store, so that moving a slider or deciding one image does not start from nothing."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from math import inf
from threading import Lock
from time import monotonic
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary

import pandas as pd

from ctc_core.store import Store

T = TypeVar("T")

MOST = 64
"""Values kept of one store: what belongs to some five cartridges (the largest, all cells of one, are a few MB)."""
_KEPT: WeakKeyDictionary[Store, OrderedDict[str, tuple[Hashable, Any]]] = WeakKeyDictionary()
_LOCK = Lock()


def kept(store: Store, name: str, key: Hashable, make: Callable[[], T]) -> T:
    """What was made last under `name` if its key was the same, else made now. One value is kept for each name.

    The key holds all that the value depends on, such as `Store.revision`. Who reads a cell blind is told nothing that
    was made for others, nor they what was made for that person. Two threads may make the same value twice.
    """
    asked = (key, store.blind_to())
    with _LOCK:
        values = _KEPT.setdefault(store, OrderedDict())
        known = values.get(name)
        if known is not None and known[0] == asked:
            values.move_to_end(name)
            found: T = known[1]
            return found
    made = make()
    if store.blind_to() != asked[1]:  # a second reading began or ended meanwhile: nobody knows for whom this was made
        return made
    with _LOCK:
        values[name] = (asked, made)
        values.move_to_end(name)
        while len(values) > MOST:
            values.popitem(last=False)
    return made


def forget(store: Store) -> None:
    """Keep nothing of a store any more."""
    with _LOCK:
        _KEPT.pop(store, None)


def cartridges(store: Store) -> pd.DataFrame:
    """`Store.cartridges`, not to be changed: the query counts every cell and decision, and a count asks often."""
    return kept(store, "cartridges", store.revision(), store.cartridges)


def imported(store: Store) -> pd.DataFrame:
    """The same without `decided`, kept while readers decide."""
    return kept(store, "imported", store.basis(), lambda: store.cartridges().drop(columns="decided"))


class Paced(Generic[T]):
    """A value that many look at and that changes all the time: making it again takes little of the time.

    Whoever asks in between, or while somebody makes it, is given what was made last.
    """

    SHARE = 0.02
    """Of the time that goes into making it, as long as that takes less than a fifth of a second."""
    LONGEST = 10.0
    """Seconds of rest at most: figures must not fall behind the decisions that they are about."""

    def __init__(self) -> None:
        self._making = Lock()
        self._last: tuple[Hashable, T] | None = None
        self._rests_until = -inf

    def __call__(self, key: Hashable, make: Callable[[], T]) -> T:
        """The value for `key`, or the one made last."""
        last = self._last
        if last is not None and (last[0] == key or monotonic() < self._rests_until or self._making.locked()):
            return last[1]
        with self._making:
            if self._last is None or self._last[0] != key:
                begun = monotonic()
                self._last = key, make()
                taken = monotonic() - begun
                self._rests_until = begun + taken + min(taken * (1 / self.SHARE - 1), self.LONGEST)
            return self._last[1]


def paced(store: Store, name: str, key: Hashable, make: Callable[[], T]) -> T:
    """`Paced` for one store, and for those who are told the same."""
    values: Paced[T] = kept(store, f"paced/{name}/{store.blind_to()}", store.folder, Paced)
    return values(key, make)
