"""Results in order, errors where they happened, and nothing begun after somebody stopped asking."""

import threading
import time

import pytest

from ctc_core.lanes import in_lanes


@pytest.mark.parametrize("lanes", [1, 2, 5])
def test_results_come_in_order(lanes: int) -> None:
    def slow_at_first(k: int) -> int:
        time.sleep(0.02 if k == 0 else 0)
        return k * k

    assert list(in_lanes(slow_at_first, range(7), lanes)) == [0, 1, 4, 9, 16, 25, 36]


def test_two_are_computed_at_the_same_time() -> None:
    meeting = threading.Barrier(2, timeout=10)
    assert len(list(in_lanes(lambda _: meeting.wait(), range(4), 2))) == 4


@pytest.mark.parametrize("lanes", [1, 3])
def test_an_error_comes_at_its_place(lanes: int) -> None:
    results = in_lanes(lambda k: 6 // (3 - k), range(9), lanes)
    assert [next(results), next(results), next(results)] == [2, 3, 6]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_nothing_is_begun_after_somebody_stopped_asking() -> None:
    begun: list[int] = []
    results = in_lanes(lambda k: begun.append(k), range(100), 2)
    next(results)
    results.close()  # type: ignore[attr-defined]
    assert len(begun) <= 5
    time.sleep(0.05)
    assert len(begun) <= 5
