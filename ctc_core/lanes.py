"""Work on several things at a time, results in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Given = TypeVar("Given")
Made = TypeVar("Made")


def in_lanes(compute: Callable[[Given], Made], given: Sequence[Given], lanes: int) -> Iterator[Made]:
    """`compute(one)` of each, in order, up to `lanes` at a time and as many waiting. One lane computes when asked.

    Whoever stops asking, or fails, waits for what has begun and no more.
    """
    if lanes == 1:
        yield from map(compute, given)
        return
    with ThreadPoolExecutor(lanes, thread_name_prefix="lane") as pool:
        begun: deque[Future[Made]] = deque()
        try:
            for one in given:
                begun.append(pool.submit(compute, one))
                if len(begun) >= 2 * lanes:
                    yield begun.popleft().result()
            while begun:
                yield begun.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)
