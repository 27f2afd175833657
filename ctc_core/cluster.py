"""Frames computed on several machines: blocks of them are tasks of a dask.distributed cluster.

Whoever has the job hands out blocks; the workers of the cluster put parts into the job's folder, which all machines see
under one path; the parts become a bundle here, as if this process had made them. A worker that dies costs the frames
that it had not finished: they go to another one.

All workers have to compute alike (`arithmetic`): which of them had a frame must not change its cells.

Functions and their arguments travel between the machines as dask sends them, and whoever reaches the scheduler can run
code on all of them: beyond this machine it takes TLS with certificates, or a setting that says the network is closed.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ctc_core.arithmetic import Arithmetic, outliers
from ctc_core.blocks import Named, Work, compute_block, say_arithmetic
from ctc_core.cartridge import Cartridge
from ctc_core.errors import CartridgeError, CTCError, SettingsError
from ctc_core.frames import Counts, Say
from ctc_core.parts import Parts, inputs_of
from ctc_core.scheduler import connected, gone
from ctc_core.settings import Settings

if TYPE_CHECKING:
    from distributed import Client, Future

BLOCK, SHARES = 8, 4
"""Frames of a task at most: a few seconds on one machine. Tasks for each worker at least, so that all end together."""
RETRIES = 2
"""So many times a block is computed again after an error that is none of ours: a disk out of reach, say."""
LOOK = 0.5
"""Seconds between two looks at what is finished."""
NAMED = 5
"""Workers that a refusal names."""
ALIKE = (
    "Give one scheduler machines of one kind with the same packages (pip install --requirement requirements.txt); stop "
    "the other workers and try again."
)
ARRIVAL = 120.0
"""Seconds until a file written by one machine is seen by another: network disks remember what was not there."""


class Cluster:
    """The workers of the scheduler at an address."""

    def __init__(self, address: str, settings: Settings) -> None:
        """`settings`: which networks, and where those lie that do not ship with the desk."""
        self.address, self.settings = address, settings
        self.agreed: Arithmetic = {}
        """What all workers computed with when they were asked."""

    @classmethod
    def of(cls, settings: Settings) -> Cluster | None:
        """The one that the settings name, if they do."""
        return cls(settings.scheduler, settings) if settings.scheduler else None

    @cached_property
    def segmenter_id(self) -> str:
        from ctc_core.segment.folders import locate

        return locate(self.settings.segmenter).id

    @cached_property
    def encoder_id(self) -> str:
        from ctc_core.models import model_folder, model_id

        return model_id(model_folder(self.settings.encoder, self.settings.data_dir))

    def agree(self, say: Say) -> Arithmetic:
        """As `ComputesFrames.agree`, asked of all workers there are.

        Raises:
            SettingsError: no scheduler answers, or workers do not compute alike; says what to do.
        """
        with connected(self.address, in_clear_allowed=self.settings.cluster_in_clear) as client:
            while not (found := _answers(client.run(say_arithmetic, self._named(), on_error="return"))):
                say(self._note(client))
                time.sleep(LOOK)
        self.agreed, others = outliers(found)
        if others:
            raise SettingsError(_unlike(len(found) - len(others), others))
        return self.agreed

    def frames(self, cartridge: Cartridge, parts: Parts, numbers: Sequence[int]) -> Counts:
        """As `ComputesFrames.frames`: some twice a second.

        Raises:
            SettingsError: no scheduler answers, or a worker is not fit for the work; says what to do.
            CTCError: a block, or the scheduler, was lost for good. Finished frames are kept.
        """
        if not numbers:
            return
        work = self._work(cartridge, parts)
        with connected(self.address, in_clear_allowed=self.settings.cluster_in_clear) as client:
            size = block_size(len(numbers), len(client.scheduler_info()["workers"]))
            blocks = [numbers[k : k + size] for k in range(0, len(numbers), size)]
            futures = [client.submit(compute_block, work, block, pure=False, retries=RETRIES) for block in blocks]
            try:
                yield from self._follow(client, futures, cartridge, parts, set(numbers))
            finally:
                parts.stop()
                client.cancel(futures)

    def _work(self, cartridge: Cartridge, parts: Parts) -> Work:
        from ctc_core.store import code_version

        return Work(
            archive=cartridge.path.resolve(),
            parts=parts.folder.resolve(),
            inputs=inputs_of(cartridge, self.segmenter_id, self.encoder_id, self.agreed),
            networks=self._named(),
            code=code_version(),
            made_with=self.agreed,
        )

    def _named(self) -> Named:
        given = self.settings
        return Named(given.segmenter, given.encoder, given.runtime, given.data_dir.resolve())

    def _follow(
        self, client: Client, futures: Sequence[Future], cartridge: Cartridge, parts: Parts, wanted: set[int]
    ) -> Counts:
        """Until all wanted frames are there."""
        waiting, overwhelmed, until = list(futures), 0, float("inf")
        while True:
            overwhelmed += sum(self._result(future) for future in waiting if future.status != "pending")
            waiting = [future for future in waiting if future.status == "pending"]
            _refuse_overwhelming(cartridge, overwhelmed)
            missing = wanted - parts.finished()
            yield len(wanted - missing), self._note(client)
            if not (waiting or missing):
                return
            if not waiting:
                until = _check_arrival(parts, missing, until)
            time.sleep(LOOK)

    def _result(self, future: Future) -> int:
        """Of a block that has ended: how many frames overwhelmed what reads them."""
        from distributed.scheduler import KilledWorker

        if future.status in ("cancelled", "lost"):
            raise gone(self.address)
        error: Any = future.exception() if future.status == "error" else future.result()
        if isinstance(error, KilledWorker):
            message = (
                f"A block of frames ended {error.allowed_failures + 1} workers, the last {error.last_worker.address}. "
                "Their log says why, too little memory perhaps. Finished frames are kept; try again."
            )
            raise CTCError(message)
        if isinstance(error, BaseException):
            raise error
        return int(error)

    def _note(self, client: Client) -> str:
        workers = len(client.scheduler_info()["workers"])
        if not workers:
            return "The cluster has no workers; waiting for one"
        return f"Computing on {workers} workers" if workers > 1 else "Computing on 1 worker"


def block_size(frames: int, workers: int) -> int:
    """Frames of a task, so that each worker has `SHARES` of them, if there are as many frames."""
    return max(1, min(BLOCK, frames // (SHARES * max(workers, 1))))


def _answers(found: Mapping[str, Any]) -> dict[str, Arithmetic]:
    """By address, of workers that could say; of others, the first block they are given says why."""
    answers = {address: answer for address, answer in found.items() if isinstance(answer, dict)}
    if found and not answers:
        address, error = next(iter(found.items()))
        message = f"{address}: cannot say what it computes with ({error}). Install the same release on all machines."
        raise SettingsError(message)
    return answers


def _unlike(alike: int, others: Mapping[str, str]) -> str:
    named = "; ".join(f"{address} has {how}" for address, how in sorted(others.items())[:NAMED])
    more = f"; and {len(others) - NAMED} more" if len(others) > NAMED else ""
    return (
        f"Workers compute differently, and cells must not depend on which of them had a frame. Beside {alike} alike, "
        f"{named}{more}. {ALIKE}"
    )


def _check_arrival(parts: Parts, missing: set[int], until: float) -> float:
    """When frames that were computed have to be seen here at the latest."""
    if time.monotonic() > until:
        raise CTCError(
            f"Frames {sorted(missing)} were computed, but not into {parts.folder}. Is it the same disk there?"
        )
    return min(until, time.monotonic() + ARRIVAL)


def _refuse_overwhelming(cartridge: Cartridge, frames: int) -> None:
    """As the reader does that meets all of them. One that was counted by two workers counts twice."""
    from ctc_core.cartridge.guarded import COPY, Limits

    if frames >= Limits().frames:
        raise CartridgeError(cartridge.path, f"{frames} of its frames could not be read safely", COPY)
