"""The only door to OpenVINO: networks as graphs on the CPU, without TensorFlow, torch or any file in between.

A graph is made from a model folder's verified weights in a fraction of a second whenever a process starts, so there is
no converted copy that could be stale. OpenVINO's own converter, the part of it that can report usage, is never called.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
T = TypeVar("T")


@functools.cache
def openvino() -> Any:
    """The module `openvino`."""
    import openvino as loaded

    return loaded


@functools.cache
def core() -> Any:
    """OpenVINO's runtime, once a process."""
    return openvino().Core()


def precision() -> str:
    """Arithmetic that this CPU is fastest in without leaving floating point: `bf16` where it has it, else `f32`."""
    return "bf16" if "BF16" in core().get_property("CPU", "OPTIMIZATION_CAPABILITIES") else "f32"


def threads_or_cores(threads: int) -> int:
    """`threads`, or as many as this process may use for 0."""
    return threads or len(os.sched_getaffinity(0))


class Network:
    """A graph compiled for the CPU. Calls may come from several threads at a time: each has its own stream."""

    def __init__(self, model: Any, *, threads: int = 0) -> None:
        """`threads`: how many calls can be computed at a time, one thread each; 0: all cores."""
        lanes = threads_or_cores(threads)
        options = {
            "INFERENCE_PRECISION_HINT": precision(),
            "NUM_STREAMS": str(lanes),
            "INFERENCE_NUM_THREADS": str(lanes),
            "ENABLE_CPU_PINNING": "NO",
        }
        self._compiled = core().compile_model(model, "CPU", options)
        self._idle = [self._compiled.create_infer_request() for _ in range(lanes)]

    def __call__(self, values: NDArray[Any], read: Callable[[Sequence[Array]], T]) -> T:
        """`read(outputs)` for one input; outputs are float32 views that are gone when `read` returns."""
        request = self._take()
        try:
            request.infer({0: values}, share_inputs=True)
            return read([output.data for output in request.output_tensors])
        finally:
            self._idle.append(request)

    def _take(self) -> Any:
        try:
            return self._idle.pop()
        except IndexError:  # more callers than lanes
            return self._compiled.create_infer_request()


def constant(values: Any) -> Any:
    """A float32 constant of a graph."""
    return openvino().opset13.constant(np.asarray(values, np.float32))


def shape(values: Sequence[int]) -> Any:
    """An int64 constant of a graph."""
    return openvino().opset13.constant(np.asarray(values, np.int64))
