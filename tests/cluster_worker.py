"""Loaded by a worker of a test's cluster (`dask worker --preload tests.cluster_worker`): networks without weights, and
mishaps as files in the folder CTC_TEST_ORDERS command them.
"""

import os
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import ctc_core.networks
import ctc_core.store
from ctc_core.arithmetic import Arithmetic
from ctc_core.segment import Outlines
from tests.support import ARITHMETIC, BF16, ProjectingEmbedder, ThresholdSegmenter

ORDERS = Path(os.environ["CTC_TEST_ORDERS"])
ME = os.environ["CTC_TEST_NAME"]


def ordered(what: str) -> bool:
    return (ORDERS / what).exists()


class Segmenter(ThresholdSegmenter):
    """Notes whose frame it is; hangs, or fails once or always, when told to."""

    def outlines(self, ck: NDArray[np.generic]) -> Outlines:
        with (ORDERS / "calls").open("a") as calls:
            calls.write(f"{ME}\n")
        if ordered("slow"):
            time.sleep(0.2)
        if ordered(f"hang-{ME}") and self.calls >= 2:
            (ORDERS / "hanging").touch()
            time.sleep(600)
        if ordered("fail-once"):
            (ORDERS / "fail-once").unlink()
            raise OSError("the disk is away")
        if ordered("fail"):
            raise OSError("the disk is gone")
        return super().outlines(ck)


class Networks:
    """Instead of `ctc_core.networks.Networks`."""

    def __init__(self, settings: object) -> None:
        self.segmenter, self.embedder, self.lanes = Segmenter(), ProjectingEmbedder(), 1

    @property
    def arithmetic(self) -> Arithmetic:
        """As it is told to say."""
        return ARITHMETIC | (BF16 if ordered(f"bf16-{ME}") else {})


ctc_core.networks.Networks = Networks  # type: ignore[assignment, misc]
ctc_core.store.code_version = lambda: "tested"  # whatever is edited while tests run
