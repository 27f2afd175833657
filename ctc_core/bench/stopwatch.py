"""Where the time goes: seconds in functions, each without those timed within it."""

from __future__ import annotations

import functools
import os
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PAGE = os.sysconf("SC_PAGE_SIZE")
"""Bytes."""


def resident_mb() -> float:
    """Memory of this process that is in use now, without what other processes hold."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE / 2**20


class Stopwatch:
    """Sums seconds by stage, over all threads."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.peak_mb: defaultdict[str, float] = defaultdict(float)
        """Most memory of the process when a stage ended."""
        self._adding = threading.Lock()
        self._thread = threading.local()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time what happens inside; what is timed within it counts for itself only."""
        inner: list[float] = getattr(self._thread, "inner", None) or [0.0]
        self._thread.inner = inner
        inner.append(0.0)
        began = time.perf_counter()
        try:
            yield
        finally:
            taken = time.perf_counter() - began
            within = inner.pop()
            inner[-1] += taken
            with self._adding:
                self.seconds[name] += taken - within
                self.peak_mb[name] = max(self.peak_mb[name], resident_mb())

    def timed(self, function: Callable[..., Any], name: str) -> Callable[..., Any]:
        """The same function, timed."""

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            with self.stage(name):
                return function(*args, **kwargs)

        return call

    @contextmanager
    def watching(self, *places: tuple[Any, str, str]) -> Iterator[None]:
        """Time functions that modules or classes hold, given as (owner, attribute, stage), while the context lasts."""
        originals = [(owner, attribute, getattr(owner, attribute)) for owner, attribute, _ in places]
        for owner, attribute, name in places:
            setattr(owner, attribute, self.timed(getattr(owner, attribute), name))
        try:
            yield
        finally:
            for owner, attribute, original in originals:
                setattr(owner, attribute, original)
